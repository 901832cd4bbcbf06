// render.yaml and .do/app.yaml: services, workers, jobs and databases of one project.
#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "detect/listed.h"

namespace slipway::detection {
namespace {

const json::array& array_at(const json::value& value,
                            std::initializer_list<std::string_view> path) {
  static const json::array none;
  const json::value* at = find(value, path);
  const json::array* array = at == nullptr ? nullptr : at->if_array();
  return array == nullptr ? none : *array;
}

std::optional<std::string> command_at(const json::value& value, std::string_view key) {
  const std::string_view text = trim(string_at(value, {key}));
  if (text.empty() || text.size() > 2000) return std::nullopt;
  return std::string(text);
}

std::optional<std::string> build_at(const json::value& value, std::string_view key) {
  const std::string build = without_install(string_at(value, {key}));
  return build.empty() ? std::nullopt : std::optional(build);
}

std::string clean_root(std::string_view text) { return resolve_path("", text).value_or(""); }

void render_environment(const json::value& item, Listed& listed) {
  for (const json::value& variable : array_at(item, {"envVars"})) {
    const std::string key(string_at(variable, {"key"}));
    if (key.empty()) continue;
    const std::string other(string_at(variable, {"fromService", "name"}));
    if (other.empty()) {
      listed.env.emplace_back(key, string_at(variable, {"value"}));
      if (const std::string database(string_at(variable, {"fromDatabase", "name"}));
          !database.empty())
        listed.needs.push_back(database);
      continue;
    }
    const std::string_view property = string_at(variable, {"fromService", "property"});
    const std::string_view type = string_at(variable, {"fromService", "type"});
    if (type == "redis" || type == "keyvalue") {
      listed.needs.push_back(other);
      continue;
    }
    const std::string value = property == "hostport" ? "{host}:{port}"
                              : property == "host"   ? "{host}"
                              : property == "port"   ? "{port}"
                                                     : "{url}";
    listed.wires.push_back({.env = key,
                            .service = other,
                            .value = value,
                            .evidence = listed.file + ":" + std::to_string(listed.line)});
    listed.env.emplace_back(key, "");
    listed.needs.push_back(other);
  }
}

}  // namespace

void list_render(const Project& project, Listing& into) {
  const std::string file = "render.yaml";
  const json::value* document = project.files().has(file) ? project.yaml(file) : nullptr;
  if (document == nullptr) return;
  const std::string_view text = project.files().text(file);
  for (const json::value& database : array_at(*document, {"databases"}))
    if (const std::string name(string_at(database, {"name"})); !name.empty())
      into.backing.emplace(name, "postgres");
  for (const json::value& item : array_at(*document, {"services"})) {
    const std::string_view type = string_at(item, {"type"});
    std::string name(string_at(item, {"name"}));
    if (type == "redis" || type == "keyvalue") {
      into.backing.emplace(name, "redis");
      continue;
    }
    if (builds_other_image(string_at(item, {"dockerfilePath"}))) continue;
    Listed listed{.name = name, .root = clean_root(string_at(item, {"rootDir"})), .file = file};
    if (name.empty()) listed.name = listed.root.empty() ? "web" : base_name(listed.root);
    listed.line = std::max(1, line_of(text, "name: " + name));
    std::string_view runtime = string_at(item, {"runtime"});
    if (runtime.empty()) runtime = string_at(item, {"env"});
    listed.kind = runtime == "static"                  ? "static"
                  : type == "worker" || type == "cron" ? std::string(type)
                                                       : "web";
    listed.build = build_at(item, "buildCommand");
    listed.start = command_at(item, "startCommand");
    listed.release = command_at(item, "preDeployCommand");
    listed.schedule = string_at(item, {"schedule"});
    listed.publish = string_at(item, {"staticPublishPath"});
    if (const std::string_view path = string_at(item, {"healthCheckPath"}); path.starts_with('/'))
      listed.health_path = path;
    if (const std::string disk(string_at(item, {"disk", "mountPath"})); !disk.empty())
      listed.volumes.push_back(disk);
    render_environment(item, listed);
    into.services.push_back(std::move(listed));
  }
}

void list_digitalocean(const Project& project, Listing& into) {
  const std::string file = ".do/app.yaml";
  const json::value* document = project.files().has(file) ? project.yaml(file) : nullptr;
  if (document == nullptr) return;
  const std::string_view text = project.files().text(file);
  std::vector<std::string> databases;
  for (const json::value& database : array_at(*document, {"databases"})) {
    const std::string_view engine = string_at(database, {"engine"});
    databases.emplace_back(engine == "MYSQL"                         ? "mysql"
                           : engine == "REDIS" || engine == "VALKEY" ? "redis"
                           : engine == "MONGODB"                     ? "mongodb"
                                                                     : "postgres");
  }
  constexpr std::pair<std::string_view, std::string_view> groups[] = {
      {"services", "web"}, {"static_sites", "static"}, {"workers", "worker"}, {"jobs", "job"}};
  for (const auto& [group, kind] : groups)
    for (const json::value& item : array_at(*document, {group})) {
      Listed listed{.name = std::string(string_at(item, {"name"})),
                    .root = clean_root(string_at(item, {"source_dir"})),
                    .kind = std::string(kind),
                    .file = file};
      if (listed.name.empty()) continue;
      listed.line = std::max(1, line_of(text, "name: " + listed.name));
      listed.build = build_at(item, "build_command");
      listed.start = command_at(item, "run_command");
      // With a Dockerfile it is a folder of the image.
      if (string_at(item, {"dockerfile_path"}).empty())
        listed.publish = string_at(item, {"output_dir"});
      if (const std::string_view path = string_at(item, {"health_check", "http_path"});
          path.starts_with('/'))
        listed.health_path = path;
      listed.databases = databases;
      if (kind == "job") {
        // A job before a deployment is the release command of what it lies beside.
        const std::string_view when = string_at(item, {"kind"});
        if (!listed.start || !when.starts_with("PRE_DEPLOY")) continue;
        for (Listed& other : into.services)
          if (other.root == listed.root && other.kind == "web") other.release = listed.start;
        continue;
      }
      into.services.push_back(std::move(listed));
    }
}

}  // namespace slipway::detection
