#include "detect/project.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace slipway::detection {
namespace {

bool is_manifest(std::string_view name) {
  static const std::set<std::string_view> names{
      "package.json",     "requirements.txt", "pyproject.toml", "Pipfile",     "setup.py",
      "environment.yml",  "go.mod",           "Cargo.toml",     "pom.xml",     "build.gradle",
      "build.gradle.kts", "Gemfile",          "composer.json",  "mix.exs",     "deno.json",
      "deno.jsonc",       "CMakeLists.txt",   "build.sbt",      "project.clj", "deps.edn",
      "pubspec.yaml",     "Package.swift",    "shard.yml",      "gleam.toml",  "build.zig",
      "stack.yaml",       "hugo.toml",        "mkdocs.yml",     "config.ru"};
  if (names.contains(name)) return true;
  return name.ends_with(".csproj") || name.ends_with(".fsproj") || name.ends_with(".cabal");
}

// Folders below which a manifest is no service of the project's own.
bool is_side_folder(std::string_view name) {
  static const std::set<std::string_view> names{
      "test",       "tests",      "__tests__",     "spec",       "e2e",        "cypress",
      "playwright", "fixtures",   "fixture",       "testdata",   "vendor",     "third_party",
      "dist",       "build",      "out",           "target",     "public",     "static",
      "assets",     "templates",  "template",      "bench",      "benchmarks", "coverage",
      "examples",   "example",    ".devcontainer", ".storybook", "bin",        "obj",
      "deps",       "wp-content", "Pods"};
  return names.contains(name) || name.starts_with('.');
}

bool in_side_folder(std::string_view directory) {
  for (const std::string_view part : split(directory, '/'))
    if (is_side_folder(part)) return true;
  return false;
}

bool is_aside(std::string_view path) {  // relative to its root
  static const std::set<std::string_view> folders{
      "test",     "tests",  "__tests__",   "spec",    "e2e",      "cypress",    "fixtures",
      "testdata", "vendor", "third_party", "dist",    "build",    "out",        "target",
      "public",   "static", "staticfiles", "assets",  "coverage", "migrations", "examples",
      "example",  "bench",  "benchmarks",  "benches", "stories",  "docs",       "wwwroot"};
  std::size_t from = 0;
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
       from = slash + 1, slash = path.find('/', from))
    if (folders.contains(path.substr(from, slash - from))) return true;
  const std::string_view name = path.substr(from);
  return name.ends_with(".min.js") || name.ends_with(".d.ts") || name.ends_with("_test.go") ||
         name.starts_with("test_") || name.ends_with("_test.py") || name == "conftest.py" ||
         name.find(".test.") != std::string_view::npos ||
         name.find(".spec.") != std::string_view::npos ||
         name.find(".stories.") != std::string_view::npos;
}

}  // namespace

Project::Project(const Tree& tree) : files_(tree) { find_roots(); }

void Project::find_roots() {
  constexpr std::size_t max_depth = 4;
  std::string_view judged;  // the directory judged last, to judge each only once
  bool aside = false;
  for (const Tree::File* file : files_.own()) {
    const std::string_view path = file->path;
    const std::string_view name = base_name(path);
    const bool django = name == "manage.py";
    if (!django && !is_manifest(name)) continue;
    const std::string_view directory = directory_of(path);
    if (depth_of(path) > max_depth) continue;
    if (directory != judged) {
      judged = directory;
      aside = in_side_folder(directory);
    }
    // Django's own folder often lies below the manifest that declares it.
    if (!aside && !(django && python_above(directory))) roots_.emplace_back(directory);
  }
  std::ranges::sort(roots_);
  const auto repeated = std::ranges::unique(roots_);
  roots_.erase(repeated.begin(), repeated.end());
}

bool Project::python_above(std::string_view directory) const {
  while (!directory.empty()) {
    directory = directory_of(directory);
    for (const std::string_view name : {"requirements.txt", "pyproject.toml", "Pipfile"})
      if (files_.has(join_path(directory, name))) return true;
  }
  return false;
}

std::string_view Project::root_of(std::string_view path) const {
  for (std::string_view directory = directory_of(path);; directory = directory_of(directory)) {
    if (directory.empty()) return {};
    const auto at = std::ranges::lower_bound(
        roots_, directory, {}, [](const std::string& root) -> std::string_view { return root; });
    if (at != roots_.end() && *at == directory) return *at;
  }
}

const json::value* Project::parsed(std::string_view path, Parser parser,
                                   std::string_view kind) const {
  if (const auto known = documents_.find(path); known != documents_.end())
    return known->second ? &*known->second : nullptr;
  std::optional<json::value> value;
  if (const Tree::File* file = files_.find(path); file != nullptr) {
    const std::string_view text = files_.text(path);
    value = parser(text);
    if (!value && file->size <= Files::max_read && !trim(text).empty())
      warnings_.push_back(
          {.code = "broken_manifest",
           .message = std::string(path) + " is not valid " + std::string(kind) + " and was ignored",
           .file = std::string(path),
           .line = 0,
           .fix = "correct the syntax of " + std::string(path)});
  }
  const auto [at, inserted] = documents_.emplace(std::string(path), std::move(value));
  return at->second ? &*at->second : nullptr;
}

