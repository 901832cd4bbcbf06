#include <algorithm>
#include <charconv>
#include <set>

#include "base/text.h"
#include "detect/python/project.h"

namespace slipway::detection::python {
namespace {

constexpr int max_includes = 8;

void add(Declared& declared, Requirement requirement) {
  declared.requirements.try_emplace(requirement.name, std::move(requirement));
}

void read_requirements(const Root& root, const std::string& name, Declared& declared, int depth) {
  if (depth > max_includes || !root.has(name)) return;
  if (std::ranges::find(declared.files, name) != declared.files.end()) return;
  declared.files.push_back(name);
  int number = 0;
  for (const std::string_view raw : lines(root.text(name))) {
    ++number;
    std::string_view line = trim(raw);
    if (const std::size_t comment = line.find(" #"); comment != std::string_view::npos)
      line = trim(line.substr(0, comment));
    if (line.empty() || line.starts_with('#')) continue;
    for (const std::string_view flag : {"-r", "--requirement", "-c", "--constraint"})
      if (line.starts_with(flag)) {
        std::string_view file = trim(line.substr(flag.size()));
        if (file.starts_with('=')) file = trim(file.substr(1));
        if (const auto path = resolve_path(directory_of(name), file))
          read_requirements(root, *path, declared, depth + 1);
        line = {};
        break;
      }
    if (line.empty()) continue;
    if (line.starts_with("-e") || line.starts_with("--editable") || line.starts_with('.') ||
        line.starts_with("file:") || line.find("@ file:") != std::string_view::npos) {
      declared.needs_source = true;
      continue;
    }
    if (line.starts_with('-')) continue;
    if (std::optional<Requirement> requirement = parse_requirement(line)) {
      requirement->file = root.path(name);
      requirement->line = number;
      add(declared, *std::move(requirement));
    }
  }
}

void add_list(const Root& root, const std::vector<std::string>& texts, std::string_view file,
              Declared& declared) {
  for (const std::string& text : texts)
    if (std::optional<Requirement> requirement = parse_requirement(text)) {
      requirement->file = root.path(file);
      requirement->line = line_of(root.text(file), text);
      add(declared, *std::move(requirement));
    }
}

// "^1.2" and "~1.2" of Poetry as PEP 440 writes them: up to the next number that counts.
std::string pep440(std::string_view clause) {
  clause = trim(clause);
  const bool caret = clause.starts_with('^');
  if (!caret && (!clause.starts_with('~') || clause.starts_with("~="))) {
    if (clause.empty() || clause == "*") return {};
    return std::string("=<>!~").find(clause.front()) != std::string::npos
               ? std::string(clause)
               : "==" + std::string(clause);
  }
  const std::string_view least = trim(clause.substr(1));
  std::vector<int> numbers;
  for (const std::string_view part : split(least, '.')) {
    int number = 0;
    if (std::from_chars(part.data(), part.data() + part.size(), number).ec != std::errc{}) break;
    numbers.push_back(number);
  }
  if (numbers.empty()) return {};
  std::size_t rises = caret || numbers.size() < 2 ? 0 : 1;
  if (caret)
    while (rises + 1 < numbers.size() && numbers[rises] == 0) ++rises;
  std::string below;
  for (std::size_t i = 0; i <= rises; ++i)
    below += (i == 0 ? "" : ".") + std::to_string(numbers[i] + (i == rises ? 1 : 0));
  return ">=" + std::string(least) + ",<" + below;
}

// A dependency as Poetry and Pipenv write it, as pip reads it.
std::string requirement_of(const std::string& name, const json::value& value) {
  const json::string* plain = value.if_string();
  const std::string_view version = plain != nullptr ? view(*plain) : string_at(value, {"version"});
  std::string text = name;
  if (const std::vector<std::string> extras = strings_at(value, {"extras"}); !extras.empty())
    text += "[" + join(extras, ",") + "]";
  if (const std::string_view git = string_at(value, {"git"}); !git.empty()) {
    text += " @ git+" + std::string(git);
    for (const std::string_view at : {"rev", "tag", "branch"})
      if (const std::string_view which = string_at(value, {at}); !which.empty())
        return text + "@" + std::string(which);
    return text;
  }
  if (const std::string_view url = string_at(value, {"url"}); !url.empty())
    return text + " @ " + std::string(url);
  if (version.find("||") != std::string_view::npos) return text;  // PEP 440 knows no "or"
  std::string clauses;
  for (const std::string_view clause : split(version, ','))
    if (const std::string one = pep440(clause); !one.empty())
      clauses += (clauses.empty() ? "" : ",") + one;
  return text + clauses;
}

// Poetry and Pipenv: name -> version or table.
void add_table(const Root& root, const json::object& table, std::string_view file,
               Declared& declared) {
  for (const auto& [key, value] : table) {
    const std::string name(std::string_view{key});
    if (name == "python") continue;
    const json::value* optional = find(value, {"optional"});
    if (optional != nullptr && optional->is_bool() && optional->as_bool()) continue;
    const std::string text = requirement_of(name, value);
    if (find(value, {"path"}) != nullptr) declared.needs_source = true;
    add(declared, {.name = normalized(name),
                   .text = text,
                   .file = root.path(file),
                   .line = line_of(root.text(file), name)});
  }
}

void read_pyproject(const Root& root, const json::value& document, Declared& declared) {
  const std::string file = "pyproject.toml";
  add_list(root, strings_at(document, {"project", "dependencies"}), file, declared);
  add_table(root, object_at(document, {"tool", "poetry", "dependencies"}), file, declared);
  for (const auto& [name, source] : object_at(document, {"tool", "uv", "sources"}))
    if (find(source, {"path"}) != nullptr) declared.needs_source = true;
  declared.files.push_back(file);
  const json::value* package = find(document, {"tool", "uv", "package"});
  const bool off = package != nullptr && package->is_bool() && !package->as_bool();
  declared.builds_package = find(document, {"build-system"}) != nullptr && !off;
}

// The strings of install_requires in setup.py.
void read_setup(const Root& root, Declared& declared) {
  const std::vector<Token> tokens = tokenize(root.text("setup.py"), Language::python);
  for (std::size_t i = 0; i + 2 < tokens.size(); ++i) {
    if (!tokens[i].is("install_requires") || !tokens[i + 2].is("[")) continue;
    std::vector<std::string> texts;
    for (std::size_t k = i + 3; k < tokens[i + 2].partner; ++k)
      if (tokens[k].string()) texts.emplace_back(tokens[k].text);
    add_list(root, texts, "setup.py", declared);
  }
}

void read_conda(const Root& root, Declared& declared) {
  const json::value* document = root.project().yaml(root.path("environment.yml"));
  if (document == nullptr) return;
  const json::value* list = find(*document, {"dependencies"});
  if (list == nullptr || !list->is_array()) return;
  for (const json::value& item : list->as_array()) {
    if (const json::string* text = item.if_string()) {
      std::string name(view(*text));
      if (const std::size_t channel = name.find("::"); channel != std::string::npos)
        name.erase(0, channel + 2);
      if (name.starts_with("python=") || name == "python" || name == "pip") continue;
      // conda's single "=" is a prefix match.
      if (const std::size_t equals = name.find('=');
          equals != std::string::npos && name[equals + 1] != '=')
        name.resize(equals);
      add_list(root, {name}, "environment.yml", declared);
    } else {
      add_list(root, strings_at(item, {"pip"}), "environment.yml", declared);
    }
  }
}

}  // namespace

std::optional<Requirement> parse_requirement(std::string_view text) {
  text = trim(text);
  if (const std::size_t marker = text.find(';'); marker != std::string_view::npos)
    text = trim(text.substr(0, marker));
  if (const std::size_t hash = text.find(" --hash"); hash != std::string_view::npos)
    text = trim(text.substr(0, hash));
  if (text.ends_with('\\')) text = trim(text.substr(0, text.size() - 1));
  if (text.starts_with('-') || text.starts_with('.')) return std::nullopt;
  std::size_t end = 0;
  while (end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) != 0 ||
                               text[end] == '-' || text[end] == '_' || text[end] == '.'))
    ++end;
  if (end == 0 || text.size() > 300) return std::nullopt;
  return Requirement{.name = normalized(text.substr(0, end)), .text = std::string(text)};
}

