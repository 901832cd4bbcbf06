#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "repair/kinds.h"

namespace slipway::repair {
namespace {

// Bundlers that take types away without looking at them.
constexpr std::string_view bundlers[] = {"vite",   "rsbuild", "rspack", "webpack",
                                         "rollup", "esbuild", "parcel", "react-scripts",
                                         "astro",  "vinxi",   "farm"};

bool bundles(std::string_view command) {
  if (command.starts_with("npx ")) command.remove_prefix(4);
  return std::ranges::find(bundlers, command.substr(0, command.find(' '))) != std::end(bundlers);
}

bool checks_types(std::string_view command) {
  static const RE2 check(
      R"((?:npx |bunx |pnpm exec |yarn )?(?:tsc|vue-tsc|svelte-check|astro check)(?: [^;&|<>$`]*)?)");
  return RE2::FullMatch(command, check);
}

// The script without its checks, where each stands right before a bundler; "" when none does.
std::string without_checks(std::string_view script) {
  std::vector<std::string_view> commands;
  for (auto end = script.find("&&"); end != std::string_view::npos; end = script.find("&&")) {
    commands.push_back(script.substr(0, end));
    script.remove_prefix(end + 2);
  }
  commands.push_back(script);
  std::vector<std::string> left;
  bool any = false;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    if (i + 1 < commands.size() && checks_types(trim(commands[i])) &&
        bundles(trim(commands[i + 1])))
      any = true;
    else
      left.emplace_back(trim(commands[i]));
  }
  return any ? join(left, " && ") : std::string();
}

// What is said of a module that is not there (TS2307) may be all that is wrong: that has its own
// repair.
bool types_are_wrong(std::string_view log) {
  static const RE2 error(R"(error TS(\d+):)");
  re2::StringPiece rest(log);
  for (std::string code; RE2::FindAndConsume(&rest, error, &code);)
    if (code != "2307") return true;
  return false;
}

}  // namespace

// Only where nothing but the check failed: the bundler comes after it and needs nothing of it. A
// script with hooks before it ("prebuild") is left alone, since they would be left out.
std::optional<Change> type_check(const Failure& failure) {
  if (failure.service.package_manager.empty() || !failure.service.build) return std::nullopt;
  static const RE2 plain(R"((?:npm|pnpm|yarn|bun)(?: run)? build)");
  if (!RE2::FullMatch(*failure.service.build, plain)) return std::nullopt;
  static const RE2 hook(R"((?m)^> \S+ prebuild\b)");
  if (!types_are_wrong(failure.log) || RE2::PartialMatch(failure.log, hook)) return std::nullopt;
  std::string script;
  static const RE2 header(R"((?m)^[>$] ([^\n]+)$)");
  re2::StringPiece rest(failure.log);
  for (std::string line; RE2::FindAndConsume(&rest, header, &line);)
    if (std::string less = without_checks(line); !less.empty()) script = std::move(less);
  if (script.empty()) return std::nullopt;
  static const RE2 place(R"((?m)^(\S+\.[cm]?(?:tsx?|vue|svelte|astro))[(:]\d+[^\n]*error TS\d+)");
  std::string file;
  RE2::PartialMatch(failure.log, place, &file);
  Change change;
  change.build = fmt::format(
      "PATH=\"$PWD/node_modules/.bin:$PWD/../node_modules/.bin:"
      "$PWD/../../node_modules/.bin:$PATH\" && {}",
      script);
  change.message = "types do not check; the page was built without looking at them";
  change.file = file;
  change.fix = fmt::format("mend the types, or make the build script: {}", script);
  return change;
}

}  // namespace slipway::repair
