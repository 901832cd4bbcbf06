#include "detect/catalog.h"

#include <fmt/format.h>

#include "base/text.h"
#include "detect/detectors.h"
#include "detect/listed.h"
#include "detect/node/frameworks.h"
#include "detect/python/frameworks.h"

namespace slipway {
namespace {

using namespace detection;

std::string alternatives(std::string_view names) {
  std::string out;
  for (const std::string_view name : split(names, '|')) {
    if (!out.empty()) out += ", ";
    out += fmt::format("`{}`", name);
  }
  return out;
}

std::string_view shape_of(const node::Framework& framework) {
  switch (framework.shape) {
    case node::Shape::meta:
      return "its own server";
    case node::Shape::site:
      return "static pages";
    case node::Shape::spa:
      return "static, one page";
    case node::Shape::server:
      return "the project's server";
    case node::Shape::worker:
      return "worker";
  }
  return {};
}

std::string_view serve_of(const python::Framework& framework) {
  switch (framework.serve) {
    case python::Serve::wsgi:
      return "gunicorn";
    case python::Serve::asgi:
      return "uvicorn";
    case python::Serve::tool:
      return "its own command";
    case python::Serve::itself:
      return "the file itself";
    case python::Serve::worker:
      return "worker";
  }
  return {};
}

}  // namespace

std::string detection_catalog() {
  std::string out = "| provider | detects |\n|---|---|\n";
  for (const Detector& detector : detectors())
    out += fmt::format("| `{}` | {} |\n", detector.provider, detector.summary);
  out +=
      "\nFrameworks of Node (the first that is declared wins, so the more specific come "
      "first):\n\n";
  out += "| framework | declared by | runs as |\n|---|---|---|\n";
  for (const node::Framework& framework : node::frameworks())
    out += fmt::format("| {} | {} | {} |\n", framework.name, alternatives(framework.dependencies),
                       shape_of(framework));
  out += "\nFrameworks of Python:\n\n| framework | declared by | run with |\n|---|---|---|\n";
  out += "| django | `django` | gunicorn, uvicorn or daphne |\n";
  for (const python::Framework& framework : python::frameworks())
    out += fmt::format("| {} | {} | {} |\n", framework.name, alternatives(framework.distributions),
                       serve_of(framework));
  out += "\nFiles of other platforms (later ones win):\n\n| file | read for |\n|---|---|\n";
  for (const DeclaredFile& file : declared_files())
    out += fmt::format("| {} | {} |\n", alternatives(file.names), file.summary);
  return out;
}

}  // namespace slipway
