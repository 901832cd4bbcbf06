#include "detect/node/package.h"

#include <algorithm>

#include "base/text.h"

namespace slipway::detection::node {
namespace {

void read_dependencies(const json::value& manifest, std::string_view key,
                       std::map<std::string, std::string>& into) {
  for (const auto& [name, range] : object_at(manifest, {key}))
    if (const json::string* text = range.if_string())
      into.emplace(std::string(name), std::string(view(*text)));
}

}  // namespace

bool Package::has(std::string_view dependency) const {
  const std::string name(dependency);
  return runtime.contains(name) || development.contains(name);
}

std::string_view Package::range(std::string_view dependency) const {
  const std::string name(dependency);
  if (const auto at = runtime.find(name); at != runtime.end()) return at->second;
  if (const auto at = development.find(name); at != development.end()) return at->second;
  return {};
}

std::string_view Package::script(std::string_view name) const {
  return manifest == nullptr ? std::string_view{} : trim(string_at(*manifest, {"scripts", name}));
}

int Package::line(std::string_view text) const {
  return line_of(root->text("package.json"), "\"" + std::string(text) + "\"");
}

std::string Package::run(std::string_view script_name) const {
  return manager.name + " run " + std::string(script_name);
}

std::string Package::execute(std::string_view command) const {
  if (manager.plug_and_play) return "yarn " + std::string(command);
  return "npx --no-install " + std::string(command);
}

Package read_package(const Root& root) {
  Package package{.root = &root, .manifest = root.json("package.json")};
  if (package.manifest != nullptr) {
    read_dependencies(*package.manifest, "dependencies", package.runtime);
    read_dependencies(*package.manifest, "devDependencies", package.development);
    read_dependencies(*package.manifest, "optionalDependencies", package.runtime);
  }
  return package;
}

std::vector<std::string> workspace_members(const Project& project, std::string_view directory) {
  std::vector<std::string> patterns;
  if (const json::value* manifest = project.json(join_path(directory, "package.json"))) {
    patterns = strings_at(*manifest, {"workspaces"});
    if (patterns.empty()) patterns = strings_at(*manifest, {"workspaces", "packages"});
  }
  if (project.files().has(join_path(directory, "pnpm-workspace.yaml")))
    if (const json::value* workspace = project.yaml(join_path(directory, "pnpm-workspace.yaml")))
      for (std::string& pattern : strings_at(*workspace, {"packages"}))
        patterns.push_back(std::move(pattern));
  std::vector<std::string> members;
  if (patterns.empty()) return members;
  for (const std::string& root : project.roots()) {
    if (root == directory || !is_within(root, directory)) continue;
    if (!project.files().has(join_path(root, "package.json"))) continue;
    const std::string_view relative = relative_to(root, directory);
    bool member = false;
    for (const std::string& pattern : patterns) {
      std::string_view text = pattern;
      const bool negated = text.starts_with('!');
      if (negated) text.remove_prefix(1);
      if (text.starts_with("./")) text.remove_prefix(2);
      while (text.ends_with('/')) text.remove_suffix(1);
      if (glob_matches(text, relative)) member = !negated;
    }
    if (member) members.push_back(root);
  }
  return members;
}

std::string config_file(const Root& root, std::string_view stem) {
  for (const std::string_view extension : {".ts", ".js", ".mjs", ".mts", ".cjs", ".cts"})
    if (std::string name = std::string(stem) + std::string(extension); root.has(name)) return name;
  return {};
}

std::string config_value(const Root& root, std::string_view file, std::string_view key) {
  if (file.empty()) return {};
  const std::vector<Token> tokens = tokenize(root.text(file), Language::javascript);
  for (std::size_t i = 0; i + 2 < tokens.size(); ++i)
    if (tokens[i].text == key && (tokens[i + 1].is(":") || tokens[i + 1].is("="))) {
      const Token& value = tokens[i + 2];
      if (value.kind == Token::Kind::sign) continue;
      if (!value.word() || i + 3 >= tokens.size() ||
          !(tokens[i + 3].is(".") || tokens[i + 3].is("(")))
        return std::string(value.text);
      // path.resolve(import.meta.dirname, "dist", "public"): the literals of the call.
      std::size_t open = i + 3;
      while (open < tokens.size() && open < i + 8 && !tokens[open].is("(")) ++open;
      if (open >= tokens.size() || !tokens[open].is("(")) continue;
      std::string joined;
      for (std::size_t k = open + 1; k < tokens.size() && k < tokens[open].partner; ++k)
        if (tokens[k].string())
          joined = resolve_path(joined, tokens[k].text).value_or(std::string(tokens[k].text));
      if (!joined.empty()) return joined;
    }
  return {};
}

bool config_mentions(const Root& root, std::string_view file, std::string_view word) {
  if (file.empty()) return false;
  const std::vector<Token> tokens = tokenize(root.text(file), Language::javascript);
  return std::ranges::any_of(tokens, [word](const Token& token) { return token.text == word; });
}

void plan_runtime(const Package& package, Proposal& proposal) {
  RuntimeNeed& need = proposal.service.runtime;
  need.name = "node";
  const auto take = [&](const VersionFact& fact, const std::string& what) {
    need.version = fact.version;
    need.source = what;
    proposal.because(fact.file, fact.line, "Node " + fact.version);
  };
  const std::string manifest = package.root->path("package.json");
  const auto from_manifest = [&](const json::value* value, std::string_view file,
                                 std::initializer_list<std::string_view> path,
                                 std::string_view what) {
    if (value == nullptr || !need.source.empty()) return;
    if (const std::string_view text = trim(string_at(*value, path)); !text.empty())
      take({.version = std::string(text),
            .source = {},
            .file = std::string(file),
            .line = line_of(package.root->project().files().text(file),
                            "\"" + std::string(*(path.end() - 1)) + "\"")},
           std::string(what));
  };
  from_manifest(package.manifest, manifest, {"engines", "node"}, "package.json engines.node");
  from_manifest(package.manifest, manifest, {"volta", "node"}, "package.json volta.node");
  if (package.manifest != nullptr &&
      string_at(*package.manifest, {"devEngines", "runtime", "name"}) == "node")
    from_manifest(package.manifest, manifest, {"devEngines", "runtime", "version"},
                  "package.json devEngines.runtime");
  if (need.source.empty())
    for (const std::string_view file : {".nvmrc", ".node-version"})
      if (const auto fact = version_file(*package.root, file); fact && need.source.empty())
        take(*fact, std::string(file));
  if (need.source.empty())
    if (const auto fact = tool_version(*package.root, {"nodejs", "node"}))
      take(*fact, std::string(base_name(fact->file)));
  if (need.source.empty() && package.manager.directory != package.root->directory()) {
    const std::string above = join_path(package.manager.directory, "package.json");
    const json::value* workspace = package.root->project().json(above);
    from_manifest(workspace, above, {"engines", "node"}, "package.json engines.node");
    from_manifest(workspace, above, {"volta", "node"}, "package.json volta.node");
  }
  if (need.source.empty()) need.source = "default";
}

}  // namespace slipway::detection::node
