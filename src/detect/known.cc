#include "detect/known.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/near.h"
#include "base/text.h"
#include "detect/detectors.h"
#include "detect/node/frameworks.h"
#include "detect/python/frameworks.h"

namespace slipway {
namespace {

// Of the languages whose detectors have no table of rows; golden_test checks that none is missing.
constexpr std::string_view others[] = {
    // python
    "django", "mkdocs", "sphinx", "voila",
    // go
    "gin", "echo", "fiber", "chi", "beego", "iris", "buffalo", "revel", "gorilla", "huma",
    "pocketbase", "connect", "net/http",
    // rust
    "axum", "actix", "rocket", "warp", "leptos", "poem", "salvo", "tide", "loco", "gotham", "ntex",
    "dioxus", "tonic", "hyper", "tiny_http", "rouille",
    // java, scala, clojure
    "spring-boot", "quarkus", "micronaut", "ktor", "javalin", "helidon", "dropwizard", "vertx",
    "spark", "http4k", "jooby", "play", "http4s", "akka-http", "pekko-http", "zio-http", "cask",
    "scalatra", "finch", "tapir", "pedestal", "reitit", "luminus", "compojure", "http-kit", "aleph",
    "ring",
    // ruby, php, elixir, dotnet
    "rails", "jekyll", "middleman", "hanami", "sinatra", "roda", "grape", "rack", "laravel",
    "symfony", "slim", "codeigniter", "wordpress", "phoenix", "plug", "blazor", "aspnet",
    // swift, crystal, gleam, dart, zig, haskell
    "vapor", "hummingbird", "kitura", "kemal", "lucky", "amber", "athena", "grip", "marten", "wisp",
    "mist", "glen", "lustre", "flutter", "dart_frog", "shelf", "alfred", "angel3_framework",
    "jaspr", "serverpod", "conduit_core", "zap", "httpz", "jetzig", "tokamak", "servant", "scotty",
    "yesod", "ihp", "spock", "snap",
    // deno, site generators
    "fresh", "oak", "hono", "hugo", "zola", "mdbook", "pelican"};

}  // namespace

std::vector<std::string> known_frameworks() {
  std::vector<std::string> out;
  for (const detection::Detector& detector : detection::detectors())
    out.emplace_back(detector.provider);
  for (const auto& framework : detection::node::frameworks()) out.emplace_back(framework.name);
  for (const auto& framework : detection::python::frameworks()) out.emplace_back(framework.name);
  for (const std::string_view name : others) out.emplace_back(name);
  std::ranges::sort(out);
  const auto rest = std::ranges::unique(out);
  out.erase(rest.begin(), rest.end());
  return out;
}

Status check_framework(std::string_view name) {
  if (name.empty()) return {};
  const std::vector<std::string> known = known_frameworks();
  if (std::ranges::binary_search(known, name)) return {};
  const std::string meant = did_you_mean(near_names(name, known));
  return fail(Errc::invalid_argument,
              fmt::format("no framework is called '{}'", sanitize_line(name.substr(0, 80))),
              fmt::format("{}{}there are: {}", meant, meant.empty() ? "" : " ", join(known, ", ")));
}

}  // namespace slipway
