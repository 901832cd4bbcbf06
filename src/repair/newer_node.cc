#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <utility>

#include "repair/kinds.h"

namespace slipway::repair {
namespace {

using Version = std::pair<int, int>;  // major, minor

// The least Node that the packages of an install ask for, as npm and Yarn say when the one at hand
// is refused; {} when none is. Each asks for the least of its alternatives.
Version asked_for(std::string_view log) {
  static const RE2 refused(
      R"re(required: \{[^}\n]*node: '([^'\n]+)'|engine "node" is incompatible with this module\. Expected version "([^"\n]+)"|wanted: \{"node":"([^"\n]+)")re");
  static const RE2 version(R"((\d+)(?:\.(\d+))?(?:\.\d+)?)");
  Version most{};
  re2::StringPiece rest(log);
  std::string npm, yarn, pnpm;
  while (RE2::FindAndConsume(&rest, refused, &npm, &yarn, &pnpm)) {
    Version least{};
    std::string major, minor;
    const std::string range = npm + yarn + pnpm;
    re2::StringPiece words(range);
    while (RE2::FindAndConsume(&words, version, &major, &minor)) {
      const auto number = [](const std::string& text) {
        return text.empty() || text.size() > 3 ? 0 : std::stoi(text);
      };
      const Version each{number(major), number(minor)};
      if (least == Version{} || each < least) least = each;
    }
    most = std::max(most, least);
  }
  return most;
}

// What only Node 22 and newer have: sets' methods, Promise.withResolvers, require() of ES modules,
// the navigator ...
bool calls_what_is_newer(std::string_view log) {
  return holds_any(
      log,
      {".difference is not a function", ".intersection is not a function",
       ".isSubsetOf is not a function", ".isSupersetOf is not a function",
       ".symmetricDifference is not a function", "withResolvers is not a function",
       "Array.fromAsync is not a function", "navigator is not defined", "WebSocket is not defined",
       "ERR_REQUIRE_ESM", "registerHooks is not a function",
       "does not provide an export named 'registerHooks'",
       "does not provide an export named 'styleText'", "No such built-in module: node:sqlite"});
}

}  // namespace

std::optional<Change> newer_node(const Failure& failure) {
  // What an app says about its Node is meant.
  if (failure.service.runtime.name != "node" || failure.service.runtime.source != "default" ||
      !failure.service.runtime.version.empty())
    return std::nullopt;
  // Packages that were warned of may have nothing to do with what is known to be wrong.
  const std::string& cause = failure.error.cause;
  const bool unexplained = cause == "unsupported_runtime" || cause == "unknown" || cause == "crash";
  const Version asked = unexplained ? asked_for(failure.log) : Version{};
  Change change;
  if (asked.first >= 22)
    change.runtime_version = fmt::format(">={}.{} <{}", asked.first, asked.second, asked.first + 1);
  else if (calls_what_is_newer(failure.log))
    change.runtime_version = ">=22.12";
  else
    return std::nullopt;
  change.message =
      fmt::format("a package calls for a newer Node; one {} was taken", change.runtime_version);
  change.file = "package.json";
  change.fix = fmt::format("npm pkg set engines.node='{}'", change.runtime_version);
  return change;
}

}  // namespace slipway::repair
