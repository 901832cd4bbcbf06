#include "detect/detect.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "detect/detectors.h"
#include "detect/node/frameworks.h"

namespace slipway::detection {
namespace node {
namespace {

std::vector<std::string_view> alternatives(std::string_view names) { return split(names, '|'); }

// The framework's dependency that this package declares; "" when it declares none.
std::string_view declared(const Package& package, const Framework& framework) {
  for (const std::string_view name : alternatives(framework.dependencies))
    if (package.has(name)) return name;
  return {};
}

bool imports(const Root& root, std::string_view module) {
  for (const SourceFacts* facts : root.sources(Language::javascript))
    for (const Import& import : facts->imports)
      if (import.module == module ||
          (import.module.starts_with(module) && import.module[module.size()] == '/'))
        return true;
  return false;
}

// Whether the start is a server of the project's own code rather than a page's tool.
bool starts_own_server(const Package& package, const Start& start) {
  if (start.entry.empty() || start.command.empty()) return false;
  const SourceFacts* facts = package.root->source(start.entry);
  if (facts != nullptr) return !facts->listens.empty() || !start.script.empty();
  // A compiled entry: dist/server.js.
  return !start.script.empty();
}

const Framework* choose(const Package& package, const Start& start, std::string_view& seen) {
  const Framework* page = nullptr;
  std::string_view page_seen;
  const bool own_server = starts_own_server(package, start);
  for (const Framework& framework : frameworks()) {
    const std::string_view dependency = declared(package, framework);
    if (dependency.empty()) continue;
    if (framework.shape == Shape::spa || framework.shape == Shape::site) {
      const bool storybook_only = framework.name == "storybook" && !package.script("build").empty();
      if (page == nullptr && !storybook_only) {
        page = &framework;
        page_seen = dependency;
      }
      continue;
    }
    if (framework.shape == Shape::server || framework.shape == Shape::worker) {
      // A page bundler beside a server library: the page unless the project starts a server.
      if (page != nullptr && !own_server) continue;
      // Declared but unused beside another: the one the code imports wins.
      if (framework.shape == Shape::server && !imports(*package.root, dependency) &&
          std::ranges::any_of(frameworks(), [&](const Framework& other) {
            const std::string_view name = declared(package, other);
            return other.shape == Shape::server && &other != &framework && !name.empty() &&
                   imports(*package.root, name);
          }))
        continue;
    }
    seen = dependency;
    return &framework;
  }
  if (page != nullptr && own_server && !package.root->source(start.entry) &&
      page->shape == Shape::spa) {
    seen = page_seen;
    return page;
  }
  if (page != nullptr && own_server && page->shape == Shape::spa) {
    // Plain http serving what the bundler made.
    const SourceFacts* facts = package.root->source(start.entry);
    if (facts != nullptr && !facts->listens.empty()) return nullptr;
  }
  seen = page_seen;
  return page;
}

// The root only starts what lies in folders that install for themselves.
bool is_runner(const Package& package, const Start& start) {
  if (!start.delegates) return false;
  for (const std::string_view name : {"build", "postinstall", "install", "prestart", "preinstall",
                                      "heroku-postbuild", "install:all"})
    if (package.script(name).find("install") != std::string_view::npos ||
        package.script(name).find("npm ci") != std::string_view::npos)
      return false;
  return true;
}

// The root starts a file of a folder that is a package of its own, and has none of what that
// package depends on: the folder is the app.
bool runs_a_package_below(const Package& package, const Start& start) {
  if (start.entry.empty() || !package.script("build").empty()) return false;
  for (const std::string_view name : {"postinstall", "install", "prestart", "preinstall"})
    if (!package.script(name).empty()) return false;
  const Root& root = *package.root;
  for (std::string_view folder = directory_of(start.entry); !folder.empty();
       folder = directory_of(folder)) {
    const json::value* below = root.json(std::string(folder) + "/package.json");
    if (below == nullptr) continue;
    const json::object& wanted = object_at(*below, {"dependencies"});
    for (const auto& [name, range] : wanted)
      if (package.has(std::string_view(name))) return false;
    return !wanted.empty();
  }
  return false;
}

bool listens_anywhere(const Root& root) {
  return std::ranges::any_of(root.sources(Language::javascript),
                             [](const SourceFacts* facts) { return !facts->listens.empty(); });
}

// Functions that their cloud calls: no program of theirs waits for requests.
bool runs_in_a_cloud(const Package& package) {
  const Root& root = *package.root;
  const json::value* wrangler = root.has("wrangler.toml")   ? root.toml("wrangler.toml")
                                : root.has("wrangler.json") ? root.json("wrangler.json")
                                                            : root.json("wrangler.jsonc");
  if (wrangler != nullptr && !string_at(*wrangler, {"main"}).empty() &&
      package.script("start").empty())
    return true;
  return !listens_anywhere(root) && (package.has("firebase-functions") ||
                                     (package.has("@azure/functions") && root.has("host.json")));
}

// Clocks and queues: what is built on one of these and listens nowhere works by itself.
bool works_by_itself(const Package& package) {
  for (const std::string_view name :
       {"node-cron", "cron", "node-schedule", "croner", "bree", "agenda", "bullmq", "bull",
        "bee-queue", "pg-boss", "graphile-worker", "amqplib", "kafkajs"})
    if (package.runtime.contains(std::string(name))) return true;
  return false;
}

// Whether a framework's own files lie in the workspace's root rather than in its members.
bool holds_an_app(const Root& root) {
  return std::ranges::any_of(root.files(), [](const std::string& file) {
    const std::string_view extension = extension_of(file);
    return file.starts_with("src/") || file.starts_with("app/") || file.starts_with("pages/") ||
           extension == ".tsx" || extension == ".jsx" || extension == ".vue" ||
           extension == ".svelte" || extension == ".astro";
  });
}

bool is_workspace_runner(const Package& package, const Start& start) {
  if (workspace_members(package.root->project(), package.root->directory()).empty()) return false;
  static const std::set<std::string_view> tools{"turbo", "nx",   "lerna", "pnpm",  "npm",
                                                "yarn",  "moon", "rush",  "wsrun", "bun"};
  return start.entry.empty() && (start.tool.empty() || tools.contains(start.tool));
}

void plan_build(const Context& context, const Framework* framework) {
  const Package& package = context.package;
  Service& service = context.proposal.service;
  std::string script;
  for (const std::string_view name : {"build", "build:prod", "build:production", "heroku-postbuild",
                                      "vercel-build", "docs:build", "build:web", "generate"})
    if (script.empty() && !package.script(name).empty()) script = name;
  if (!script.empty()) {
    service.build = package.run(script);
    plan_inner_installs(package, script, context.proposal);
    context.proposal.because(
        package.root->path("package.json"), package.line(script),
        "scripts." + script + ": " + std::string(package.script(script).substr(0, 120)));
  } else if (framework != nullptr && !framework->build.empty() &&
             framework->shape != Shape::server) {
    service.build = package.execute(framework->build);
  } else if (framework == nullptr || framework->shape == Shape::server) {
    // TypeScript that the start expects compiled.
    const bool compiled =
        context.start.entry.starts_with("dist/") || context.start.entry.starts_with("build/");
    if (compiled && package.has("typescript") && package.root->has("tsconfig.json"))
      service.build = package.execute("tsc");
    if (framework != nullptr && !framework->build.empty() && service.build == std::nullopt &&
        framework->build.starts_with("nest"))
      service.build = package.execute(framework->build);
  }
  const bool generates =
      package.script("postinstall").find("prisma generate") != std::string_view::npos ||
      package.script(script).find("prisma generate") != std::string_view::npos;
  if (package.has("prisma") && package.has("@prisma/client") && !generates &&
      (package.manager.name == "pnpm" || package.manager.name == "bun"))
    service.build =
        package.execute("prisma generate") + (service.build ? " && " + *service.build : "");
}

// moon's own task, where no script builds: moon.yml, tasks.build.command.
void plan_moon_build(const Context& context) {
  const Root& root = *context.package.root;
  Service& service = context.proposal.service;
  if (!context.package.script("build").empty() || !root.has("moon.yml")) return;
  const json::value* tasks = root.project().yaml(root.path("moon.yml"));
  if (tasks == nullptr) return;
  std::vector<std::string> words = strings_at(*tasks, {"tasks", "build", "command"});
  for (std::string& word : strings_at(*tasks, {"tasks", "build", "args"}))
    words.push_back(std::move(word));
  if (words.empty()) return;
  service.build = context.package.execute(join(words, " "));
  context.proposal.because(root.path("moon.yml"), line_of(root.text("moon.yml"), "command"),
                           "moon's task build");
}

// Rush installs and builds by scripts of its own; its packages are listed in rush.json.
void plan_rush(const Context& context) {
  const Root& root = *context.package.root;
  const Project& project = root.project();
  if (root.directory().empty() || !project.files().has("rush.json") ||
      !project.files().has("common/scripts/install-run-rush.js"))
    return;
  const json::value* document = project.json("rush.json");
  const json::value* projects = document == nullptr ? nullptr : find(*document, {"projects"});
  if (projects == nullptr || !projects->is_array()) return;
  for (const json::value& item : projects->as_array()) {
    if (string_at(item, {"projectFolder"}) != root.directory()) continue;
    Service& service = context.proposal.service;
    std::string up = "..";
    for (std::size_t i = depth_of(root.directory()); i > 0; --i) up += "/..";
    const std::string rush = "(cd " + up + " && node common/scripts/install-run-rush.js ";
    const std::string name(string_at(item, {"packageName"}));
    for (const std::string_view manager : {"pnpm", "yarn", "npm"})
      if (const std::string_view version = string_at(*document, {std::string(manager) + "Version"});
          !version.empty()) {
        service.package_manager = manager;
        service.package_manager_version = version;
        break;
      }
    service.install = rush + "install --to " + shell_quote(name) + ")";
    service.install_inputs.clear();
    if (service.build) service.build = rush + "build --to " + shell_quote(name) + ")";
    context.proposal.because("rush.json", line_of(project.files().text("rush.json"), name),
                             "a project of Rush");
    return;
  }
}

// In a workspace a build may need its siblings built first.
void plan_workspace_build(const Context& context) {
  const Package& package = context.package;
  Service& service = context.proposal.service;
  if (!package.manager.workspace || !service.build || package.script("build").empty()) return;
  const Project& project = package.root->project();
  const std::string name(package.manifest == nullptr ? "" : string_at(*package.manifest, {"name"}));
  const std::string above = package.manager.directory;
  std::string up;
  for (std::size_t i = depth_of(relative_to(package.root->directory(), above)) + 1; i > 0; --i)
    up += up.empty() ? ".." : "/..";
  if (project.files().has(join_path(above, "turbo.json")) && !name.empty()) {
    service.build = "cd " + up + " && npx --no-install turbo run build --filter=" + name;
    context.proposal.because(join_path(above, "turbo.json"), 0,
                             "turbo builds what the app needs first");
    return;
  }
  std::vector<std::string> needed;
  for (const std::string& member : workspace_members(project, above)) {
    if (member == package.root->directory()) continue;
    const json::value* manifest = project.json(join_path(member, "package.json"));
    if (manifest == nullptr || string_at(*manifest, {"scripts", "build"}).empty()) continue;
    if (const std::string other(string_at(*manifest, {"name"})); package.has(other))
      needed.push_back(other);
  }
  if (needed.empty()) return;
  const std::string& manager = package.manager.name;
  if (manager == "pnpm" && !name.empty()) {
    service.build = "pnpm --filter '" + name + "...' run build";
    return;
  }
  std::string before;
  for (const std::string& other : needed)
    before += (manager == "yarn"  ? "yarn workspace " + other + " run build"
               : manager == "bun" ? "bun run --filter " + other + " build"
                                  : "npm run build -w " + other) +
              " && ";
  service.build =
      "(cd " + up + " && " + before.substr(0, before.size() - 4) + ") && " + *service.build;
}

void plan_start(const Context& context, const Framework* framework) {
  const Package& package = context.package;
  const Start& start = context.start;
  Service& service = context.proposal.service;
  if (framework != nullptr && (framework->shape == Shape::spa || framework->shape == Shape::site)) {
    make_static(service, std::string(framework->output),
                framework->shape == Shape::spa ? StaticFallback::single_page_app
                                               : StaticFallback::not_found_page);
    return;
  }
  if (framework != nullptr && framework->shape == Shape::meta) {
    // The project's own start of what its build makes: `node .output/server/index.mjs`.
    const bool own = start.tool == "node" && !start.entry.empty() && !start.script.empty() &&
                     !start.development && !package.root->has(start.entry);
    if (own)
      service.start = start.command;
    else if (framework->start.starts_with("node "))
      service.start = std::string(framework->start);
    else if (!framework->start.empty())
      service.start = package.execute(framework->start);
    return;
  }
  if (start.command.empty()) return;
  service.start = start.command;
  if (!start.script.empty())
    context.proposal.because(package.root->path("package.json"), package.line(start.script),
                             "scripts." + start.script + ": " +
                                 std::string(package.script(start.script).substr(0, 120)));
  if (start.development || start.script == "dev")
    context.proposal.warn("development_start",
                          "scripts." + start.script + " is a development server; " + start.command +
                              " is used instead",
                          package.root->path("package.json"), package.line(start.script),
                          "add a start script: \"start\": \"" + start.command + "\"");
}

// Without a package.json: the packages that the sources import.
std::vector<std::string> imported_packages(const Root& root) {
  static const std::set<std::string_view> builtin{"assert",
                                                  "async_hooks",
                                                  "buffer",
                                                  "child_process",
                                                  "cluster",
                                                  "console",
                                                  "constants",
                                                  "crypto",
                                                  "dgram",
                                                  "dns",
                                                  "domain",
                                                  "events",
                                                  "fs",
                                                  "http",
                                                  "http2",
                                                  "https",
                                                  "inspector",
                                                  "module",
                                                  "net",
                                                  "os",
                                                  "path",
                                                  "perf_hooks",
                                                  "process",
                                                  "punycode",
                                                  "querystring",
                                                  "readline",
                                                  "repl",
                                                  "stream",
                                                  "string_decoder",
                                                  "sys",
                                                  "timers",
                                                  "tls",
                                                  "trace_events",
                                                  "tty",
                                                  "url",
                                                  "util",
                                                  "v8",
                                                  "vm",
                                                  "wasi",
                                                  "worker_threads",
                                                  "zlib",
                                                  "test",
                                                  "bun",
                                                  "sqlite"};
  std::set<std::string> packages;
  for (const SourceFacts* facts : root.sources(Language::javascript))
    for (const Import& import : facts->imports) {
      std::string_view module = import.module;
      if (module.starts_with('.') || module.starts_with('/') || module.starts_with("node:") ||
          module.starts_with("bun:") || module.starts_with("npm:") || module.starts_with("http") ||
          module.starts_with("@/") || module.starts_with("~") || module.starts_with('#') ||
          module.starts_with("jsr:"))
        continue;
      std::size_t end = module.find('/');
      if (module.starts_with('@') && end != std::string_view::npos) end = module.find('/', end + 1);
      module = module.substr(0, end);
      if (builtin.contains(module) ||
          module.find_first_not_of(
              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@/._-") !=
              std::string_view::npos)
        continue;
      packages.emplace(module);
    }
  return {packages.begin(), packages.end()};
}

void plan_without_manifest(Context& context) {
  const Root& root = *context.package.root;
  const std::vector<std::string> packages = imported_packages(root);
  Service& service = context.proposal.service;
  service.package_manager = "npm";
  if (!packages.empty()) {
    service.install = "npm install --no-save " + join(packages, " ");
    context.proposal.warn(
        "no_manifest",
        "no package.json: " + join(packages, ", ") + " found from imports, versions are the newest",
        root.path(context.start.entry), 0, "npm init -y && npm install " + join(packages, " "));
  }
  if (extension_of(context.start.entry).ends_with("ts") && service.runtime.source == "default") {
    service.runtime.version = ">=22.18";
    service.runtime.source =
        context.start.entry + " is TypeScript, which Node runs by itself from 22.18";
  }
}

// `bun` runs it when the code asks for Bun or the start does.
bool wants_bun(const Package& package, const Start& start) {
  if (start.command.starts_with("bun ")) return true;
  const SourceFacts* facts = start.entry.empty() ? nullptr : package.root->source(start.entry);
  if (facts == nullptr) return false;
  return facts->uses_bun || std::ranges::any_of(facts->imports, [](const Import& import) {
           return import.module == "bun" || import.module.starts_with("bun:");
         });
}

void plan_port(const Context& context) {
  Service& service = context.proposal.service;
  const Root& root = *context.package.root;
  if (context.start.entry.empty() || !service.start || service.is_static) return;
  std::vector<const SourceFacts*> places;
  if (const SourceFacts* entry = root.source(context.start.entry)) places.push_back(entry);
  if (places.empty() || places.front()->listens.empty())
    for (const SourceFacts* facts : root.sources(Language::javascript)) places.push_back(facts);
  // It may open a port for metrics beside, with a number of its own: the one it is told wins.
  for (const SourceFacts* facts : places)
    for (const Listen& listen : facts->listens)
      if (listen.from_env)
        return context.proposal.because(facts->path, listen.line, std::string(listens_on_port));
  for (const SourceFacts* facts : places)
    for (const Listen& listen : facts->listens) {
      context.proposal.because(
          facts->path, listen.line,
          listen.port ? "listens on " + std::to_string(*listen.port) : "listens");
      if (listen.port) {
        service.port = listen.port;
        context.proposal.warn("port_ignored",
                              "listens on " + std::to_string(*listen.port) +
                                  " whatever PORT says; it is reached there",
                              facts->path, listen.line,
                              "listen on process.env.PORT || " + std::to_string(*listen.port));
      }
      return;
    }
}

double confidence(const Context& context, const Framework* framework) {
  const Service& service = context.proposal.service;
  if (service.confidence > 0) return service.confidence;
  const bool page =
      framework != nullptr && (framework->shape == Shape::spa || framework->shape == Shape::site);
  if (service.is_static || page)
    return framework != nullptr && framework->name == "storybook" ? 0.6
           : framework != nullptr && framework->name == "webpack" ? 0.8
                                                                  : 0.96;
  if (framework != nullptr && framework->shape == Shape::meta) return service.start ? 0.98 : 0.7;
  if (!service.start) return 0;
  const bool listens = listens_anywhere(*context.package.root);
  if (framework != nullptr)
    return listens || framework->shape == Shape::worker || framework->name == "nest" ? 0.97 : 0.9;
  if (context.package.manifest == nullptr) return listens ? 0.9 : 0.3;
  if (listens) return 0.95;
  return context.start.script.empty() ? 0.4 : 0.8;
}

}  // namespace
}  // namespace node

std::optional<Proposal> detect_node(const Root& root) {
  using namespace node;
  Package package = read_package(root);
  const bool manifest = root.has("package.json");
  if (package.manifest == nullptr && root.sources(Language::javascript).empty() && !manifest)
    return std::nullopt;
  Proposal proposal;
  proposal.service.root = root.directory();
  proposal.service.provider = "node";
  choose_manager(package, proposal);
  const Start start = find_start(package);
  const Context context{.package = package, .start = start, .proposal = proposal};
  if (package.manifest != nullptr &&
      (is_workspace_runner(package, start) || is_runner(package, start))) {
    // Only a framework of its own makes the workspace's root an app.
    const bool app = std::ranges::any_of(frameworks(), [&](const Framework& framework) {
      // Redwood's own generator declares itself for development, and is a workspace.
      return framework.shape == Shape::meta &&
             (holds_an_app(root) || framework.name == "redwood") &&
             (package.runtime.contains(std::string(declared(package, framework))) ||
              (framework.name == "redwood" && package.has("@redwoodjs/core")));
    });
    if (!app) return std::nullopt;
  }
  if (package.manifest != nullptr && runs_a_package_below(package, start)) return std::nullopt;
  std::string_view seen;
  const Framework* framework = package.manifest == nullptr ? nullptr : choose(package, start, seen);
  if (package.manifest == nullptr) {
    const std::vector<std::string> packages = imported_packages(root);
    for (const Framework& candidate : frameworks())
      for (const std::string_view name : alternatives(candidate.dependencies))
        if (framework == nullptr &&
            (candidate.shape == Shape::server || candidate.shape == Shape::worker) &&
            std::ranges::find(packages, name) != packages.end())
          framework = &candidate;
  }
  if (framework == nullptr && runs_in_a_cloud(package)) return std::nullopt;
  plan_runtime(package, proposal);
  Service& service = proposal.service;
  if (framework != nullptr) {
    service.framework = framework->name;
    if (!seen.empty()) {
      const bool development = !package.runtime.contains(std::string(seen));
      proposal.because(root.path("package.json"), package.line(seen),
                       (development ? "devDependency " : "dependency ") + std::string(seen) + " " +
                           std::string(package.range(seen)));
    }
    if (!framework->cache.empty()) service.cache_dirs.emplace_back(framework->cache);
    if (framework->shape == Shape::worker) service.kind = "worker";
    // An MCP server over standard input and output listens to nothing.
    if (framework->name == "mcp" && !listens_anywhere(root)) service.kind = "worker";
  }
  if (package.manifest != nullptr) {
    const bool dependencies = !package.runtime.empty() || !package.development.empty() ||
                              !package.manager.lockfile.empty();
    if (dependencies)
      plan_install(package, proposal);
    else
      service.package_manager = package.manager.name;
    plan_build(context, framework);
  } else {
    Context without = context;
    plan_without_manifest(without);
  }
  plan_start(context, framework);
  if (const std::string missing = missing_start(package); !missing.empty())
    proposal.warn("start_missing", "scripts.start runs " + missing + ", which is not there",
                  root.path("package.json"), package.line("start"),
                  "take the script out, or add " + missing);
  // Only a build, and a page beside what it makes: `tailwindcss -o public/out.css`.
  if (framework == nullptr && !service.start && service.build && root.has("public/index.html")) {
    make_static(service, "public", StaticFallback::not_found_page);
    proposal.because(root.path("public/index.html"), 0, "a page to serve after the build");
  }
  if (framework != nullptr && framework->plan != nullptr) framework->plan(context);
  if (framework != nullptr) plan_output_flag(context);
  plan_moon_build(context);
  plan_workspace_build(context);
  plan_rush(context);
  if (wants_bun(package, start) && !service.is_static) {
    service.runtime.name = "bun";
    if (service.runtime.source != "default" &&
        (service.runtime.source.find("node") != std::string::npos ||
         service.runtime.source.find("Node") != std::string::npos))
      service.runtime = {.name = "bun", .version = "", .source = "default"};
    if (package.manifest == nullptr && service.install)
      service.install = "bun install --no-save " +
                        service.install->substr(std::string_view("npm install --no-save ").size());
    if (package.manifest == nullptr) service.package_manager = "bun";
    if (service.start && service.start->starts_with("node "))
      service.start = "bun " + service.start->substr(5);
  }
  for (const auto& [name, range] : package.runtime) add_dependency(name, service);
  if (package.manifest == nullptr)
    for (const std::string& name : imported_packages(root)) add_dependency(name, service);
  plan_port(context);
  add_source_facts(root.sources(Language::javascript), root, proposal);
  if (service.is_static) service.health_path = "/";
  if (package.has("@prisma/client") && (root.has("prisma/schema.prisma"))) {
    const std::string_view schema = root.text("prisma/schema.prisma");
    for (const std::string_view database : {"postgresql", "mysql", "sqlite", "mongodb"})
      if (schema.find("provider = \"" + std::string(database) + "\"") != std::string_view::npos ||
          schema.find("provider     = \"" + std::string(database) + "\"") !=
              std::string_view::npos) {
        const std::string name = database == "postgresql" ? "postgres" : std::string(database);
        if (std::ranges::find(service.databases, name) == service.databases.end())
          service.databases.push_back(name);
      }
    if (root.has("prisma/migrations/migration_lock.toml"))
      service.release = package.execute("prisma migrate deploy");
  }
  if (framework == nullptr && service.start && !context.start.entry.empty()) {
    // A program that is all here and listens nowhere answers no request.
    const std::vector<const SourceFacts*>& all = root.sources(Language::javascript);
    const SourceFacts* entry = root.source(context.start.entry);
    const bool here =
        entry != nullptr ? entry->listens.empty() : works_by_itself(package) && !all.empty();
    if (here && !listens_anywhere(root)) service.kind = "worker";
  }
  plan_release(context);
  plan_workers(context);
  service.confidence = confidence(context, framework);
  if (service.confidence <= 0) return std::nullopt;
  proposal.reason = framework != nullptr ? std::string(framework->name) + " in package.json"
                    : manifest           ? "package.json with a start command"
                                         : "a JavaScript file that listens";
  return proposal;
}

}  // namespace slipway::detection
