#include <algorithm>
#include <array>

#include "base/text.h"
#include "detect/node/package.h"

namespace slipway::detection::node {
namespace {

struct Lockfile {
  std::string_view name, manager;
};
// A package-lock.json beside another is usually the stray one: it comes last.
constexpr std::array lockfiles{Lockfile{"pnpm-lock.yaml", "pnpm"},
                               Lockfile{"yarn.lock", "yarn"},
                               Lockfile{"bun.lock", "bun"},
                               Lockfile{"bun.lockb", "bun"},
                               Lockfile{"npm-shrinkwrap.json", "npm"},
                               Lockfile{"package-lock.json", "npm"}};

std::vector<Lockfile> lockfiles_in(const Files& files, std::string_view directory) {
  std::vector<Lockfile> found;
  for (const Lockfile& lockfile : lockfiles)
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
    const std::string_view version = header_value(text, "lockfileVersion:");
    if (version.starts_with("9")) return "9";
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

// The text of the object that begins at `open`, quotes respected.
std::string_view balanced(std::string_view text, std::size_t open) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = open; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth == 0) {
      return text.substr(open, i + 1 - open);
    }
  }
  return {};
}

// Whether package-lock.json was made for another package.json: `npm ci` would refuse it. Reads only
// the lockfile's entry of the root package, which comes first.
bool is_stale(const Package& package, std::string_view lock, std::string& culprit) {
  const std::size_t packages = lock.find("\"packages\"");
  if (packages == std::string_view::npos) return false;
  const std::size_t entry = lock.find("\"\":", packages);
  if (entry == std::string_view::npos || entry > packages + 64) return false;
  const std::size_t open = lock.find('{', entry);
  if (open == std::string_view::npos) return false;
  const std::optional<json::value> root = parse_json_lenient(balanced(lock, open));
  if (!root) return false;
  for (const auto& [key, wanted] :
       {std::pair{std::string_view("dependencies"), &package.runtime},
        std::pair{std::string_view("devDependencies"), &package.development}}) {
    const json::object& locked = object_at(*root, {key});
    const json::object& optional = object_at(*root, {"optionalDependencies"});
    for (const auto& [name, range] : *wanted) {
      const json::value* there = locked.if_contains(name);
      if (there == nullptr) there = optional.if_contains(name);
      const json::string* text = there == nullptr ? nullptr : there->if_string();
      if (text == nullptr || view(*text) != range) {
        culprit = name;
        return true;
      }
    }
  }
  return false;
}

void read_declared(std::string_view declared, Manager& manager) {
  const std::size_t at = declared.rfind('@');
  if (at == std::string_view::npos || at == 0) return;
  manager.name = declared.substr(0, at);
  std::string_view version = declared.substr(at + 1);
  manager.version = version.substr(0, version.find('+'));
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
  if (manifest != nullptr) declared = string_at(*manifest, {"packageManager"});
  if (declared.empty() && package.manifest != nullptr)
    declared = string_at(*package.manifest, {"packageManager"});
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
  const Lockfile* chosen = nullptr;
  for (const Lockfile& lockfile : found)
    if (chosen == nullptr && (declared.empty() || lockfile.manager == manager.name))
      chosen = &lockfile;
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

  std::vector<std::string> names;
  for (const Lockfile& lockfile : found)
    if (chosen == nullptr || lockfile.manager != chosen->manager) names.emplace_back(lockfile.name);
  if (!names.empty() && chosen != nullptr) {
    proposal.warn("several_lockfiles",
                  "lockfiles of several package managers; " + manager.lockfile + " is used, " +
                      join(names, " and ") + " ignored",
                  join_path(manager.directory, names.front()), 0, "delete " + join(names, " and "));
  } else if (chosen == nullptr && package.manifest != nullptr &&
             !(package.runtime.empty() && package.development.empty())) {
    proposal.warn("no_lockfile", "no lockfile: versions may differ from one build to the next",
                  root.path("package.json"), 0,
                  "run " + manager.name + " install and keep the lockfile it writes");
  }
  std::string culprit;
  if (manager.lockfile == "package-lock.json" && !manager.workspace &&
      is_stale(package, files.text(join_path(manager.directory, manager.lockfile)), culprit)) {
    manager.usable_lockfile = false;
    proposal.warn("stale_lockfile",
                  "package-lock.json does not match package.json (" + culprit +
                      "), so npm install is used instead of npm ci",
                  root.path("package-lock.json"), 0, "run npm install and keep package-lock.json");
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
