// Files of other platforms, read as evidence of what their owner wants.
#include <algorithm>

#include "base/text.h"
#include "detect/detectors.h"

namespace slipway::detection {
namespace {

bool is_development(std::string_view command) {
  for (const std::string_view mark : {"npm run dev", "next dev", "nodemon", "vite dev",
                                      "flask run --debug", "--reload", "runserver"})
    if (command.find(mark) != std::string_view::npos) return true;
  return false;
}

void set_command(std::optional<std::string>& command, std::string_view text,
                 const std::string& file, int line, std::string_view what, Proposal& proposal) {
  text = trim(text);
  if (text.empty() || text.size() > 2000) return;
  command = std::string(text);
  proposal.because(file, line, std::string(what) + ": " + std::string(text.substr(0, 120)));
}

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
    } else {
      workers.emplace_back(process, command);
    }
  }
  for (const auto& [name, command] : workers) {
    Service worker = service;
    worker.name = name;
    worker.kind = name == "clock" || name == "cron" || name == "scheduler" ? "cron" : "worker";
    worker.start = command;
    worker.release.reset();
    worker.port.reset();
    worker.is_static = false;
    worker.output_dir.reset();
    worker.evidence = {{.file = file,
                        .line = line_of(root.text("Procfile"), name + ":"),
                        .fact = "Procfile " + name}};
    if (!service.start && service.provider != "static") {
      service.kind = worker.kind;
      service.start = command;
      service.confidence = std::max(service.confidence, 0.85);
    } else {
      proposal.others.push_back(std::move(worker));
    }
  }
}

void netlify(const Root& root, Proposal& proposal) {
  const json::value* document = root.has("netlify.toml") ? root.toml("netlify.toml") : nullptr;
  if (document == nullptr) return;
  const std::string file = root.path("netlify.toml");
  const std::string_view text = root.text("netlify.toml");
  Service& service = proposal.service;
  const std::string_view command = string_at(*document, {"build", "command"});
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
  if (const std::string_view command = string_at(*document, {"buildCommand"}); !command.empty())
    set_command(service.build, command, file, line_of(text, "buildCommand"),
                "vercel.json buildCommand", proposal);
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
    if (document == nullptr) continue;
    const std::string file = root.path(name);
    const std::string_view text = root.text(name);
    if (const std::string_view command = string_at(*document, {"build", "buildCommand"});
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
    const std::vector<std::string> release = strings_at(*document, {"deploy", "preDeployCommand"});
    if (!release.empty())
      set_command(service.release, join(release, " && "), file, line_of(text, "preDeployCommand"),
                  "railway preDeployCommand", proposal);
  }
}

void render(const Root& root, Proposal& proposal) {
  const json::value* document =
      root.has("render.yaml") ? root.project().yaml(root.path("render.yaml")) : nullptr;
  const json::value* services = document == nullptr ? nullptr : find(*document, {"services"});
  if (services == nullptr || !services->is_array()) return;
  const std::string file = root.path("render.yaml");
  const std::string_view text = root.text("render.yaml");
  Service& service = proposal.service;
  for (const json::value& item : services->as_array()) {
    if (string_at(item, {"type"}) != "web") continue;
    if (const std::string_view directory = string_at(item, {"rootDir"});
        !directory.empty() && directory != "." && directory != root.directory())
      continue;
    if (const std::string_view publish = string_at(item, {"staticPublishPath"});
        !publish.empty() && service.is_static)
      set_static(publish, file, line_of(text, "staticPublishPath"), proposal);
    if (const std::string_view command = string_at(item, {"startCommand"});
        !command.empty() && !is_development(command) && !service.is_static)
      set_command(service.start, command, file, line_of(text, "startCommand"),
                  "render.yaml startCommand", proposal);
    if (const std::string_view path = string_at(item, {"healthCheckPath"});
        path.starts_with('/') && !service.is_static)
      service.health_path = path;
    break;
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
  if (const std::string_view command = string_at(*document, {"processes", "app"});
      !command.empty() && !service.start && !service.is_static)
    set_command(service.start, command, file, line_of(text, "app"), "fly.toml processes.app",
                proposal);
  for (const auto& [name, mount] : object_at(*document, {"mounts"}))
    if (name == "destination" && mount.is_string())
      service.volumes.emplace_back(view(mount.as_string()));
}

void nixpacks(const Root& root, Proposal& proposal) {
  const json::value* document = root.has("nixpacks.toml") ? root.toml("nixpacks.toml") : nullptr;
  if (document == nullptr) return;
  Service& service = proposal.service;
  const std::string file = root.path("nixpacks.toml");
  const std::string_view text = root.text("nixpacks.toml");
  if (const std::string_view command = string_at(*document, {"start", "cmd"});
      !command.empty() && !is_development(command) && !service.is_static)
    set_command(service.start, command, file, line_of(text, "cmd"), "nixpacks.toml start",
                proposal);
  for (const std::string& package : strings_at(*document, {"phases", "setup", "aptPkgs"}))
    service.system_packages.push_back(package);
}

void railpack(const Root& root, Proposal& proposal) {
  const json::value* document = root.has("railpack.json") ? root.json("railpack.json") : nullptr;
  if (document == nullptr) return;
  if (const std::string_view command = string_at(*document, {"deploy", "startCommand"});
      !command.empty() && !proposal.service.is_static)
    set_command(proposal.service.start, command, root.path("railpack.json"),
                line_of(root.text("railpack.json"), "startCommand"), "railpack.json startCommand",
                proposal);
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
  if (const std::string_view command = string_at(*document, {"scripts", "postdeploy"});
      !command.empty() && !service.release)
    set_command(service.release, command, file, line_of(root.text("app.json"), "postdeploy"),
                "app.json postdeploy", proposal);
}

}  // namespace

void apply_declared_intent(const Root& root, Proposal& proposal) {
  if (proposal.service.provider == "dockerfile") return;
  nixpacks(root, proposal);
  railpack(root, proposal);
  fly(root, proposal);
  render(root, proposal);
  railway(root, proposal);
  netlify(root, proposal);
  vercel(root, proposal);
  app_json(root, proposal);
  procfile(root, proposal);
}

}  // namespace slipway::detection
