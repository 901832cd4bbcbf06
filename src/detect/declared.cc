// Files of other platforms, read as evidence of what their owner wants.
#include <algorithm>

#include "base/text.h"
#include "detect/detectors.h"
#include "detect/listed.h"

namespace slipway::detection {
namespace {

void set_static(std::string_view directory, const std::string& file, int line, Proposal& proposal) {
  const std::optional<std::string> clean = resolve_path("", directory);
  if (!clean) return;
  Service& service = proposal.service;
  service.output_dir = clean->empty() ? "." : *clean;
  proposal.because(file, line, "publishes " + *service.output_dir);
}

void procfile(const Root& root, Proposal& proposal) {
  const std::string file = root.path("Procfile");
  if (!root.has("Procfile")) return;
  Service& service = proposal.service;
  proposal.others.clear();  // it names every process
  int number = 0;
  std::vector<std::pair<std::string, std::string>> workers;
  for (const std::string_view raw : lines(root.text("Procfile"))) {
    ++number;
    const std::string_view line = trim(raw);
    const std::size_t colon = line.find(':');
    if (line.starts_with('#') || colon == std::string_view::npos) continue;
    const std::string_view process = trim(line.substr(0, colon));
    const std::string_view command = trim(line.substr(colon + 1));
    if (command.empty()) continue;
    if (process == "web") {
      if (service.is_static) {
        service.is_static = false;
        service.output_dir.reset();
      }
      service.kind = "web";
      set_command(service.start, command, file, number, "Procfile web", proposal);
      service.confidence = std::max(service.confidence, 0.95);
      if (command.find("$PORT") != std::string_view::npos ||
          command.find("${PORT") != std::string_view::npos)
        service.port.reset();
    } else if (process == "release") {
      set_command(service.release, command, file, number, "Procfile release", proposal);
    } else if (!is_development(command)) {
      workers.emplace_back(process, command);
    }
  }
  bool taken = service.start && service.kind != "worker";
  for (const auto& [name, command] : workers) {
    const int line = line_of(root.text("Procfile"), name + ":");
    if ((!service.start || service.kind == "worker") && service.provider != "static" && !taken) {
      taken = true;
      service.kind = "worker";
      service.start = command;
      service.name = slug(name);
      service.confidence = std::max(service.confidence, 0.85);
      proposal.because(file, line, "Procfile " + name + ": " + command.substr(0, 120));
      continue;
    }
    Service worker = process_of(service, slug(name), "worker", command);
    worker.evidence = {
        {.file = file, .line = line, .fact = "Procfile " + name + ": " + command.substr(0, 120)}};
    proposal.others.push_back(std::move(worker));
  }
}

void netlify(const Root& root, Proposal& proposal) {
  std::string file = root.path("netlify.toml");
  const Project& project = root.project();
  // One above all with a base is about that folder.
  if (!root.has("netlify.toml")) file = "netlify.toml";
  const json::value* document = project.files().has(file) ? project.toml(file) : nullptr;
  if (document == nullptr) return;
  const std::string_view base = string_at(*document, {"build", "base"});
  if (resolve_path(directory_of(file), base.empty() ? "." : base).value_or("") != root.directory())
    return;
  const std::string_view text = project.files().text(file);
  Service& service = proposal.service;
  if (!base.empty())
    proposal.because(file, line_of(text, "base"), "netlify.toml base: " + std::string(base));
  std::string command = without_install(string_at(*document, {"context", "production", "command"}));
  if (command.empty()) command = without_install(string_at(*document, {"build", "command"}));
  if (service.is_static) {
    if (!command.empty())
      set_command(service.build, command, file, line_of(text, "command"), "netlify.toml build",
                  proposal);
    if (const std::string_view publish = string_at(*document, {"build", "publish"});
        !publish.empty())
      set_static(publish, file, line_of(text, "publish"), proposal);
  }
  if (const json::value* redirects = find(*document, {"redirects"});
      redirects != nullptr && redirects->is_array() && service.is_static)
    for (const json::value& item : redirects->as_array())
      if (string_at(item, {"from"}) == "/*" && string_at(item, {"to"}) == "/index.html")
        service.fallback = StaticFallback::single_page_app;
}

void vercel(const Root& root, Proposal& proposal) {
  const json::value* document = root.has("vercel.json") ? root.json("vercel.json") : nullptr;
  if (document == nullptr) return;
  const std::string file = root.path("vercel.json");
  const std::string_view text = root.text("vercel.json");
  Service& service = proposal.service;
  if (const std::string_view command = string_at(*document, {"installCommand"}); !command.empty()) {
    set_command(service.install, command, file, line_of(text, "installCommand"),
                "vercel.json installCommand", proposal);
    service.install_inputs.clear();
  }
  if (const std::string command = without_install(string_at(*document, {"buildCommand"}));
      !command.empty())
    set_command(service.build, command, file, line_of(text, "buildCommand"),
                "vercel.json buildCommand", proposal);
  if (const json::value* crons = find(*document, {"crons"}); crons != nullptr && crons->is_array())
    for (const json::value& item : crons->as_array()) {
      const std::string_view path = string_at(item, {"path"});
      const std::string_view schedule = string_at(item, {"schedule"});
      if (!path.starts_with('/') || schedule.empty()) continue;
      Service cron = process_of(service, slug("cron-" + std::string(path)), "cron", "");
      cron.start.reset();
      cron.install.reset();
      cron.build.reset();
      cron.install_inputs.clear();
      cron.schedule = schedule;
      cron.cron_path = path;
      cron.needs = {std::string(same_root)};
      cron.evidence = {
          {.file = file,
           .line = line_of(text, path),
           .fact = "vercel.json requests " + std::string(path) + " at " + std::string(schedule)}};
      proposal.others.push_back(std::move(cron));
    }
  if (const std::string_view output = string_at(*document, {"outputDirectory"});
      !output.empty() && service.is_static)
    set_static(output, file, line_of(text, "outputDirectory"), proposal);
  if (const json::value* rewrites = find(*document, {"rewrites"});
      rewrites != nullptr && rewrites->is_array() && service.is_static)
    for (const json::value& item : rewrites->as_array())
      if (const std::string_view to = string_at(item, {"destination"});
          to == "/index.html" || to == "/")
        service.fallback = StaticFallback::single_page_app;
}

void railway(const Root& root, Proposal& proposal) {
  Service& service = proposal.service;
  for (const std::string_view name : {"railway.json", "railway.toml"}) {
    if (!root.has(name)) continue;
    const json::value* document = name.ends_with(".json") ? root.json(name) : root.toml(name);
    if (document == nullptr ||
        builds_other_image(string_at(*document, {"build", "dockerfilePath"})))
      continue;
    const std::string file = root.path(name);
    const std::string_view text = root.text(name);
    if (const std::string command =
            without_install(string_at(*document, {"build", "buildCommand"}));
        !command.empty())
      set_command(service.build, command, file, line_of(text, "buildCommand"),
                  "railway buildCommand", proposal);
    if (const std::string_view command = string_at(*document, {"deploy", "startCommand"});
        !command.empty() && !is_development(command) && !service.is_static)
      set_command(service.start, command, file, line_of(text, "startCommand"),
                  "railway startCommand", proposal);
    if (const std::string_view path = string_at(*document, {"deploy", "healthcheckPath"});
        path.starts_with('/') && !service.is_static)
      service.health_path = path;
    if (const std::string_view schedule = string_at(*document, {"deploy", "cronSchedule"});
        !schedule.empty() && service.start) {
      service.kind = "cron";
      service.schedule = schedule;
      service.port.reset();
      proposal.because(file, line_of(text, "cronSchedule"),
                       "railway cronSchedule: " + std::string(schedule));
    }
    const std::vector<std::string> release = strings_at(*document, {"deploy", "preDeployCommand"});
    if (!release.empty())
      set_command(service.release, join(release, " && "), file, line_of(text, "preDeployCommand"),
                  "railway preDeployCommand", proposal);
  }
}

void fly(const Root& root, Proposal& proposal) {
  const json::value* document = root.has("fly.toml") ? root.toml("fly.toml") : nullptr;
  if (document == nullptr) return;
  Service& service = proposal.service;
  const std::string file = root.path("fly.toml");
  const std::string_view text = root.text("fly.toml");
  if (const std::string_view command = string_at(*document, {"deploy", "release_command"});
      !command.empty())
    set_command(service.release, command, file, line_of(text, "release_command"),
                "fly.toml release_command", proposal);
  // The process that the HTTP service names, else "app" or "web", answers; the others work.
  const std::vector<std::string> named = strings_at(*document, {"http_service", "processes"});
  for (const auto& [key, value] : object_at(*document, {"processes"})) {
    const std::string name{std::string_view{key}};
    const std::string_view command =
        value.is_string() ? view(value.as_string()) : std::string_view{};
    const bool web = named.empty() ? name == "app" || name == "web"
                                   : std::ranges::find(named, name) != named.end();
    if (web) {
      if (!command.empty() && !is_development(command) && !service.is_static)
        set_command(service.start, command, file, line_of(text, name + " ="),
                    "fly.toml processes." + name, proposal);
    } else if (!command.empty()) {
      Service worker = process_of(service, slug(name), "worker", std::string(command));
      worker.evidence = {
          {.file = file, .line = line_of(text, name + " ="), .fact = "fly.toml processes." + name}};
      proposal.others.push_back(std::move(worker));
    }
  }
  const json::value* mounts = find(*document, {"mounts"});
  if (mounts != nullptr && mounts->is_object())
    add_volume(service, string_at(*mounts, {"destination"}));
  if (mounts != nullptr && mounts->is_array())
    for (const json::value& mount : mounts->as_array())
      add_volume(service, string_at(mount, {"destination"}));
  if (const json::value* checks = find(*document, {"http_service", "checks"});
      checks != nullptr && checks->is_array() && !service.is_static)
    for (const json::value& check : checks->as_array())
      if (const std::string_view path = string_at(check, {"path"}); path.starts_with('/'))
        service.health_path = path;
}

void add_packages(Service& service, const std::vector<std::string>& packages) {
  for (const std::string& package : packages)
    if (package != "..." && !package.empty() &&
        std::ranges::find(service.system_packages, package) == service.system_packages.end())
      service.system_packages.push_back(package);
}

// Commands of a phase; "..." stands for those that would be there anyway.
std::string phase(const json::value& document, std::initializer_list<std::string_view> path) {
  std::vector<std::string> commands = strings_at(document, path);
  if (std::ranges::find(commands, "...") != commands.end()) return {};
  return without_install(join(commands, " && "));
}

void nixpacks(const Root& root, Proposal& proposal) {
  for (const std::string_view name : {"nixpacks.toml", "nixpacks.json"}) {
    if (!root.has(name)) continue;
    const json::value* document = name.ends_with(".toml") ? root.toml(name) : root.json(name);
    if (document == nullptr) continue;
    Service& service = proposal.service;
    const std::string file = root.path(name);
    const std::string_view text = root.text(name);
    if (const std::string command = phase(*document, {"phases", "build", "cmds"}); !command.empty())
      set_command(service.build, command, file, line_of(text, "phases.build"), "nixpacks build",
                  proposal);
    if (const std::string_view command = string_at(*document, {"start", "cmd"});
        !command.empty() && !is_development(command) && !service.is_static)
      set_command(service.start, command, file, line_of(text, "cmd"), std::string(name) + " start",
                  proposal);
    add_packages(service, strings_at(*document, {"phases", "setup", "aptPkgs"}));
  }
}

void railpack(const Root& root, Proposal& proposal) {
  const json::value* document = root.has("railpack.json") ? root.json("railpack.json") : nullptr;
  if (document == nullptr) return;
  Service& service = proposal.service;
  const std::string file = root.path("railpack.json");
  const std::string_view text = root.text("railpack.json");
  if (const std::string_view command = string_at(*document, {"deploy", "startCommand"});
      !command.empty() && !service.is_static)
    set_command(service.start, command, file, line_of(text, "startCommand"),
                "railpack.json startCommand", proposal);
  if (const std::string command = phase(*document, {"steps", "build", "commands"});
      !command.empty())
    set_command(service.build, command, file, line_of(text, "\"build\""), "railpack.json build",
                proposal);
  if (const std::string_view version = string_at(*document, {"packages", service.runtime.name});
      !version.empty() && !service.runtime.name.empty()) {
    service.runtime.version = version;
    service.runtime.source = "railpack.json";
  }
  add_packages(service, strings_at(*document, {"deploy", "aptPackages"}));
  add_packages(service, strings_at(*document, {"buildAptPackages"}));
}

// One package a line, as Heroku's and Binder's images read them.
void apt_files(const Root& root, Proposal& proposal) {
  for (const std::string_view name : {"Aptfile", "apt.txt", "packages.txt"}) {
    if (!root.has(name) || (name == "packages.txt" && proposal.service.framework != "streamlit"))
      continue;
    for (const std::string_view raw : lines(root.text(name))) {
      const std::string_view line = trim(raw.substr(0, raw.find('#')));
      if (!line.empty() && line.size() < 60 && line.find_first_of(" :/") == std::string_view::npos)
        add_packages(proposal.service, {std::string(line)});
    }
  }
}

void heroku_yml(const Root& root, Proposal& proposal) {
  const json::value* document =
      root.has("heroku.yml") ? root.project().yaml(root.path("heroku.yml")) : nullptr;
  if (document == nullptr) return;
  Service& service = proposal.service;
  const std::string file = root.path("heroku.yml");
  const std::string_view text = root.text("heroku.yml");
  for (const auto& [key, value] : object_at(*document, {"run"})) {
    const std::string name{std::string_view{key}};
    std::string_view command = value.is_string() ? view(value.as_string()) : std::string_view{};
    if (command.empty()) command = string_at(value, {"command"});
    if (command.empty()) continue;
    if (name == "web") {
      if (!service.is_static)
        set_command(service.start, command, file, line_of(text, "web:"), "heroku.yml web",
                    proposal);
    } else {
      Service worker = process_of(service, slug(name), "worker", std::string(command));
      worker.evidence = {
          {.file = file, .line = line_of(text, name + ":"), .fact = "heroku.yml " + name}};
      proposal.others.push_back(std::move(worker));
    }
  }
  for (const std::string& command : strings_at(*document, {"release", "command"}))
    set_command(service.release, command, file, line_of(text, "release"), "heroku.yml release",
                proposal);
}

// app.yaml of App Engine: how to start, when nothing else says.
void app_engine(const Root& root, Proposal& proposal) {
  if (!root.has("app.yaml")) return;
  const json::value* document = root.project().yaml(root.path("app.yaml"));
  if (document == nullptr || string_at(*document, {"runtime"}).empty()) return;
  Service& service = proposal.service;
  if (const std::string_view command = string_at(*document, {"entrypoint"});
      !command.empty() && !service.is_static && !is_development(command))
    set_command(service.start, command, root.path("app.yaml"),
                line_of(root.text("app.yaml"), "entrypoint"), "app.yaml entrypoint", proposal);
}

void app_json(const Root& root, Proposal& proposal) {
  const json::value* document = root.has("app.json") ? root.json("app.json") : nullptr;
  if (document == nullptr) return;
  Service& service = proposal.service;
  const std::string file = root.path("app.json");
  for (const auto& [name, item] : object_at(*document, {"env"})) {
    const std::string variable{std::string_view{name}};
    if (std::ranges::any_of(service.env,
                            [&](const EnvNeed& need) { return need.name == variable; }))
      continue;
    const json::value* required = find(item, {"required"});
    EnvNeed need{
        .name = variable,
        .required = required == nullptr || !required->is_bool() || required->as_bool(),
        .evidence =
            file + ":" + std::to_string(line_of(root.text("app.json"), "\"" + variable + "\""))};
    if (const std::string_view value =
            item.is_string() ? view(item.as_string()) : string_at(item, {"value"});
        !value.empty()) {
      need.default_value = std::string(value);
      need.required = false;
    }
    service.env.push_back(std::move(need));
  }
  std::ranges::sort(service.env, {}, &EnvNeed::name);
  for (const std::string_view list : {"addons"})
    if (const json::value* addons = find(*document, {list});
        addons != nullptr && addons->is_array())
      for (const json::value& addon : addons->as_array()) {
        std::string_view plan =
            addon.is_string() ? view(addon.as_string()) : string_at(addon, {"plan"});
        plan = plan.substr(0, plan.find(':'));
        const std::string_view database = plan == "heroku-postgresql" ? "postgres"
                                          : plan == "heroku-redis" || plan == "rediscloud" ? "redis"
                                          : plan == "jawsdb" || plan == "cleardb"          ? "mysql"
                                          : plan == "mongolab" || plan == "ormongo" ? "mongodb"
                                                                                    : "";
        if (!database.empty() &&
            std::ranges::find(service.databases, database) == service.databases.end())
          service.databases.insert(std::ranges::upper_bound(service.databases, database),
                                   std::string(database));
      }
  if (const json::value* checks = find(*document, {"healthchecks", "web"});
      checks != nullptr && checks->is_array() && !service.is_static)
    for (const json::value& check : checks->as_array())
      if (const std::string_view path = string_at(check, {"path"}); path.starts_with('/'))
        service.health_path = path;
  if (const json::value* crons = find(*document, {"cron"}); crons != nullptr && crons->is_array()) {
    int number = 0;
    for (const json::value& item : crons->as_array()) {
      const std::string_view command = string_at(item, {"command"});
      const std::string_view schedule = string_at(item, {"schedule"});
      if (command.empty() || schedule.empty()) continue;
      Service cron =
          process_of(service, "cron-" + std::to_string(++number), "cron", std::string(command));
      cron.schedule = schedule;
      cron.evidence = {{.file = file,
                        .line = line_of(root.text("app.json"), command),
                        .fact = "app.json cron: " + std::string(schedule)}};
      proposal.others.push_back(std::move(cron));
    }
  }
  if (const std::string_view command = string_at(*document, {"scripts", "postdeploy"});
      !command.empty() && !service.release)
    set_command(service.release, command, file, line_of(root.text("app.json"), "postdeploy"),
                "app.json postdeploy", proposal);
}

// Heroku leaves a Go program in bin/, on PATH, by its module's name: `web: hello`, `bin/hello`.
void name_go_program(const Root& root, Proposal& proposal) {
  constexpr std::string_view made = "go build -o bin/app";
  Service& service = proposal.service;
  if (service.provider != "go" || !service.build || !service.start) return;
  const std::size_t at = service.build->find(made);
  if (at == std::string::npos) return;
  std::string_view module;
  for (const std::string_view line : lines(root.text("go.mod")))
    if (line.starts_with("module ")) module = trim(line.substr(7));
  std::string_view name = base_name(module);
  if (name.size() > 1 && name[0] == 'v' &&
      name.find_first_not_of("0123456789", 1) == std::string_view::npos)
    name = base_name(directory_of(module));
  std::string_view program(*service.start);
  program = program.substr(0, program.find(' '));
  const std::size_t length = program.size();
  if (program.starts_with("./")) program.remove_prefix(2);
  if (program.starts_with("bin/"))
    name = program.substr(4);
  else if (program != name || length != program.size())
    return;
  if (name.empty() || name == "app" || name.find('/') != std::string_view::npos) return;
  const std::string file = "bin/" + std::string(name);
  service.start->replace(0, length, "./" + file);
  service.build->replace(at + made.size() - 7, 7, file);
}

// Later ones win: what is nearest to a plain command comes last.
constexpr DeclaredFile files[] = {
    {"nixpacks.toml|nixpacks.json", "build, start, system packages", nixpacks},
    {"railpack.json", "build, start, versions, system packages", railpack},
    {"app.yaml", "App Engine's entrypoint", app_engine},
    {"fly.toml", "processes, release command, health checks, mounts", fly},
    {"railway.json|railway.toml", "build, start, release, health path, cron schedule", railway},
    {"netlify.toml", "build, publish folder, fallback page", netlify},
    {"vercel.json", "install, build, output folder, rewrites, crons", vercel},
    {"app.json", "variables, add-ons, scheduled commands, postdeploy", app_json},
    {"heroku.yml", "processes, release command", heroku_yml},
    {"Procfile", "processes, release command", procfile},
    {"Aptfile|apt.txt|packages.txt", "system packages", apt_files},
    {"compose.yaml|compose.yml|docker-compose.yml",
     "services, what they need of each other, databases, volumes", nullptr},
    {"render.yaml", "services, workers, crons, databases, disks, health paths", nullptr},
    {".do/app.yaml", "services, sites, workers, jobs, databases", nullptr},
    {"Dockerfile|Containerfile", "a plan of its own where nothing else is understood", nullptr}};

}  // namespace

std::span<const DeclaredFile> declared_files() { return files; }

void apply_declared_intent(const Root& root, Proposal& proposal) {
  if (proposal.service.provider == "dockerfile") return;
  for (const DeclaredFile& file : files)
    if (file.read != nullptr) file.read(root, proposal);
  name_go_program(root, proposal);
}

}  // namespace slipway::detection
