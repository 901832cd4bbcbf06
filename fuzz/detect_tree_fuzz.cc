// The whole detector on made-up trees. The input is a list of files: one byte chooses the path, two
// give the length, the text follows. A plan is a pure function, so it is made twice and compared.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "detect/describe.h"
#include "detect/detect.h"
#include "detect/explain.h"

namespace {

constexpr std::array<std::string_view, 72> paths{"package.json",
                                                 "package-lock.json",
                                                 "pnpm-lock.yaml",
                                                 "pnpm-workspace.yaml",
                                                 "yarn.lock",
                                                 ".yarnrc.yml",
                                                 "server.js",
                                                 "src/index.ts",
                                                 "vite.config.ts",
                                                 "next.config.js",
                                                 "astro.config.mjs",
                                                 "svelte.config.js",
                                                 "angular.json",
                                                 "tsconfig.json",
                                                 "apps/web/package.json",
                                                 "requirements.txt",
                                                 "pyproject.toml",
                                                 "Pipfile",
                                                 "environment.yml",
                                                 "app.py",
                                                 "main.py",
                                                 "src/app/main.py",
                                                 "manage.py",
                                                 "mysite/settings.py",
                                                 "go.mod",
                                                 "main.go",
                                                 "cmd/api/main.go",
                                                 "Cargo.toml",
                                                 "src/main.rs",
                                                 "crates/a/Cargo.toml",
                                                 "pom.xml",
                                                 "build.gradle",
                                                 "settings.gradle",
                                                 "Main.java",
                                                 "Gemfile",
                                                 "config.ru",
                                                 "composer.json",
                                                 "index.php",
                                                 "mix.exs",
                                                 "App.csproj",
                                                 "CMakeLists.txt",
                                                 "main.cpp",
                                                 "deno.json",
                                                 "Procfile",
                                                 "Dockerfile",
                                                 "netlify.toml",
                                                 "render.yaml",
                                                 ".tool-versions",
                                                 "compose.yaml",
                                                 "frontend/package.json",
                                                 "frontend/vite.config.ts",
                                                 "frontend/src/main.jsx",
                                                 "backend/main.py",
                                                 "backend/requirements.txt",
                                                 "slipway.toml",
                                                 "vercel.json",
                                                 "fly.toml",
                                                 "railway.json",
                                                 "railpack.json",
                                                 "app.json",
                                                 ".do/app.yaml",
                                                 "heroku.yml",
                                                 "build.sbt",
                                                 "project.clj",
                                                 "Package.swift",
                                                 "shard.yml",
                                                 "gleam.toml",
                                                 "pubspec.yaml",
                                                 "build.zig",
                                                 "package.yaml",
                                                 "note.ipynb",
                                                 "go.work"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  slipway::MemoryTree tree;
  std::size_t files = 0;
  for (std::size_t at = 0; at + 3 <= size && files < 32; ++files) {
    const std::string_view path = paths[data[at] % paths.size()];
    const std::size_t length = std::min<std::size_t>(
        static_cast<std::size_t>(data[at + 1]) << 8 | data[at + 2], size - at - 3);
    tree.add(std::string(path), std::string(reinterpret_cast<const char*>(data) + at + 3, length));
    at += 3 + length;
  }
  const slipway::Plan plan = slipway::detect(tree);
  if (plan != slipway::detect(tree)) std::abort();
  if (slipway::describe(plan).empty()) std::abort();
  for (const std::string_view field : slipway::explainable_fields())
    if (!slipway::explain(plan, field)) std::abort();
  return 0;
}
