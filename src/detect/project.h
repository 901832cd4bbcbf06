#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "detect/files.h"
#include "detect/formats.h"
#include "detect/source.h"
#include "model/plan.h"

namespace slipway::detection {

// The fact index of one tree: parsed manifests and scanned sources, each made on first use and
// kept. Where service roots may be is known from the start. Not thread-safe.
class Project {
 public:
  explicit Project(const Tree& tree);

  [[nodiscard]] const Files& files() const { return files_; }
  // A parsed manifest; null when absent or broken. A broken one leaves a warning.
  [[nodiscard]] const json::value* json(std::string_view path) const;
  [[nodiscard]] const json::value* toml(std::string_view path) const;
  [[nodiscard]] const json::value* yaml(std::string_view path) const;
  // A scanned source; null when absent, no source, or the budget for sources is spent.
  [[nodiscard]] const SourceFacts* source(std::string_view path) const;

  // Directories with a language's manifest, sorted; "" is the tree's root.
  [[nodiscard]] const std::vector<std::string>& roots() const { return roots_; }
  [[nodiscard]] const std::vector<Warning>& warnings() const { return warnings_; }
  // The deepest of roots() that holds `path`, "" otherwise.
  [[nodiscard]] std::string_view root_of(std::string_view path) const;

 private:
  using Parser = std::optional<json::value> (*)(std::string_view);
  const json::value* parsed(std::string_view path, Parser parser, std::string_view kind) const;
  void find_roots();
  [[nodiscard]] bool python_above(std::string_view directory) const;

  Files files_;
  std::vector<std::string> roots_;
  mutable std::vector<Warning> warnings_;
  mutable std::map<std::string, std::optional<json::value>, std::less<>> documents_;
  mutable std::map<std::string, SourceFacts, std::less<>> sources_;
  mutable std::size_t source_bytes_ = 0;
};

// One place where a service may live, as detectors see it: names are relative to `directory`.
class Root {
 public:
  Root(const Project& project, std::string directory);

  [[nodiscard]] const Project& project() const { return *project_; }
  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] std::string path(std::string_view name) const {
    return join_path(directory_, name);
  }
  [[nodiscard]] bool has(std::string_view name) const { return project_->files().has(path(name)); }
  [[nodiscard]] std::string_view text(std::string_view name) const {
    return project_->files().text(path(name));
  }
  [[nodiscard]] const json::value* json(std::string_view name) const {
    return project_->json(path(name));
  }
  [[nodiscard]] const json::value* toml(std::string_view name) const {
    return project_->toml(path(name));
  }
  // The first of `names` that exists; "" when none does.
  [[nodiscard]] std::string first_of(std::initializer_list<std::string_view> names) const;
  // Own files here and below, without those of deeper service roots; relative, sorted. At most
  // 20,000.
  [[nodiscard]] const std::vector<std::string>& files() const;
  // Scanned sources of a language, shallow ones first; tests, build output and browser code of
  // public folders are left out. At most 400.
  [[nodiscard]] const std::vector<const SourceFacts*>& sources(Language language) const;
  [[nodiscard]] const SourceFacts* source(std::string_view name) const {
    return project_->source(path(name));
  }
  // `path` (of a source, from the project's root) relative to this root.
  [[nodiscard]] std::string relative(std::string_view path) const {
    return std::string(relative_to(path, directory_));
  }

 private:
  const Project* project_;
  std::string directory_;
  mutable std::optional<std::vector<std::string>> files_;
  mutable std::map<Language, std::vector<const SourceFacts*>> sources_;
};

// What a detector says of a root: the service it would make, and how sure it is.
struct Proposal {
  Service service;
  std::vector<Service> others;  // further processes of the same code (workers)
  std::vector<Warning> warnings;
  std::vector<Question> questions;
  std::string reason;  // what it saw, in one line

  void because(std::string file, int line, std::string fact);
  void warn(std::string code, std::string message, std::string file, int line, std::string fix);
};

// Facts of sources that every language's plan takes: environment variables, health path.
void add_source_facts(const std::vector<const SourceFacts*>& sources, const Root& root,
                      Proposal& proposal);
// A database driver's name -> the database, e.g. "pg" -> "postgres"; "" when it is none.
[[nodiscard]] std::string_view database_of(std::string_view package);
// Takes what a dependency says of the service: a database, packages of the system.
void add_dependency(std::string_view package, Service& service);
// Where an SQLite database lies: the folder to keep, or the file itself when it lies in the root.
void add_storage(const Root& root, Proposal& proposal);
// The health path among routes; "/" when there is none.
[[nodiscard]] std::string_view health_route(const std::vector<const SourceFacts*>& sources);

// A version from .tool-versions, mise.toml or .mise.toml under any of `names`.
struct VersionFact {
  std::string version, source, file;
  int line = 0;
};
[[nodiscard]] std::optional<VersionFact> tool_version(
    const Root& root, std::initializer_list<std::string_view> names);
// The first line of a file such as .nvmrc, without a leading "v"; here or, when `root` lies in a
// larger project, in the project's root.
[[nodiscard]] std::optional<VersionFact> version_file(const Root& root, std::string_view name);

}  // namespace slipway::detection
