#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "repair/kinds.h"

namespace slipway::repair {
namespace {

// What passes by itself first, then what changes least.
constexpr Repair all_repairs[] = {
    {"flaky_registry", "install|build", 2, Keep::this_time, flaky_registry,
     "a connection to a registry broke or was refused for a moment: the step runs again after a "
     "pause"},
    {"unfrozen_install", "install", 1, Keep::from_now_on, unfrozen_install,
     "a lockfile does not match its manifest: the install may resolve what it lacks"},
    {"peer_conflicts", "install", 1, Keep::from_now_on, peer_conflicts,
     "packages ask for peers that exclude each other (ERESOLVE): npm is told to accept it"},
    {"newer_node", "install|build", 1, Keep::from_now_on, newer_node,
     "a package asks for a newer Node, or calls what only Node 22 has, and nothing says which Node "
     "the app wants: such a one is taken"},
    {"engine_ranges", "install", 1, Keep::from_now_on, engine_ranges,
     "a package says that it wants another version of Node: the install goes on all the same"},
    {"browser_download", "install", 1, Keep::from_now_on, browser_download,
     "a package could not fetch a browser or a tool for its own tests: its install goes on "
     "without"},
    {"failed_install_script", "install", 1, Keep::from_now_on, failed_install_script,
     "the install script of one package failed: the others run, that package stays as it came"},
    {"without_lockfile", "install", 1, Keep::from_now_on, without_lockfile,
     "the lockfile names downloads that are not to be had: the versions are resolved anew"},
    {"older_python", "install|build|release|start", 1, Keep::from_now_on, older_python,
     "code calls what Python 3.10 took away, and nothing says which Python the app wants: an older "
     "one is taken, where there is one"},
    {"legacy_openssl", "build", 1, Keep::from_now_on, legacy_openssl,
     "a bundler of Node 16's time asks for a hash that OpenSSL 3 dropped: its legacy provider, for "
     "the build alone"},
    {"prisma_client", "build|release|start", 1, Keep::from_now_on, prisma_client,
     "code uses Prisma's client, which nobody made from the schema: `prisma generate` runs after "
     "the install"},
    {"type_check", "build", 1, Keep::from_now_on, type_check,
     "the check of types before a bundler fails (`tsc && vite build`): the bundler, which does not "
     "look at types, runs without it"},
    {"pkg_resources", "install|build|release|start", 1, Keep::from_now_on, pkg_resources,
     "code imports pkg_resources, which newer setuptools lack: setuptools below 81 is added"},
    {"undeclared_dependency", "build|start", 3, Keep::from_now_on, undeclared_dependency,
     "code imports a package that no manifest declares: it is installed, if it is older than 90 "
     "days "
     "and its name is not nearly that of a popular one"},
    {"more_memory", "install|build", 1, Keep::from_now_on, more_memory,
     "the step ran out of memory: once more, with half as much again"},
};

bool has_word(std::string_view words, std::string_view word) {
  const auto all = split(words, '|');
  return std::ranges::find(all, word) != all.end();
}

}  // namespace

std::span<const Repair> repairs() { return all_repairs; }

std::optional<Planned> next_repair(const Failure& failure, const std::map<std::string, int>& used) {
  int total = 0;
  for (const auto& [name, times] : used) total += times;
  if (total >= most_repairs) return std::nullopt;
  for (const Repair& repair : all_repairs) {
    if (!has_word(repair.phases, failure.error.phase)) continue;
    const auto before = used.find(std::string(repair.name));
    if (before != used.end() && before->second >= repair.most) continue;
    if (auto change = repair.plan(failure)) {
      if (change->pause_seconds > 0 && before != used.end())
        change->pause_seconds *= 4 * before->second;
      return Planned{.repair = &repair, .change = *std::move(change)};
    }
  }
  return std::nullopt;
}

Warning finding_of(std::string_view repair_name, const Change& change) {
  return {.code = fmt::format("repaired_{}", repair_name),
          .message = sanitize_line(change.message),
          .file = sanitize_line(change.file),
          .line = 0,
          .fix = sanitize_line(change.fix)};
}

bool holds_any(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::ranges::any_of(
      parts, [text](std::string_view part) { return text.find(part) != std::string_view::npos; });
}

std::optional<std::string> replaced(std::string_view text, std::string_view from,
                                    std::string_view to) {
  std::string out(text);
  bool any = false;
  for (auto at = out.find(from); at != std::string::npos; at = out.find(from, at + to.size())) {
    out.replace(at, from.size(), to);
    any = true;
  }
  return any ? std::optional(std::move(out)) : std::nullopt;
}

}  // namespace slipway::repair
