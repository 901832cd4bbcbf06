// Migrations and workers of Python projects: what runs once before a release, and what runs beside.
#include <algorithm>
#include <array>

#include "detect/listed.h"
#include "detect/python/frameworks.h"

namespace slipway::detection::python {

void plan_release(const Context& context) {
  const Root& root = context.root;
  const Declared& declared = context.declared;
  Service& service = context.proposal.service;
  if (service.release || service.is_static || service.kind != "web") return;
  const auto set = [&](std::string command, std::string_view file, const std::string& why) {
    set_command(service.release, command, root.path(file), 1, "release: " + why, context.proposal);
  };
  if (declared.has("flask-migrate") && root.has("migrations/env.py")) {
    const std::optional<Entry> app = find_app(root, {"Flask"});
    std::string target = app && !app->object.empty() ? app->module + ":" + app->object : "";
    set("flask " + (target.empty() ? "" : "--app " + shell_word(target) + " ") + "db upgrade",
        "migrations/env.py", "migrations of flask-migrate");
  } else if (root.has("alembic.ini") && declared.has("alembic")) {
    set("alembic upgrade head", "alembic.ini", "migrations of alembic");
  } else if (declared.has("aerich") &&
             root.project().files().has_directory(root.path("migrations"))) {
    set("aerich upgrade", "pyproject.toml", "migrations of aerich");
  } else if (declared.has("yoyo-migrations") && root.has("yoyo.ini")) {
    set("yoyo apply --batch", "yoyo.ini", "migrations of yoyo");
  }
}

void plan_workers(const Context& context) {
  const Root& root = context.root;
  Service& service = context.proposal.service;
  if (service.is_static || !service.start || service.kind != "web") return;
  const auto add = [&](const std::string& command, const std::string& file, int line,
                       const std::string& fact) {
    Service worker = process_of(service, "worker", "worker", command);
    worker.evidence = {{.file = file, .line = line, .fact = fact}};
    context.proposal.others.push_back(std::move(worker));
  };
  if (context.declared.has("celery")) {
    const std::optional<Entry> app = find_app(root, {"Celery"});
    if (app && !app->object.empty() && !app->factory) {
      // Django's convention: the package itself offers the application of package/celery.py.
      std::string target(directory_of(app->file));
      const bool offered = base_name(app->file) == "celery.py" && root.has(target + "/__init__.py");
      std::ranges::replace(target, '/', '.');
      if (!offered) {
        target = app->module;
        if (app->object != "app" && app->object != "celery") target += ":" + app->object;
      }
      add((app->directory.empty() || offered ? "celery -A "
                                             : "celery --workdir " + app->directory + " -A ") +
              target + " worker --loglevel=info",
          root.path(app->file), app->line, app->object + " is the celery application");
    }
  } else if (context.declared.has("dramatiq")) {
    for (const std::string_view file : {"tasks.py", "app/tasks.py", "src/tasks.py"})
      if (root.has(file)) {
        std::string module(without_extension(file));
        std::ranges::replace(module, '/', '.');
        add("dramatiq " + module, root.path(file), 1, "tasks of dramatiq");
        break;
      }
  } else if (context.declared.has("arq")) {
    for (const std::string_view file : {"worker.py", "app/worker.py", "tasks.py"})
      if (root.text(file).find("class WorkerSettings") != std::string_view::npos) {
        std::string module(without_extension(file));
        std::ranges::replace(module, '/', '.');
        add("arq " + module + ".WorkerSettings", root.path(file),
            line_of(root.text(file), "class WorkerSettings"), "settings of an arq worker");
        break;
      }
  }
}

}  // namespace slipway::detection::python
