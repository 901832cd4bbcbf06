#include <re2/re2.h>

#include "repair/kinds.h"

namespace slipway::repair {

// What Python 3.10 and 3.11 took away ("What's New", sections "Removed"): the abstract classes of
// `collections`, formatargspec and getargspec of `inspect`, loop= of asyncio, @coroutine.
std::optional<Change> older_python(const Failure& failure) {
  // What an app says about its Python is meant.
  if (failure.service.runtime.name != "python" || failure.service.runtime.source != "default" ||
      !failure.service.runtime.version.empty())
    return std::nullopt;
  static const RE2 removed(
      R"(cannot import name '\w+' from 'collections' |)"
      R"(module 'collections' has no attribute '(?:Mutable)?(?:Mapping|Sequence|Set|Callable|Iterable|Iterator|Hashable)'|)"
      R"(module 'inspect' has no attribute '(?:getargspec|formatargspec)'|)"
      R"(module 'asyncio' has no attribute 'coroutine'|)"
      R"(got an unexpected keyword argument 'loop')");
  if (!RE2::PartialMatch(failure.log, removed)) return std::nullopt;
  Change change;
  change.runtime_version = "<3.10";
  change.message = "code calls what Python 3.10 took away; an older Python was taken";
  change.file = "requirements.txt";
  change.fix = "echo 3.9 > .python-version, or newer versions of the packages";
  return change;
}

}  // namespace slipway::repair
