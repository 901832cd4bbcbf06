#include <algorithm>

#include "base/text.h"
#include "detect/python/frameworks.h"

namespace slipway::detection::python {
namespace {

std::string find_manage(const Root& root) {
  for (const std::string& file : root.files())
    if (base_name(file) == "manage.py" && depth_of(file) <= 1 &&
        root.text(file).find("DJANGO_SETTINGS_MODULE") != std::string_view::npos)
      return file;
  return {};
}

// The literal second argument of os.environ.setdefault("DJANGO_SETTINGS_MODULE", "…").
std::string settings_module(std::string_view manage) {
  const std::vector<Token> tokens = tokenize(manage, Language::python);
  for (std::size_t i = 0; i + 2 < tokens.size(); ++i)
    if (tokens[i].string() && tokens[i].text == "DJANGO_SETTINGS_MODULE" && tokens[i + 1].is(",") &&
        tokens[i + 2].string())
      return std::string(tokens[i + 2].text);
  return {};
}

void check_hosts(const Root& root, const std::string& settings, Proposal& proposal) {
  const std::vector<Token> tokens = tokenize(root.text(settings), Language::python);
  for (std::size_t i = 0; i + 2 < tokens.size(); ++i) {
    if (!tokens[i].is("ALLOWED_HOSTS") || !tokens[i + 1].is("=") || !tokens[i + 2].is("["))
      continue;
    bool any = false, open = false;
    for (std::size_t k = i + 3; k < tokens[i + 2].partner; ++k) {
      if (!tokens[k].string()) {
        open |= tokens[k].word();  // computed
        continue;
      }
      any = true;
      open |= tokens[k].text == "*" || tokens[k].text == ".localhost";
    }
    if (any && !open)
      proposal.warn("host_blocked",
                    "ALLOWED_HOSTS does not name the preview's host, so Django will answer 400",
                    root.path(settings), tokens[i].line,
                    "add \".localhost\" (and your preview domain) to ALLOWED_HOSTS");
  }
}

}  // namespace

bool plan_django(const Context& context, std::vector<std::string>& extra) {
  const Root& root = context.root;
  Proposal& proposal = context.proposal;
  Service& service = proposal.service;
  const std::string manage = find_manage(root);
  if (manage.empty()) return false;
  const std::string folder(directory_of(manage));
  const std::string settings = settings_module(root.text(manage));
  proposal.because(root.path(manage), line_of(root.text(manage), "DJANGO_SETTINGS_MODULE"),
                   "a Django project, settings " + settings);
  service.framework = "django";
  // The package that holds wsgi.py: usually where the settings are.
  std::string package = settings.substr(0, settings.find('.'));
  const auto holds = [&](const std::string& name, std::string_view file) {
    return root.has(join_path(folder, name + "/" + std::string(file)));
  };
  if (package.empty() || (!holds(package, "wsgi.py") && !holds(package, "asgi.py")))
    for (const std::string& file : root.files())
      if (base_name(file) == "wsgi.py" && is_within(file, folder)) {
        package = relative_to(directory_of(file), folder);
        std::ranges::replace(package, '/', '.');
        break;
      }
  const bool channels = context.declared.has("channels") || context.declared.has("daphne") ||
                        context.declared.has("uvicorn");
  std::string package_path = package;
  std::ranges::replace(package_path, '.', '/');
  const std::string change = folder.empty() ? "" : " --chdir " + folder;
  if (channels && holds(package_path, "asgi.py") && !context.declared.has("gunicorn")) {
    if (context.declared.has("daphne") && folder.empty()) {
      service.start = "daphne -b 0.0.0.0 -p $PORT " + package + ".asgi:application";
    } else {
      if (!context.declared.has("uvicorn")) extra.emplace_back("uvicorn");
      service.start = "uvicorn " + package + ".asgi:application" +
                      (folder.empty() ? "" : " --app-dir " + folder) +
                      " --host 0.0.0.0 --port $PORT";
    }
  } else if (holds(package_path, "wsgi.py")) {
    if (!context.declared.has("gunicorn")) extra.emplace_back("gunicorn");
    service.start = "gunicorn" + change + " " + package + ".wsgi -b 0.0.0.0:$PORT";
  } else {
    service.start = "python " + manage + " runserver 0.0.0.0:$PORT --noreload";
    proposal.warn("no_wsgi", "no wsgi.py: Django's development server is used", root.path(manage),
                  0, "add " + package + "/wsgi.py");
  }
  // Settings may be one file or a package of several.
  std::string settings_path = settings;
  std::ranges::replace(settings_path, '.', '/');
  settings_path = join_path(folder, settings_path);
  bool static_root = false;
  std::string environment;
  for (const std::string& file : root.files()) {
    const bool ours = file == settings_path + ".py" ||
                      (is_within(file, settings_path) && file.ends_with(".py")) ||
                      (!directory_of(settings_path).empty() &&
                       directory_of(settings_path).ends_with("settings") &&
                       directory_of(file) == directory_of(settings_path));
    if (!ours || !file.ends_with(".py")) continue;
    check_hosts(root, file, proposal);
    const std::vector<Token> tokens = tokenize(root.text(file), Language::python);
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i)
      if (tokens[i].is("STATIC_ROOT") && tokens[i + 1].is("=")) {
        static_root = true;
        proposal.because(root.path(file), tokens[i].line,
                         "STATIC_ROOT is set: static files are collected");
      } else if (tokens[i].string() && tokens[i].text.starts_with("django.db.backends.")) {
        const std::string_view engine = tokens[i].text.substr(19);
        const std::string_view database = engine.starts_with("postgres") ? "postgres"
                                          : engine == "mysql"            ? "mysql"
                                          : engine.starts_with("sqlite") ? "sqlite"
                                                                         : "";
        if (!database.empty() &&
            std::ranges::find(service.databases, database) == service.databases.end())
          service.databases.emplace_back(database);
      }
    if (const SourceFacts* facts = root.source(file))
      for (const EnvRead& read : facts->env)
        if (read.required && !read.default_value &&
            read.name.find("SECRET_KEY") != std::string::npos &&
            environment.find(read.name) == std::string::npos)
          environment += read.name + "=build ";
  }
  if (static_root) service.build = environment + "python " + manage + " collectstatic --noinput";
  service.release = "python " + manage + " migrate --noinput";
  return true;
}

