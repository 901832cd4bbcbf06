#include "detect/detectors.h"

namespace slipway::detection {
namespace {

// Order decides only between equal confidences: what an app is written in before what wraps it.
constexpr Detector table[] = {
    {"python", detect_python,
     "pip, uv and its workspaces, poetry, pdm, pipenv, hatch, conda, PEP 723, or imports alone; "
     "frameworks below, mkdocs, sphinx, notebooks (voila)"},
    {"go", detect_go,
     "go modules, go.work, or a main.go alone; gin, echo, fiber, chi, beego, iris, gorilla, huma, "
     "pocketbase, connect, net/http"},
    {"rust", detect_rust, "cargo packages and workspaces; axum, actix, rocket, warp, loco, leptos"},
    {"java", detect_java,
     "maven, gradle, or one .java file, in Java or Kotlin; spring-boot, quarkus, micronaut, ktor, "
     "javalin, helidon, dropwizard, vertx, http4k, jooby"},
    {"ruby", detect_ruby, "bundler; rails, sinatra, rack, hanami, jekyll, middleman"},
    {"php", detect_php, "composer; laravel, symfony, slim, wordpress, plain pages"},
    {"elixir", detect_elixir, "mix; phoenix, plug"},
    {"dotnet", detect_dotnet, "nuget, in C# or F#; aspnet, blazor, worker services"},
    {"java", detect_scala, "sbt; play, http4s, akka-http, pekko-http, zio-http"},
    {"java", detect_clojure, "leiningen, deps.edn; ring, pedestal, reitit"},
    {"swift", detect_swift, "swiftpm; vapor, hummingbird"},
    {"crystal", detect_crystal, "shards; kemal, lucky, amber"},
    {"gleam", detect_gleam, "gleam; wisp, mist, lustre"},
    {"dart", detect_dart, "pub; dart_frog, shelf, jaspr, flutter web"},
    {"zig", detect_zig, "zig build; zap, httpz"},
    {"haskell", detect_haskell, "stack, cabal; servant, scotty, yesod, warp, ihp"},
    {"cpp", detect_cpp, "cmake, make, or sources alone"},
    {"deno", detect_deno, "deno.json, or sources that use Deno; fresh, oak, hono"},
    {"static", detect_site_generator, "hugo, zola, mdbook, pelican"},
    {"node", detect_node,
     "npm, pnpm, yarn 1 and berry, bun, their workspaces, turbo; frameworks below, plain http, "
     "Bun.serve"},
    {"dockerfile", detect_dockerfile, "Dockerfile or Containerfile that runs something"},
    {"static", detect_static, "pages served as they are"},
    {"shell", detect_shell, "Procfile, or a start.sh or run.sh"},
};

}  // namespace

std::span<const Detector> detectors() { return table; }

}  // namespace slipway::detection
