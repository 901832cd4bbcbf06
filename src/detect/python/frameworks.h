#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "detect/python/project.h"

namespace slipway::detection::python {

enum class Serve {
  wsgi,    // gunicorn module:object
  asgi,    // uvicorn module:object
  tool,    // a command of the framework's own, in `command` ({file} and {module} are filled in)
  itself,  // python file
  worker,  // python file, listens to nothing
};

// A framework is a row; the first one that is declared or imported, and whose application is
// found, wins.
struct Framework {
  std::string_view name;
  std::string_view distributions;  // any of these, separated by '|'
  std::string_view module;         // what sources import
  Serve serve;
  std::string_view makers;  // of the application object, separated by '|'
  std::string_view command;
  std::string_view needs;  // a distribution that the command needs besides
};
[[nodiscard]] std::span<const Framework> frameworks();

struct Context {
  const Root& root;
  const Declared& declared;
  Proposal& proposal;
};
// Django has a shape of its own: manage.py, settings, collectstatic, migrations. Whether it is one.
[[nodiscard]] bool plan_django(const Context& context, std::vector<std::string>& extra);
// A notebook alone is served by voila. Whether it is one.
[[nodiscard]] bool plan_notebook(const Context& context, std::vector<std::string>& extra);
// What runs once before a release, and what runs beside the server.
void plan_release(const Context& context);
void plan_workers(const Context& context);
// mkdocs and sphinx make static pages. Whether it is one.
[[nodiscard]] bool plan_documentation(const Context& context);

}  // namespace slipway::detection::python