bool plan_documentation(const Context& context) {
  const Root& root = context.root;
  Service& service = context.proposal.service;
  const auto static_pages = [&](std::string output) {
    service.is_static = true;
    service.kind = "static";
    service.output_dir = std::move(output);
    service.start.reset();
  };
  if (const std::string config = root.first_of({"mkdocs.yml", "mkdocs.yaml"}); !config.empty()) {
    const json::value* document = root.project().yaml(root.path(config));
    std::string output = document == nullptr ? "" : std::string(string_at(*document, {"site_dir"}));
    service.framework = "mkdocs";
    context.proposal.because(root.path(config), 0, "an mkdocs site");
    static_pages(output.empty() ? "site" : output);
    service.build = "mkdocs build";
    return true;
  }
  for (const std::string_view folder : {"", "docs", "docs/source", "source"}) {
    const std::string config = join_path(folder, "conf.py");
    if (!root.has(config) || !root.has(join_path(folder, "index.rst"))) continue;
    if (!context.declared.has("sphinx") &&
        root.text(config).find("extensions") == std::string_view::npos)
      continue;
    service.framework = "sphinx";
    context.proposal.because(root.path(config), 0, "a sphinx site");
    static_pages("_build/html");
    service.build =
        "sphinx-build -b html " + std::string(folder.empty() ? "." : folder) + " _build/html";
    return true;
  }
  return false;
}

}  // namespace slipway::detection::python
