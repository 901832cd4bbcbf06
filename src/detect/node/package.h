#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "detect/project.h"

namespace slipway::detection::node {

// The package manager of a package, and where it is run: the folder of the lockfile, which may be
// above the package (a workspace).
struct Manager {
  std::string name = "npm";
  std::string version;    // "9.1.0", "9", ">=9"; "" when nothing says
  std::string directory;  // from the project's root
  std::string lockfile;   // its name; "" when there is none
  bool usable_lockfile = true;
  bool plug_and_play = false;  // yarn without node_modules
  bool workspace = false;      // the package is a member of a workspace at `directory`
};

// A package.json and what surrounds it. Refers to `root`, which must outlive it.
struct Package {
  const Root* root = nullptr;
  const json::value* manifest = nullptr;                    // null: no package.json
  std::map<std::string, std::string> runtime, development;  // name -> range
  Manager manager;

  [[nodiscard]] bool has(std::string_view dependency) const;
  [[nodiscard]] std::string_view range(std::string_view dependency) const;
  [[nodiscard]] std::string_view script(std::string_view name) const;
  [[nodiscard]] int line(std::string_view text) const;  // in package.json
  // The command that runs a script, a tool of the project, a file.
  [[nodiscard]] std::string run(std::string_view script_name) const;
  [[nodiscard]] std::string execute(std::string_view command) const;
};
[[nodiscard]] Package read_package(const Root& root);

// Chooses the manager; warns of several, missing and stale lockfiles.
void choose_manager(Package& package, Proposal& proposal);
// Sets install and install_inputs.
void plan_install(const Package& package, Proposal& proposal);
// Installs the packages below it that its script `name` builds: "cd client && npm run build".
void plan_inner_installs(const Package& package, std::string_view name, Proposal& proposal);
void plan_runtime(const Package& package, Proposal& proposal);

// Directories of the workspace's members ("packages/ui"), from a workspace's root directory.
[[nodiscard]] std::vector<std::string> workspace_members(const Project& project,
                                                         std::string_view directory);

// The config file of a tool, with any of the extensions that tools accept; "" when absent.
[[nodiscard]] std::string config_file(const Root& root, std::string_view stem);
// The literal after `key:` in a JavaScript config file; "" when absent or no literal.
[[nodiscard]] std::string config_value(const Root& root, std::string_view file,
                                       std::string_view key);
[[nodiscard]] bool config_mentions(const Root& root, std::string_view file, std::string_view word);

// What starts a package in production.
struct Start {
  std::string command;       // "" when nothing says
  std::string entry;         // the file it runs, when it runs one
  std::string tool;          // the program otherwise: "next", "vite"
  std::string script;        // the script it came from
  bool development = false;  // a development server: never a production command
  bool delegates = false;    // runs a script of other folders: npm start --prefix server
};
// Follows `npm run x` and reads what a script really runs.
[[nodiscard]] Start read_script(const Package& package, std::string_view name);
// The best start: scripts first, then "main", then usual files, then a file that listens.
[[nodiscard]] Start find_start(const Package& package);
// The file that scripts.start names and that is nowhere; "" when it is there or a build's.
[[nodiscard]] std::string missing_start(const Package& package);

}  // namespace slipway::detection::node
