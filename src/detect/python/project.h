#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "detect/project.h"

namespace slipway::detection::python {

// The name by which two spellings of a distribution are one: "Flask_SQLAlchemy" ->
// "flask-sqlalchemy".
[[nodiscard]] std::string normalized(std::string_view distribution);

// A requirement as pip reads it: "uvicorn[standard]>=0.30; python_version > '3.9'".
struct Requirement {
  std::string name;  // normalized
  std::string text;  // as written, without comment and marker
  std::string file;
  int line = 0;
};
[[nodiscard]] std::optional<Requirement> parse_requirement(std::string_view text);

// PEP 723: the metadata block of a script.
struct ScriptMetadata {
  std::vector<std::string> dependencies;
  std::string requires_python;
  int line = 0;
};
[[nodiscard]] std::optional<ScriptMetadata> read_script_metadata(std::string_view text);

enum class Installer {
  none,
  requirements,
  uv_lock,
  pyproject,
  poetry,
  pipenv,
  pdm,
  conda,
  setup,
  script,
  imports
};

// What a root declares and imports.
struct Declared {
  Installer installer = Installer::none;
  std::string file;  // the manifest that the installer reads, relative to the root
  std::map<std::string, Requirement> requirements;  // by normalized name
  std::vector<std::string> files;                   // everything the install reads, relative
  bool needs_source = false;
  bool builds_package = false;  // the project itself is installed
  [[nodiscard]] bool has(std::string_view name) const {
    return requirements.contains(std::string(name));
  }
};
[[nodiscard]] Declared read_declared(const Root& root, Proposal& proposal);

// Distributions that the sources import: no standard library, no local modules; import names
// mapped to the names of the index.
[[nodiscard]] std::vector<std::string> imported_distributions(
    const Root& root, const std::vector<const SourceFacts*>& sources);
[[nodiscard]] std::string_view distribution_of(std::string_view module);
[[nodiscard]] bool is_standard_library(std::string_view module);

[[nodiscard]] RuntimeNeed runtime_of(const Root& root, const Declared& declared,
                                     Proposal& proposal);
// `extra`: servers that the start command needs and nobody declares.
void plan_install(const Root& root, const Declared& declared, const std::vector<std::string>& extra,
                  Proposal& proposal);

// Where the application is.
struct Entry {
  std::string file;       // relative to the root
  std::string module;     // "main", "app.main"
  std::string directory;  // "" or the folder to put on the path: "src"
  std::string object;     // "app", "create_app()"; "" when the file itself is run
  bool factory = false;
  bool runs_itself = false;  // has a __main__ guard or calls run at the top
  int line = 0;
};
// The application object made by any of `makers` ("Flask"); also through a factory.
[[nodiscard]] std::optional<Entry> find_app(const Root& root,
                                            std::initializer_list<std::string_view> makers);
// The script to run when there is no application object.
[[nodiscard]] std::optional<Entry> find_script(const Root& root);

}  // namespace slipway::detection::python
