#include <algorithm>

#include "base/text.h"
#include "detect/detectors.h"
#include "detect/python/frameworks.h"

namespace slipway::detection {
namespace python {
namespace {

bool is_declared(const Declared& declared, std::string_view distributions) {
  return std::ranges::any_of(split(distributions, '|'),
                             [&](std::string_view name) { return declared.has(normalized(name)); });
}

const SourceFacts* importer(const Root& root, std::string_view module) {
  const SourceFacts* best = nullptr;
  for (const SourceFacts* facts : root.sources(Language::python))
    for (const Import& import : facts->imports)
      if ((import.module == module ||
           (import.module.starts_with(module) && import.module[module.size()] == '.')) &&
          best == nullptr)
        best = facts;
  return best;
}

std::optional<Entry> app_of(const Root& root, const Framework& framework) {
  const std::vector<std::string_view> makers = split(framework.makers, '|');
  if (framework.makers.empty()) return std::nullopt;
  switch (makers.size()) {
    case 1:
      return find_app(root, {makers[0]});
    case 2:
      return find_app(root, {makers[0], makers[1]});
    case 3:
      return find_app(root, {makers[0], makers[1], makers[2]});
    default:
      return find_app(root, {makers[0], makers[1], makers[2], makers[3]});
  }
}

// For frameworks run on a file: the usual names first, else the shallowest file that imports it.
std::string file_of(const Root& root, const Framework& framework) {
  const auto imports = [&](std::string_view file) {
    const SourceFacts* facts = root.source(file);
    return facts != nullptr && std::ranges::any_of(facts->imports, [&](const Import& import) {
             return import.module == framework.module ||
                    import.module.starts_with(std::string(framework.module) + ".") ||
                    (framework.name == "fastmcp" && import.module.starts_with("mcp"));
           });
  };
  for (const std::string_view stem :
       {"streamlit_app", "app", "main", "Home", "home", "server", "Hello", "index", "bot",
        "dashboard", "src/app", "src/main", "app/main", "app/app", "src/streamlit_app"})
    if (const std::string file = std::string(stem) + ".py"; root.has(file) && imports(file))
      return file;
  for (const SourceFacts* facts : root.sources(Language::python)) {
    const std::string file = root.relative(facts->path);
    if (file.find("pages/") == std::string::npos && imports(file)) return file;
  }
  return {};
}

std::string filled(std::string_view command, const Entry& entry, const std::string& file) {
  std::string out;
  while (!command.empty()) {
    const std::size_t open = std::min(command.find('{'), command.size());
    out += command.substr(0, open);
    command.remove_prefix(open);
    const std::size_t close = command.find('}');
    if (close == std::string_view::npos) break;
    const std::string_view mark = command.substr(0, close + 1);
    out += shell_word(mark == "{file}" ? file : mark == "{module}" ? entry.module : entry.object);
    command.remove_prefix(close + 1);
  }
  return out;
}

struct Match {
  const Framework* framework = nullptr;
  std::optional<Entry> entry;
  bool declared = false, imported = false;
};

Match match(const Root& root, const Declared& declared) {
  Match weak;
  for (const Framework& framework : frameworks()) {
    Match found{.framework = &framework,
                .declared = is_declared(declared, framework.distributions),
                .imported = importer(root, framework.module) != nullptr ||
                            (framework.name == "fastmcp" && importer(root, "mcp") != nullptr)};
    if (!found.declared && !found.imported) continue;
    if (framework.name == "aiohttp" || framework.name == "starlette" ||
        framework.name == "tornado" || framework.name == "fastmcp" || framework.name == "falcon" ||
        framework.name == "panel") {
      // Often only a client, or beneath another framework: the application must be there.
      found.entry = app_of(root, framework);
      if (framework.makers.empty() ? !found.imported : !found.entry) continue;
      if (!found.imported) continue;
    } else {
      found.entry = app_of(root, framework);
    }
    if (!found.imported && !found.entry) {
      if (weak.framework == nullptr) weak = std::move(found);
      continue;
    }
    const bool needs_object = framework.serve == Serve::asgi || framework.serve == Serve::wsgi;
    if (needs_object && !found.entry) {
      if (weak.framework == nullptr || !weak.imported) weak = std::move(found);
      continue;
    }
    return found;
  }
  return weak;
}

void plan_start(const Context& context, const Match& found, std::vector<std::string>& extra) {
  const Root& root = context.root;
  Service& service = context.proposal.service;
  const Framework& framework = *found.framework;
  service.framework = framework.name;
  const Entry entry = found.entry.value_or(Entry{});
  if (found.entry)
    context.proposal.because(
        root.path(entry.file), entry.line,
        entry.object.empty()
            ? "makes the application where only the file itself can use it"
            : entry.object + " is the " + std::string(framework.name) + " application");
  const bool has_server = framework.needs.empty() || context.declared.has(framework.needs) ||
                          (framework.name == "fastapi" &&
                           std::ranges::any_of(context.declared.requirements, [](const auto& item) {
                             return item.first == "fastapi" &&
                                    (item.second.text.find("[standard") != std::string::npos ||
                                     item.second.text.find("[all") != std::string::npos);
                           }));
  const auto need_server = [&] {
    if (!has_server) extra.emplace_back(framework.needs);
  };
  switch (framework.serve) {
    case Serve::asgi:
    case Serve::wsgi: {
      if (!found.entry || entry.object.empty()) break;
      need_server();
      const bool gunicorn = framework.serve == Serve::wsgi;
      const std::string where =
          entry.directory.empty() ? ""
                                  : (gunicorn ? "--chdir " : "--app-dir ") + entry.directory + " ";
      if (gunicorn) {
        const std::string target = entry.module + ":" + entry.object;
        service.start = "gunicorn " + where + shell_word(target) + " -b 0.0.0.0:$PORT";
        if (context.declared.has("flask-socketio")) *service.start += " --threads 100";
      } else {
        std::string object = entry.object;
        if (object.ends_with("()")) object.resize(object.size() - 2);
        service.start = "uvicorn " + where + (entry.factory ? "--factory " : "") + entry.module +
                        ":" + object + " --host 0.0.0.0 --port $PORT";
      }
      return;
    }
    case Serve::tool: {
      const std::string file = file_of(root, framework);
      if (framework.command.find("{module}") != std::string_view::npos
              ? !found.entry || entry.object.empty()
              : file.empty())
        break;
      service.start = filled(framework.command, entry, file);
      if (entry.file.empty())
        context.proposal.because(root.path(file), 0, "imports " + std::string(framework.module));
      return;
    }
    case Serve::itself:
    case Serve::worker: {
      std::string file = entry.file.empty() ? file_of(root, framework) : entry.file;
      if (const std::optional<Entry> script = find_script(root);
          script && (file.empty() || (entry.file.empty() ? false : !entry.runs_itself)))
        file = script->file;
      if (file.empty()) break;
      service.start = framework.command.empty() ? "python " + shell_word(file)
                                                : filled(framework.command, entry, file);
      if (framework.serve == Serve::worker) service.kind = "worker";
      return;
    }
  }
  // No application object to hand to a server: the file itself.
  if (const std::optional<Entry> script = entry.file.empty() ? find_script(root) : found.entry)
    service.start = "python " + shell_word(script->file);
}

void plan_port(const Root& root, Proposal& proposal) {
  Service& service = proposal.service;
  if (!service.start || service.start->find("$PORT") != std::string::npos) return;
  const std::size_t at = service.start->rfind("python ");
  if (at == std::string::npos) return;
  std::string file = service.start->substr(at + 7);
  if (file.size() > 1 && file.front() == '\'') file = file.substr(1, file.size() - 2);
  const SourceFacts* facts = root.source(file);
  if (facts == nullptr) return;
  for (const Listen& listen : facts->listens) {
    if (listen.from_env || (!listen.port && facts->reads_port)) return;
    std::optional<int> port = listen.port;
    if (!port && service.framework == "flask") port = 5000;
    if (!port && service.framework == "dash") port = 8050;
    if (!port && (service.framework == "aiohttp" || service.framework == "nicegui" ||
                  service.framework == "bottle"))
      port = 8080;
    if (!port && (service.framework == "fastapi" || service.framework == "starlette" ||
                  service.framework == "fastmcp"))
      port = 8000;
    if (!port) continue;
    service.port = port;
    proposal.because(facts->path, listen.line, "listens on " + std::to_string(*port));
    proposal.warn(
        "port_ignored",
        "listens on " + std::to_string(*port) + " whatever PORT says; it is reached there",
        facts->path, listen.line,
        "use int(os.environ.get(\"PORT\", " + std::to_string(*port) + "))");
    return;
  }
}

// A script with PEP 723 metadata, when nothing else declares.
void read_script_block(const Root& root, Declared& declared, Proposal& proposal) {
  for (const SourceFacts* facts : root.sources(Language::python)) {
    const std::string file = root.relative(facts->path);
    if (depth_of(file) > 0) continue;
    const std::string_view text = root.text(file);
    const std::optional<ScriptMetadata> metadata = read_script_metadata(text);
    if (!metadata) continue;
    declared.installer = Installer::script;
    declared.file = file;
    for (const std::string& dependency : metadata->dependencies)
      if (std::optional<Requirement> requirement = parse_requirement(dependency)) {
        requirement->file = facts->path;
        declared.requirements.try_emplace(requirement->name, *requirement);
      }
    proposal.because(facts->path, metadata->line,
                     "inline metadata (PEP 723) names what the script needs");
    if (!metadata->requires_python.empty() && proposal.service.runtime.source == "default")
      proposal.service.runtime = {.name = "python",
                                  .version = metadata->requires_python,
                                  .source = file + " requires-python"};
    return;
  }
}

void infer_requirements(const Root& root, Declared& declared, Proposal& proposal) {
  // What the entry's folder needs; scripts beside it are part of the same program.
  const std::vector<std::string> names =
      imported_distributions(root, root.sources(Language::python));
  if (names.empty()) return;
  declared.installer = Installer::imports;
  for (const std::string& name : names)
    declared.requirements.try_emplace(
        normalized(name.substr(0, name.find('['))),
        Requirement{.name = normalized(name.substr(0, name.find('['))), .text = name});
  proposal.warn("no_manifest",
                "no requirements.txt or pyproject.toml: " + join(names, ", ") +
                    " found from imports, versions are the newest",
                root.directory(), 0, "write a requirements.txt with: " + join(names, " "));
}

}  // namespace
}  // namespace python

std::optional<Proposal> detect_python(const Root& root) {
  using namespace python;
  Proposal proposal;
  Declared declared = read_declared(root, proposal);
  const std::vector<const SourceFacts*>& sources = root.sources(Language::python);
  const bool documents = root.has("mkdocs.yml") || root.has("mkdocs.yaml");
  const bool notebook =
      sources.empty() && std::ranges::any_of(root.files(), [](const std::string& file) {
        return file.ends_with(".ipynb") && file.find('/') == std::string::npos;
      });
  if (declared.installer == Installer::none && sources.empty() && !documents && !notebook)
    return std::nullopt;
  Service& service = proposal.service;
  service.root = root.directory();
  service.provider = "python";
  service.runtime = runtime_of(root, declared, proposal);
  const bool manifest = declared.installer != Installer::none;
  if (!manifest) read_script_block(root, declared, proposal);
  if (declared.installer == Installer::none) infer_requirements(root, declared, proposal);

  const Context context{.root = root, .declared = declared, .proposal = proposal};
  std::vector<std::string> extra;
  double confidence = 0;
  if (plan_django(context, extra)) {
    if (!declared.has("django")) extra.emplace_back("django");
    confidence = declared.has("django") ? 0.98 : 0.92;
    proposal.reason = "manage.py of a Django project";
  } else {
    const Match found = match(root, declared);
    if (found.framework != nullptr) {
      plan_start(context, found, extra);
      for (const std::string_view name : split(found.framework->distributions, '|'))
        if (const auto at = declared.requirements.find(normalized(name));
            at != declared.requirements.end() && !at->second.file.empty())
          proposal.because(at->second.file, at->second.line, "requires " + at->second.text);
      const bool placed = found.entry && (!found.entry->object.empty() || found.entry->runs_itself);
      confidence = found.declared && placed   ? 0.97
                   : found.imported && placed ? 0.93
                   : found.imported           ? 0.92
                                              : 0.6;
      if (!service.start) confidence = 0.3;
      proposal.reason =
          std::string(found.framework->name) + (found.declared ? " is declared" : " is imported");
    } else if (plan_documentation(context)) {
      const std::string theme = service.framework;
      if (!declared.has(theme)) extra.push_back(theme);
      confidence = 0.9;
      proposal.reason = theme + " configuration";
    } else if (notebook && plan_notebook(context, extra)) {
      confidence = 0.75;
      proposal.reason = "a notebook";
    } else if (const std::optional<Entry> script = find_script(root)) {
      const SourceFacts* facts = root.source(script->file);
      const bool listens = facts != nullptr && !facts->listens.empty();
      const bool package =
          !script->directory.empty() || script->file.find('/') == std::string::npos;
      service.start =
          package ? "python " + shell_word(script->file)
          : base_name(script->file) == "__main__.py"
              ? "python -m " + std::string(without_extension(directory_of(script->file)))
              : "python -m " + script->module;
      if (facts != nullptr)
        proposal.because(facts->path, facts->main_line,
                         listens ? "a script that listens" : "a script");
      confidence = listens                                   ? (manifest ? 0.93 : 0.9)
                   : manifest                                ? 0.7
                   : declared.installer == Installer::script ? 0.75
                                                             : 0.55;
      if (!listens) service.kind = "worker";
      proposal.reason = script->file + (listens ? " listens" : " runs");
    } else if (manifest) {
      return std::nullopt;  // a library
    } else {
      return std::nullopt;
    }
  }
  plan_install(root, declared, extra, proposal);
  for (const auto& [name, requirement] : declared.requirements) add_dependency(name, service);
  for (const SourceFacts* facts : sources)
    for (const Import& import : facts->imports)
      if (import.module == "sqlite3" || import.module.starts_with("sqlite3."))
        add_dependency("sqlite3", service);
  if (service.framework == "gradio")
    for (const SourceFacts* facts : sources)
      for (const Listen& listen : facts->listens)
        if (listen.port && !listen.from_env && service.start &&
            service.start->find("GRADIO") != std::string::npos && !service.port)
          service.port = listen.port;
  plan_port(root, proposal);
  add_source_facts(sources, root, proposal);
  plan_release(context);
  plan_workers(context);
  if (service.framework == "streamlit") service.health_path = "/_stcore/health";
  if (service.is_static) service.health_path = "/";
  if (service.runtime.name.empty()) service.runtime.name = "python";
  service.confidence = confidence;
  return proposal;
}

}  // namespace slipway::detection
