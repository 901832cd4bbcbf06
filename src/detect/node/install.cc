#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "detect/node/package.h"

namespace slipway::detection::node {
namespace {

std::string install_command(const Manager& manager) {
  const bool locked = !manager.lockfile.empty() && manager.usable_lockfile;
  if (manager.name == "npm") return locked ? "npm ci" : "npm install";
  if (manager.name == "pnpm")
    return locked ? "pnpm install --frozen-lockfile" : "pnpm install --no-frozen-lockfile";
  if (manager.name == "bun") return locked ? "bun install --frozen-lockfile" : "bun install";
  const bool classic =
      manager.version.empty() || manager.version == "1" || manager.version.starts_with("1.");
  if (!locked) return classic ? "yarn install" : "yarn install --no-immutable";
  return classic ? "yarn install --frozen-lockfile" : "yarn install --immutable";
}

// Whether a lifecycle script of the package needs nothing but what we list as inputs anyway.
bool is_harmless(std::string_view script) {
  constexpr std::array known{std::string_view("husky"),
                             std::string_view("prisma generate"),
                             std::string_view("patch-package"),
                             std::string_view("lefthook"),
                             std::string_view("simple-git-hooks"),
                             std::string_view("nuxt prepare"),
                             std::string_view("nuxi prepare"),
                             std::string_view("svelte-kit sync"),
                             std::string_view("astro sync"),
                             std::string_view("only-allow"),
                             std::string_view("is-ci"),
                             std::string_view("echo"),
                             std::string_view("true"),
                             std::string_view("wxt prepare"),
                             std::string_view("exit 0")};
  for (std::string_view rest = script; !rest.empty();) {
    const std::size_t end = rest.find_first_of("&|;");
    std::string_view command = trim(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    if (command.empty()) continue;
    for (const std::string_view runner :
         {"npx ", "pnpm exec ", "yarn ", "bunx ", "-y ", "--no-install "})
      if (command.starts_with(runner)) command = trim(command.substr(runner.size()));
    if (std::ranges::none_of(known, [&](std::string_view ok) { return command.starts_with(ok); }))
      return false;
  }
  return true;
}

bool needs_source(const json::value& manifest) {
  for (const std::string_view name : {"preinstall", "install", "postinstall", "prepare"})
    if (const std::string_view script = string_at(manifest, {"scripts", name});
        !script.empty() && !is_harmless(script))
      return true;
  for (const std::string_view kind : {"dependencies", "devDependencies", "optionalDependencies"})
    for (const auto& [name, range] : object_at(manifest, {kind}))
      if (const json::string* text = range.if_string())
        for (const std::string_view local : {"file:", "link:", "portal:", "./", "../"})
          if (view(*text).starts_with(local)) return true;
  return false;
}

}  // namespace

void plan_install(const Package& package, Proposal& proposal) {
  const Project& project = package.root->project();
  const Manager& manager = package.manager;
  Service& service = proposal.service;
  service.package_manager = manager.name;
  service.package_manager_version = manager.version;

  std::string up;
  if (manager.directory != package.root->directory())
    for (std::size_t i = depth_of(relative_to(package.root->directory(), manager.directory)) + 1;
         i > 0; --i)
      up += up.empty() ? ".." : "/..";
  const std::string command = install_command(manager);
  service.install = up.empty() ? command : "cd " + up + " && " + command;

  std::set<std::string> inputs;
  const auto add = [&](const std::string& path) {
    if (project.files().has(path)) inputs.insert(path);
  };
  const auto add_below = [&](const std::string& directory) {
    const Files::Range range = project.files().below(directory);
    if (range.last - range.first < 500)
      for (std::size_t i = range.first; i < range.last; ++i)
        inputs.insert(project.files().own()[i]->path);
  };
  std::vector<std::string> packages = workspace_members(project, manager.directory);
  packages.push_back(manager.directory);
  packages.push_back(package.root->directory());
  for (const std::string& directory : packages) {
    const std::string path = join_path(directory, "package.json");
    const json::value* manifest = project.json(path);
    if (manifest == nullptr) continue;
    if (needs_source(*manifest)) return;  // the whole source is the input
    inputs.insert(path);
    add(join_path(directory, ".npmrc"));
    const bool prisma = find(*manifest, {"dependencies", "@prisma/client"}) != nullptr ||
                        find(*manifest, {"devDependencies", "prisma"}) != nullptr;
    if (prisma) {
      add_below(join_path(directory, "prisma"));
      add(join_path(directory, "schema.prisma"));
      if (const std::string_view schema = string_at(*manifest, {"prisma", "schema"});
          !schema.empty())
        add(join_path(directory, schema));
      for (const std::string_view config : {"prisma.config.ts", "prisma.config.js"})
        add(join_path(directory, config));
    }
    for (const std::string_view config : {"svelte.config.js", "nuxt.config.ts", "nuxt.config.js"})
      if (!string_at(*manifest, {"scripts", "prepare"}).empty() ||
          !string_at(*manifest, {"scripts", "postinstall"}).empty())
        add(join_path(directory, config));
  }
  for (const std::string_view name :
       {"package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "pnpm-workspace.yaml",
        ".pnpmfile.cjs", "yarn.lock", ".yarnrc.yml", ".yarnrc", "bun.lock", "bun.lockb",
        "bunfig.toml"})
    add(join_path(manager.directory, name));
  add_below(join_path(manager.directory, "patches"));
  for (const std::string_view name : {".yarn/releases", ".yarn/plugins", ".yarn/patches"}) {
    const std::string directory = join_path(manager.directory, name) + "/";
    for (const std::string& path : project.files().all_below(directory)) inputs.insert(path);
  }
  service.install_inputs.assign(inputs.begin(), inputs.end());
}

void plan_inner_installs(const Package& package, std::string_view name, Proposal& proposal) {
  // The script, and those that it calls.
  std::string script(package.script(name));
  static const RE2 called(R"re(\brun ([A-Za-z0-9:._-]+))re");
  const std::string own = script;
  re2::StringPiece calls(own);
  for (std::string other; RE2::FindAndConsume(&calls, called, &other);)
    if (other != name) script += fmt::format("\n{}", package.script(other));
  // One that installs there itself needs nobody.
  if (script.contains("install") || script.contains(" ci")) return;
  static const RE2 inner(
      R"re((?:\bcd |--prefix[ =]|-C )\.?/?([A-Za-z0-9_-][A-Za-z0-9._/-]*?)/?(?:\s|$))re");
  const Project& project = package.root->project();
  Service& service = proposal.service;
  if (!service.install) return;
  std::vector<std::string> done = workspace_members(project, package.manager.directory);
  re2::StringPiece rest(script);
  for (std::string folder; RE2::FindAndConsume(&rest, inner, &folder);) {
    const std::string directory = join_path(package.root->directory(), folder);
    const json::value* manifest = project.json(join_path(directory, "package.json"));
    if (manifest == nullptr || folder.contains("..") ||
        std::ranges::find(done, directory) != done.end())
      continue;
    done.push_back(directory);
    const auto has = [&](std::string_view name) {
      return project.files().has(join_path(directory, name));
    };
    Manager manager;
    for (const auto& [name_of, lockfile] : {std::pair("npm", "package-lock.json"),
                                            {"yarn", "yarn.lock"},
                                            {"pnpm", "pnpm-lock.yaml"},
                                            {"bun", "bun.lock"}})
      if (manager.lockfile.empty() && has(lockfile))
        manager = {.name = name_of, .lockfile = lockfile};
    *service.install += fmt::format(" && (cd {} && {})", folder, install_command(manager));
    proposal.because(package.root->path("package.json"), package.line("build"),
                     fmt::format("the build script builds {}, a package of its own", folder));
    if (service.install_inputs.empty()) continue;  // the whole source is the input
    if (needs_source(*manifest)) {
      service.install_inputs.clear();
      continue;
    }
    for (const std::string_view file :
         {"package.json", "package-lock.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", ".npmrc"})
      if (has(file)) service.install_inputs.push_back(join_path(directory, file));
    std::ranges::sort(service.install_inputs);
  }
}

}  // namespace slipway::detection::node