std::optional<ScriptMetadata> read_script_metadata(std::string_view text) {
  ScriptMetadata metadata;
  std::string toml;
  bool inside = false;
  int number = 0;
  for (const std::string_view raw : lines(text)) {
    if (++number > 400) return std::nullopt;
    const std::string_view line = raw;
    if (!inside) {
      if (trim(line) == "# /// script") {
        inside = true;
        metadata.line = number;
      }
      continue;
    }
    if (trim(line) == "# ///") {
      const std::optional<json::value> document = parse_toml(toml);
      if (!document) return std::nullopt;
      metadata.dependencies = strings_at(*document, {"dependencies"});
      metadata.requires_python = string_at(*document, {"requires-python"});
      return metadata;
    }
    if (!line.starts_with('#')) return std::nullopt;
    toml += line.size() > 2 ? line.substr(2) : std::string_view{};
    toml += '\n';
  }
  return std::nullopt;
}

Declared read_declared(const Root& root, Proposal& proposal) {
  Declared declared;
  const json::value* pyproject = root.toml("pyproject.toml");
  const bool poetry = pyproject != nullptr && find(*pyproject, {"tool", "poetry"}) != nullptr;
  const bool project = pyproject != nullptr && find(*pyproject, {"project"}) != nullptr;
  std::string requirements =
      root.first_of({"requirements.txt", "requirements.in", "requirements/production.txt",
                     "requirements/prod.txt", "requirements/base.txt",
                     "requirements/requirements.txt", "requirements-prod.txt"});
  if (requirements.empty()) {
    const std::string wrong = root.first_of(
        {"requirments.txt", "requirement.txt", "requirements.text", "requirement.text",
         "requirments.text", "reqirements.txt", "requirements .txt"});
    if (!wrong.empty()) {
      requirements = wrong;
      proposal.warn("misspelt_manifest", wrong + " looks like requirements.txt and is used as such",
                    root.path(wrong), 0, "rename " + wrong + " to requirements.txt");
    }
  }
  if (pyproject != nullptr && root.has("uv.lock") && project) {
    declared.installer = Installer::uv_lock;
    declared.file = "uv.lock";
    read_pyproject(root, *pyproject, declared);
    declared.files.emplace_back("uv.lock");
  } else if (poetry && (root.has("poetry.lock") || requirements.empty())) {
    declared.installer = Installer::poetry;
    declared.file = root.has("poetry.lock") ? "poetry.lock" : "pyproject.toml";
    read_pyproject(root, *pyproject, declared);
    if (root.has("poetry.lock")) declared.files.emplace_back("poetry.lock");
  } else if (project && root.has("poetry.lock")) {
    declared.installer = Installer::poetry;
    declared.file = "poetry.lock";
    read_pyproject(root, *pyproject, declared);
    declared.files.emplace_back("poetry.lock");
  } else if (pyproject != nullptr && root.has("pdm.lock")) {
    declared.installer = Installer::pdm;
    declared.file = "pdm.lock";
    read_pyproject(root, *pyproject, declared);
    declared.files.emplace_back("pdm.lock");
  } else if (root.has("Pipfile")) {
    declared.installer = Installer::pipenv;
    declared.file = root.has("Pipfile.lock") ? "Pipfile.lock" : "Pipfile";
    if (const json::value* pipfile = root.toml("Pipfile"))
      add_table(root, object_at(*pipfile, {"packages"}), "Pipfile", declared);
    declared.files.emplace_back("Pipfile");
    if (root.has("Pipfile.lock")) declared.files.emplace_back("Pipfile.lock");
  } else if (project &&
             (find(*pyproject, {"project", "dependencies"}) != nullptr || requirements.empty())) {
    declared.installer = Installer::pyproject;
    declared.file = "pyproject.toml";
    read_pyproject(root, *pyproject, declared);
  } else if (!requirements.empty()) {
    declared.installer = Installer::requirements;
    declared.file = requirements;
    read_requirements(root, requirements, declared, 0);
  } else if (root.has("environment.yml")) {
    declared.installer = Installer::conda;
    declared.file = "environment.yml";
    read_conda(root, declared);
    declared.files.emplace_back("environment.yml");
    proposal.warn("conda", "environment.yml is installed from PyPI, not from conda's channels",
                  root.path("environment.yml"), 0, "keep a requirements.txt beside it");
  } else if (root.has("setup.py")) {
    declared.installer = Installer::setup;
    declared.file = "setup.py";
    read_setup(root, declared);
    declared.needs_source = true;
  }
  if (root.has(".python-version") && declared.installer != Installer::none)
    declared.files.emplace_back(".python-version");
  return declared;
}

