#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/text.h"
#include "repair/kinds.h"

namespace slipway::repair {
namespace {

// Names that are imitated: what is one letter away from one of these is not installed unasked.
constexpr std::array popular{std::string_view("react"),       std::string_view("react-dom"),
                             std::string_view("lodash"),      std::string_view("express"),
                             std::string_view("axios"),       std::string_view("chalk"),
                             std::string_view("next"),        std::string_view("vue"),
                             std::string_view("svelte"),      std::string_view("typescript"),
                             std::string_view("webpack"),     std::string_view("vite"),
                             std::string_view("eslint"),      std::string_view("prettier"),
                             std::string_view("jquery"),      std::string_view("moment"),
                             std::string_view("dotenv"),      std::string_view("commander"),
                             std::string_view("mongoose"),    std::string_view("socket.io"),
                             std::string_view("tailwindcss"), std::string_view("postcss"),
                             std::string_view("zod"),         std::string_view("uuid"),
                             std::string_view("cross-env"),   std::string_view("nodemon"),
                             std::string_view("rxjs"),        std::string_view("recharts"),
                             std::string_view("date-fns"),    std::string_view("framer-motion"),
                             std::string_view("requests"),    std::string_view("numpy"),
                             std::string_view("pandas"),      std::string_view("flask"),
                             std::string_view("django"),      std::string_view("fastapi"),
                             std::string_view("urllib3"),     std::string_view("scipy"),
                             std::string_view("pillow"),      std::string_view("beautifulsoup4"),
                             std::string_view("selenium"),    std::string_view("openai"),
                             std::string_view("pydantic"),    std::string_view("sqlalchemy"),
                             std::string_view("setuptools")};

// What is meant by these is hardly a package of a registry: a folder of the project's own, or a
// part of Node.
constexpr std::string_view never[] = {"utils",     "util",          "helpers",  "config",
                                      "settings",  "models",        "model",    "schemas",
                                      "schema",    "database",      "db",       "routes",
                                      "router",    "services",      "service",  "core",
                                      "api",       "app",           "apps",     "main",
                                      "auth",      "tests",         "test",     "common",
                                      "lib",       "libs",          "src",      "components",
                                      "hooks",     "types",         "shared",   "server",
                                      "client",    "pages",         "styles",   "assets",
                                      "store",     "stores",        "views",    "data",
                                      "constants", "middleware",    "modules",  "plugins",
                                      "tools",     "scripts",       "local",    "env",
                                      "fs",        "path",          "os",       "crypto",
                                      "http",      "https",         "net",      "tls",
                                      "dns",       "child_process", "stream",   "url",
                                      "zlib",      "events",        "buffer",   "process",
                                      "assert",    "querystring",   "readline", "worker_threads",
                                      "module",    "perf_hooks",    "vm",       "tty"};

// Whether one insertion, deletion, replacement or exchange of neighbours makes `a` of `b`.
bool one_edit_apart(std::string_view a, std::string_view b) {
  if (a == b) return false;
  if (a.size() < b.size()) std::swap(a, b);
  if (a.size() - b.size() > 1) return false;
  std::size_t i = 0;
  while (i < b.size() && a[i] == b[i]) ++i;
  if (a.size() > b.size()) return a.substr(i + 1) == b.substr(i);
  if (a.substr(i + 1) == b.substr(i + 1)) return true;
  return i + 1 < a.size() && a[i] == b[i + 1] && a[i + 1] == b[i] &&
         a.substr(i + 2) == b.substr(i + 2);
}

bool is_package_name(std::string_view name) {
  static const RE2 node(R"((?:@[a-z0-9][a-z0-9._-]*/)?[a-zA-Z0-9][a-zA-Z0-9._-]*)");
  return name.size() < 100 && RE2::FullMatch(name, node);
}

struct Command {
  std::string_view name, package;
};
constexpr Command commands[] = {
    {"vite", "vite"},
    {"tsc", "typescript"},
    {"next", "next"},
    {"astro", "astro"},
    {"nuxt", "nuxt"},
    {"nuxi", "nuxt"},
    {"tsx", "tsx"},
    {"ts-node", "ts-node"},
    {"esbuild", "esbuild"},
    {"tsup", "tsup"},
    {"rimraf", "rimraf"},
    {"cross-env", "cross-env"},
    {"concurrently", "concurrently"},
    {"prisma", "prisma"},
    {"nest", "@nestjs/cli"},
    {"react-scripts", "react-scripts"},
    {"webpack", "webpack-cli"},
};

// As failure.cc names it: `{package}` of the error's message.
std::string package_in(const Error& error) {
  static const RE2 imported(
      R"re((?:the package|the Python module) (\S+) is (?:imported|used|not))re"),
      command(R"re(the command (\S+) does not exist)re");
  std::string name;
  if (RE2::PartialMatch(error.message, imported, &name)) return name;
  // Commands whose packages are known: a name alone may be anybody's.
  if (!RE2::PartialMatch(error.message, command, &name)) return {};
  const auto* known = std::ranges::find(commands, name, &Command::name);
  return known == std::end(commands) ? std::string() : std::string(known->package);
}

constexpr std::string_view unsaved = "npm install --no-save ";
struct Row {
  std::string_view manager, command, permanent;
};
constexpr Row rows[] = {
    // --before: what was published shortly ago may be there to be installed by mistake.
    {"npm", "npm install --no-save --include=dev --before=\"$slipway_old\" {}", "npm install {}"},
    {"pnpm", "pnpm add {}", "pnpm add {}"},
    {"yarn", "yarn add {}", "yarn add {}"},
    {"bun", "bun add {}", "bun add {}"},
};
// Ends the step unless the package is there and older than 90 days. The oldest time of all
// versions: mirrors leave `created` out.
constexpr std::string_view guard =
    "slipway_old=$(date -u -d '90 days ago' +%Y-%m-%d) && "
    "slipway_made=$(npm view {} time --json | sed -n 's/.*: *\"\\([0-9-]*\\)T.*/\\1/p' | sort | "
    "head -n 1) && "
    "{ [ -n \"$slipway_made\" ] && [ \"$slipway_made\" \\< \"$slipway_old\" ] || "
    "{ echo 'slipway: {} is not in the registry, or too young to be installed unasked'; exit 1; }; "
    "} "
    "&& ";

std::string with(std::string_view text, std::string_view package) {
  return replaced(text, "{}", package).value_or(std::string(text));
}

}  // namespace

std::optional<Change> undeclared_dependency(const Failure& failure) {
  if (failure.error.cause != "missing_dependency") return std::nullopt;
  const std::string package = package_in(failure.error);
  if (!is_package_name(package)) return std::nullopt;
  for (const std::string_view known : popular)
    if (one_edit_apart(package, known)) return std::nullopt;
  if (std::ranges::find(never, package.substr(0, package.find('.'))) != std::end(never))
    return std::nullopt;
  const std::string before = failure.service.install.value_or("");
  if (before.find(" " + package) != std::string::npos) return std::nullopt;
  Change change;
  change.file = failure.error.file;
  change.message = "the package " + package + " is imported and declared nowhere; it was installed";
  if (failure.service.provider == "python") {
    const std::string add = failure.error.next.empty() ? "" : failure.error.next.front().command;
    static const RE2 named(R"re((?:echo '|add |install )([A-Za-z0-9._\[\]-]+))re");
    std::string distribution;
    if (!RE2::PartialMatch(add, named, &distribution)) return std::nullopt;
    change.install = (before.empty() ? "" : before + " && ") +
                     "uv pip install --exclude-newer \"$(date -u -d '90 days ago' +%Y-%m-%d)\" " +
                     distribution;
    change.fix = add;
    return change;
  }
  for (const Row& row : rows)
    if (failure.service.package_manager == row.manager && !before.empty()) {
      // npm takes away what it installed unsaved a moment ago: all of them in one command.
      const std::size_t earlier = before.rfind(unsaved);
      change.install = row.manager == "npm" && earlier != std::string::npos
                           ? before.substr(0, earlier) + with(guard, package) +
                                 before.substr(earlier) + " " + package
                           : before + " && " + with(guard, package) + with(row.command, package);
      change.fix = with(row.permanent, package);
      return change;
    }
  return std::nullopt;
}

}  // namespace slipway::repair
