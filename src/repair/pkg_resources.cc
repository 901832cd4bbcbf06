#include "repair/kinds.h"

namespace slipway::repair {

std::optional<Change> pkg_resources(const Failure& failure) {
  if (failure.service.provider != "python" ||
      !holds_any(failure.log, {"No module named 'pkg_resources'"}))
    return std::nullopt;
  constexpr std::string_view package = "'setuptools<81'";
  Change change;
  const std::string before = failure.service.install.value_or("");
  change.install =
      (before.empty() ? "" : before + " && ") + "uv pip install " + std::string(package);
  change.message =
      "code imports pkg_resources, which setuptools no longer has; an older setuptools was added";
  change.file = "requirements.txt";
  change.fix =
      "add setuptools<81 to the requirements, or replace pkg_resources by "
      "importlib.metadata";
  return change;
}

}  // namespace slipway::repair