RuntimeNeed runtime_of(const Root& root, const Declared& declared, Proposal& proposal) {
  RuntimeNeed need{.name = "python", .version = "", .source = "default"};
  const auto take = [&](std::string_view version, std::string source, std::string_view file,
                        std::string_view needle) {
    if (need.source != "default" || trim(version).empty()) return;
    need.version = trim(version);
    need.source = std::move(source);
    proposal.because(std::string(file), line_of(root.project().files().text(file), needle),
                     "Python " + need.version);
  };
  if (const auto fact = version_file(root, ".python-version"))
    take(fact->version, ".python-version", fact->file, fact->version);
  if (const auto fact = version_file(root, "runtime.txt");
      fact && fact->version.starts_with("python-"))
    take(fact->version.substr(7), "runtime.txt", fact->file, fact->version);
  if (const json::value* pyproject = root.toml("pyproject.toml")) {
    take(string_at(*pyproject, {"project", "requires-python"}), "pyproject.toml requires-python",
         root.path("pyproject.toml"), "requires-python");
    take(string_at(*pyproject, {"tool", "poetry", "dependencies", "python"}),
         "pyproject.toml poetry python", root.path("pyproject.toml"), "python =");
  }
  if (root.has("Pipfile"))
    if (const json::value* pipfile = root.toml("Pipfile")) {
      take(string_at(*pipfile, {"requires", "python_full_version"}), "Pipfile python_full_version",
           root.path("Pipfile"), "python_full_version");
      take(string_at(*pipfile, {"requires", "python_version"}), "Pipfile python_version",
           root.path("Pipfile"), "python_version");
    }
  if (const auto fact = tool_version(root, {"python"}))
    take(fact->version, std::string(base_name(fact->file)), fact->file, "python");
  if (declared.installer == Installer::conda)
    for (const std::string_view line : lines(root.text("environment.yml")))
      if (const std::string_view item = trim(line);
          item.starts_with("- python=") || item.starts_with("- python>"))
        take(trim(item.substr(item.find_first_of("=>"))).substr(item[8] == '=' ? 1 : 0),
             "environment.yml", root.path("environment.yml"), "python");
  return need;
}