const json::value* Project::json(std::string_view path) const {
  return parsed(path, parse_json_lenient, "JSON");
}
const json::value* Project::toml(std::string_view path) const {
  return parsed(path, parse_toml, "TOML");
}
const json::value* Project::yaml(std::string_view path) const {
  return parsed(path, parse_yaml, "YAML");
}

const SourceFacts* Project::source(std::string_view path) const {
  if (const auto known = sources_.find(path); known != sources_.end()) return &known->second;
  const Tree::File* file = files_.find(path);
  if (file == nullptr || language_of(path) == Language::none) return nullptr;
  if (source_bytes_ > Files::max_source_bytes) return nullptr;
  const std::string_view text = files_.text(path);
  source_bytes_ += text.size();
  return &sources_.emplace(std::string(path), scan_source(path, text)).first->second;
}

Root::Root(const Project& project, std::string directory)
    : project_(&project), directory_(std::move(directory)) {}

std::string Root::first_of(std::initializer_list<std::string_view> names) const {
  for (const std::string_view name : names)
    if (has(name)) return std::string(name);
  return {};
}

const std::vector<std::string>& Root::files() const {
  if (files_) return *files_;
  constexpr std::size_t max_files = 20'000;
  std::vector<std::string> found;
  const Files::Range range = project_->files().below(directory_);
  const std::vector<const Tree::File*>& own = project_->files().own();
  std::string_view judged;
  bool mine = true;
  for (std::size_t i = range.first; i < range.last && found.size() < max_files; ++i) {
    const std::string_view path = own[i]->path;
    if (const std::string_view directory = directory_of(path);
        directory != judged || i == range.first) {
      judged = directory;
      const std::string_view root = project_->root_of(path);
      mine = root == directory_ || root.size() < directory_.size();
    }
    if (mine) found.emplace_back(relative_to(path, directory_));
  }
  files_ = std::move(found);
  return *files_;
}

const std::vector<const SourceFacts*>& Root::sources(Language language) const {
  if (const auto known = sources_.find(language); known != sources_.end()) return known->second;
  constexpr std::size_t max_sources = 400;
  std::vector<const std::string*> chosen;
  for (const std::string& file : files())
    if (language_of(file) == language && !is_aside(file)) chosen.push_back(&file);
  std::ranges::sort(chosen, [](const std::string* a, const std::string* b) {
    return std::pair(depth_of(*a), std::string_view(*a)) <
           std::pair(depth_of(*b), std::string_view(*b));
  });
  if (chosen.size() > max_sources) chosen.resize(max_sources);
  std::vector<const SourceFacts*> found;
  for (const std::string* file : chosen)
    if (const SourceFacts* facts = source(*file)) found.push_back(facts);
  return sources_.emplace(language, std::move(found)).first->second;
}

void Proposal::because(std::string file, int line, std::string fact) {
  service.evidence.push_back({.file = std::move(file), .line = line, .fact = std::move(fact)});
}

void Proposal::warn(std::string code, std::string message, std::string file, int line,
                    std::string fix) {
  warnings.push_back({.code = std::move(code),
                      .message = std::move(message),
                      .file = std::move(file),
                      .line = line,
                      .fix = std::move(fix)});
}

std::optional<VersionFact> version_file(const Root& root, std::string_view name) {
  for (const std::string& path : {root.path(name), std::string(name)}) {
    if (!root.project().files().has(path)) continue;
    for (const std::string_view line : lines(root.project().files().text(path))) {
      std::string_view text = trim(line);
      if (text.empty() || text.starts_with('#')) continue;
      if (text.size() > 1 && text.front() == 'v' && text[1] >= '0' && text[1] <= '9')
        text.remove_prefix(1);
      if (text.size() > 60) break;
      return VersionFact{.version = std::string(text), .source = path, .file = path, .line = 1};
    }
  }
  return std::nullopt;
}

std::optional<VersionFact> tool_version(const Root& root,
                                        std::initializer_list<std::string_view> names) {
  for (const std::string& path : {root.path(".tool-versions"), std::string(".tool-versions")}) {
    int number = 0;
    for (const std::string_view line : lines(root.project().files().text(path))) {
      ++number;
      const std::string_view text = trim(line.substr(0, line.find('#')));
      const std::size_t blank = text.find_first_of(" \t");
      if (blank == std::string_view::npos) continue;
      if (std::ranges::find(names, text.substr(0, blank)) == names.end()) continue;
      std::string_view version = trim(text.substr(blank));
      version = version.substr(0, version.find_first_of(" \t"));
      return VersionFact{
          .version = std::string(version), .source = path, .file = path, .line = number};
    }
  }
  for (const std::string_view file : {"mise.toml", ".mise.toml", ".config/mise.toml"})
    for (const std::string& path : {root.path(file), std::string(file)}) {
      const json::value* document = root.project().toml(path);
      if (document == nullptr) continue;
      for (const std::string_view name : names) {
        std::vector<std::string> versions = strings_at(*document, {"tools", name});
        if (versions.empty()) versions = strings_at(*document, {"tools", name, "version"});
        if (versions.empty()) continue;
        return VersionFact{.version = versions.front(),
                           .source = path,
                           .file = path,
                           .line = line_of(root.project().files().text(path), name)};
      }
    }
  return std::nullopt;
}

}  // namespace slipway::detection
