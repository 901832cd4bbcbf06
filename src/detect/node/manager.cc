#include <algorithm>
#include <array>

#include "base/text.h"
#include "detect/node/lockfiles.h"
#include "detect/node/package.h"

namespace slipway::detection::node {
namespace {

std::vector<Lockfile> lockfiles_in(const Files& files, std::string_view directory) {
  std::vector<Lockfile> found;
  for (const Lockfile& lockfile : lockfiles())
    if (files.has(join_path(directory, lockfile.name))) found.push_back(lockfile);
  return found;
}

// The value of a top-level "key: value" near the start of a lockfile.
std::string_view header_value(std::string_view text, std::string_view key) {
  int budget = 60;
  for (const std::string_view line : lines(text.substr(0, 8192))) {
    if (--budget == 0) break;
    const std::string_view body = trim(line);
    if (!body.starts_with(key)) continue;
    std::string_view value = trim(body.substr(key.size()));
    if (value.size() >= 2 && (value.front() == '\'' || value.front() == '"'))
      value = value.substr(1, value.size() - 2);
    return value;
  }
  return {};
}

std::string version_from_lockfile(const Manager& manager, std::string_view text) {
  if (manager.name == "pnpm") {
    // The newest that reads it: an older one may not know the settings beside it.
    const std::string_view version = header_value(text, "lockfileVersion:");
    if (version.starts_with("9")) return "10";
    if (version.starts_with("6")) return "8";
    if (version.starts_with("5")) return "7";
  }
  if (manager.name == "yarn") {
    if (text.substr(0, 4096).find("__metadata:") == std::string_view::npos) return "1";
    const std::string_view version = header_value(text, "version:");
    if (version == "6") return "3";
    if (version == "4" || version == "5") return "2";
    return "4";
  }
  return {};
}

void read_declared(std::string_view declared, Manager& manager) {
  const std::size_t at = declared.rfind('@');
  if (at == std::string_view::npos || at == 0) return;
  manager.name = declared.substr(0, at);
  std::string_view version = declared.substr(at + 1);
  manager.version = version.substr(0, version.find('+'));
}

// "packageManager", or the newer "devEngines.packageManager" (an object, or a list of them): as
// "name@version".
std::string declared_manager(const json::value& manifest) {
  std::string declared(string_at(manifest, {"packageManager"}));
  if (!declared.empty()) return declared;
  const json::value* engine = find(manifest, {"devEngines", "packageManager"});
  if (engine != nullptr && engine->is_array() && !engine->as_array().empty())
    engine = &engine->as_array().front();
  if (engine == nullptr) return {};
  const std::string_view name = string_at(*engine, {"name"});
  const std::string_view version = string_at(*engine, {"version"});
  return name.empty() ? std::string() : std::string(name) + "@" + std::string(version);
}

std::string differences(const LockCheck& check) {
  return check.differing == 1
             ? check.culprit
             : check.culprit + " and " + std::to_string(check.differing - 1) + " more differ";
}

bool is_known(std::string_view manager) {
  return manager == "npm" || manager == "pnpm" || manager == "yarn" || manager == "bun";
}

}  // namespace

void choose_manager(Package& package, Proposal& proposal) {
  const Root& root = *package.root;
  const Project& project = root.project();
  const Files& files = project.files();
  Manager& manager = package.manager;
  manager.directory = root.directory();

  // The workspace above, if this package is a member; else a lockfile above without one.
  std::vector<Lockfile> found = lockfiles_in(files, root.directory());
  for (std::string_view above = root.directory(); !above.empty();) {
    above = directory_of(above);
    const std::vector<std::string> members = workspace_members(project, above);
    if (std::ranges::find(members, root.directory()) == members.end()) continue;
    manager.directory = above;
    manager.workspace = true;
    if (std::vector<Lockfile> higher = lockfiles_in(files, above); !higher.empty() || found.empty())
      found = std::move(higher);
    break;
  }

  const std::string manifest_path = join_path(manager.directory, "package.json");
  const json::value* manifest = project.json(manifest_path);
  std::string declared;
  for (const json::value* each : {manifest, package.manifest})
    if (declared.empty() && each != nullptr) declared = declared_manager(*each);
  if (!declared.empty()) {
    Manager read = manager;
    read_declared(declared, read);
    if (is_known(read.name)) {
      manager = read;
      proposal.because(manifest_path, line_of(files.text(manifest_path), "\"packageManager\""),
                       "packageManager " + declared);
    } else {
      declared.clear();
    }
  }
  // The lockfile that agrees with package.json, whatever its manager; a stale one only when no
  // other is there.
  const Lockfile* chosen = nullptr;
  LockCheck chosen_check;
  std::vector<std::string> stale;
  for (const Lockfile& lockfile : found) {
    const LockCheck check =
        check_lockfile(package, lockfile, files.text(join_path(manager.directory, lockfile.name)));
    if (check.agreement == Agreement::stale)
      stale.push_back(std::string(lockfile.name) + " is stale: " + differences(check));
    if (!declared.empty() && lockfile.manager != manager.name) continue;
    if (chosen != nullptr && check.agreement >= chosen_check.agreement) continue;
    chosen = &lockfile;
    chosen_check = check;
  }
  if (declared.empty() && manifest != nullptr && chosen == nullptr) {
    for (const std::string_view name : {"pnpm", "yarn", "bun"})
      if (!string_at(*manifest, {"engines", name}).empty()) manager.name = name;
    if (files.has(join_path(manager.directory, "pnpm-workspace.yaml"))) manager.name = "pnpm";
    if (files.has(join_path(manager.directory, ".yarnrc.yml"))) manager.name = "yarn";
  }
  if (chosen != nullptr) {
    manager.name = chosen->manager;
    manager.lockfile = chosen->name;
    const std::string path = join_path(manager.directory, chosen->name);
    proposal.because(path, 0, "a lockfile of " + manager.name);
    if (manager.version.empty()) manager.version = version_from_lockfile(manager, files.text(path));
  }

  if (manager.name == "pnpm" && (manager.version == "9" || manager.version.empty()) &&
      files.has(join_path(manager.directory, "pnpm-workspace.yaml")))
    if (const json::value* settings =
            project.yaml(join_path(manager.directory, "pnpm-workspace.yaml"));
        settings != nullptr && strings_at(*settings, {"packages"}).empty())
      manager.version = "10";  // 9 refuses settings without packages

  std::vector<std::string> names;
  for (const Lockfile& lockfile : found)
    if (chosen == nullptr || lockfile.name != chosen->name) names.emplace_back(lockfile.name);
  const bool strange = std::ranges::any_of(found, [&](const Lockfile& lockfile) {
    return chosen != nullptr && lockfile.manager != chosen->manager;
  });
  if (!names.empty() && chosen != nullptr && (strange || !stale.empty())) {
    std::string message =
        "several lockfiles; " + manager.lockfile + " is used, " + join(names, " and ") + " ignored";
    for (const std::string& each : stale)
      if (!each.starts_with(manager.lockfile + " ")) message += "; " + each;
    proposal.warn("several_lockfiles", std::move(message),
                  join_path(manager.directory, names.front()), 0, "delete " + join(names, " and "));
  } else if (chosen == nullptr && package.manifest != nullptr &&
             !(package.runtime.empty() && package.development.empty())) {
    proposal.warn("no_lockfile", "no lockfile: versions may differ from one build to the next",
                  root.path("package.json"), 0,
                  "run " + manager.name + " install and keep the lockfile it writes");
  }
  if (chosen != nullptr && chosen_check.agreement == Agreement::stale) {
    manager.usable_lockfile = false;
    proposal.warn(
        "stale_lockfile",
        manager.lockfile + " does not match package.json (" + differences(chosen_check) +
            "), so it is not held to",
        join_path(manager.directory, manager.lockfile), 0,
        "run " + std::string(update_command(manager.name)) + " and keep " + manager.lockfile);
  }
  if (manager.name == "yarn" && manager.version != "1" && !manager.version.empty() &&
      !manager.version.starts_with("1.")) {
    const std::string settings = join_path(manager.directory, ".yarnrc.yml");
    const json::value* document = files.has(settings) ? project.yaml(settings) : nullptr;
    const std::string_view linker = document == nullptr ? "" : string_at(*document, {"nodeLinker"});
    manager.plug_and_play = linker.empty() || linker == "pnp";
  }
}

}  // namespace slipway::detection::node