namespace {

// The uv.lock above a member of a workspace; "" when it is none.
std::string uv_workspace_of(const Root& root) {
  for (std::string_view at = root.directory(); !at.empty();) {
    at = directory_of(at);
    const std::string lock = join_path(at, "uv.lock");
    const std::string manifest = join_path(at, "pyproject.toml");
    if (!root.project().files().has(lock) || !root.project().files().has(manifest)) continue;
    const json::value* pyproject = root.project().toml(manifest);
    if (pyproject != nullptr && find(*pyproject, {"tool", "uv", "workspace"}) != nullptr)
      return lock;
  }
  return {};
}

// For a command line.
std::string list_of(const Declared& declared) {
  std::string list;
  for (const auto& [name, requirement] : declared.requirements)
    list += " " + (requirement.text.find_first_of("<>=~!*[ ;") == std::string::npos
                       ? requirement.text
                       : shell_quote(requirement.text));
  return list;
}

}  // namespace

void plan_install(const Root& root, const Declared& declared, const std::vector<std::string>& extra,
                  Proposal& proposal) {
  Service& service = proposal.service;
  std::string more;
  for (const std::string& name : extra) more += " " + name;
  const std::string venv = "uv venv && ";
  const std::string then = more.empty() ? "" : " && uv pip install" + more;
  switch (declared.installer) {
    case Installer::uv_lock:
      service.package_manager = "uv";
      service.install = "uv sync --frozen" + then;
      break;
    case Installer::pyproject: {
      if (const std::string above = uv_workspace_of(root); !above.empty()) {
        service.package_manager = "uv";
        service.install = "UV_PROJECT_ENVIRONMENT=\"$PWD/.venv\" uv sync --frozen" + then;
        proposal.because(above, 0, "a member of the uv workspace; its lockfile counts");
        return;  // members are installed from their sources
      }
      const json::value* pyproject = root.toml("pyproject.toml");
      const bool uv = pyproject != nullptr && (find(*pyproject, {"tool", "uv"}) != nullptr ||
                                               find(*pyproject, {"dependency-groups"}) != nullptr);
      const bool hatch = pyproject != nullptr && find(*pyproject, {"tool", "hatch"}) != nullptr;
      const bool pdm = pyproject != nullptr && find(*pyproject, {"tool", "pdm"}) != nullptr;
      service.package_manager = uv ? "uv" : pdm ? "pdm" : hatch ? "hatch" : "pip";
      service.install =
          venv +
          (declared.builds_package && declared.needs_source ? "uv pip install -e ."
                                                            : "uv pip install -r pyproject.toml") +
          more;
      break;
    }
    case Installer::requirements:
      service.package_manager = "pip";
      service.install = venv + "uv pip install -r " + declared.file + more;
      break;
    case Installer::poetry:
      service.package_manager = "poetry";
      if (declared.needs_source) {  // dependencies in folders of the project
        service.install = venv +
                          "POETRY_VIRTUALENVS_IN_PROJECT=true uvx poetry install "
                          "--no-interaction --no-root --only main" +
                          then;
        break;
      }
      // Poetry asks PyPI's own interface, which mirrors do not have; the lockfile needs nobody.
      if (declared.file == "poetry.lock") {
        service.install = venv +
                          "uvx --with poetry-plugin-export poetry export -o "
                          ".venv/requirements.txt && uv pip install -r .venv/requirements.txt" +
                          then;
        break;
      }
      if (declared.requirements.empty()) {
        service.install = venv + "uv pip install -r pyproject.toml" + more;
        break;
      }
      service.install = venv + "uv pip install" + list_of(declared) + more;
      break;
    case Installer::pipenv:
      service.package_manager = "pipenv";
      if (declared.file == "Pipfile.lock") {
        service.install = venv +
                          "uvx pipenv requirements > .venv/requirements.txt && uv pip install -r "
                          ".venv/requirements.txt" +
                          more;
        break;
      }
      [[fallthrough]];
    case Installer::conda: {
      if (declared.installer == Installer::conda) service.package_manager = "conda";
      const std::string list = list_of(declared);
      if (!(list + more).empty()) service.install = venv + "uv pip install" + list + more;
      break;
    }
    case Installer::pdm:
      service.package_manager = "pdm";
      service.install = venv +
                        "uvx pdm export --prod --without-hashes -o .venv/requirements.txt && uv "
                        "pip install -r .venv/requirements.txt" +
                        more;
      break;
    case Installer::setup:
      service.package_manager = "pip";
      service.install = venv + "uv pip install -e ." + more;
      break;
    case Installer::script:
    case Installer::imports: {
      service.package_manager = "uv";
      const std::string list = list_of(declared);
      if (!(list + more).empty()) service.install = venv + "uv pip install" + list + more;
      break;
    }
    case Installer::none:
      if (!more.empty()) {
        service.package_manager = "uv";
        service.install = venv + "uv pip install" + more;
      }
      break;
  }
  const bool whole = declared.needs_source ||
                     (declared.installer == Installer::uv_lock && declared.builds_package);
  if (!service.install || whole) return;
  for (const std::string& file : declared.files) service.install_inputs.push_back(root.path(file));
  std::ranges::sort(service.install_inputs);
  // A lone app.py: its packages were read from its imports and stand in the command.
  service.install_names_packages =
      service.install_inputs.empty() &&
      (declared.installer == Installer::imports || declared.installer == Installer::script ||
       declared.installer == Installer::none);
}

}  // namespace slipway::detection::python
