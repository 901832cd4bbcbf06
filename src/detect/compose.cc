// compose.yaml: which of a project's folders run together, and what they need of each other.
#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "detect/listed.h"

namespace slipway::detection {
namespace {

std::string scalar(const json::value& value) {
  if (const json::string* text = value.if_string()) return std::string(view(*text));
  return {};
}

// "environment" as a map or as a list of K=V.
std::vector<std::pair<std::string, std::string>> environment(const json::value& service) {
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto& [name, value] : object_at(service, {"environment"}))
    found.emplace_back(std::string(std::string_view{name}), scalar(value));
  for (const std::string& item : strings_at(service, {"environment"})) {
    const std::size_t equals = item.find('=');
    found.emplace_back(item.substr(0, equals),
                       equals == std::string::npos ? "" : item.substr(equals + 1));
  }
  return found;
}

std::optional<std::string> command_of(const json::value& service, std::string_view key) {
  if (const std::string_view text = string_at(service, {key}); !text.empty())
    return std::string(text);
  const std::vector<std::string> words = strings_at(service, {key});
  if (words.empty()) return std::nullopt;
  // sh -c "…" is its argument.
  if (words.size() == 3 && (words[0] == "sh" || words[0] == "bash" || words[0] == "/bin/sh") &&
      words[1] == "-c")
    return words[2];
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + shell_word(word);
  return out;
}

// The port inside the container of "8080:80", "127.0.0.1:8080:80/tcp", "3000".
std::optional<int> container_port(std::string_view text) {
  text = text.substr(0, text.find('/'));
  if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos)
    text = text.substr(colon + 1);
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port < 1 || port > 65535)
    return std::nullopt;
  return port;
}

bool names_a_worker(std::string_view name, std::string_view command) {
  for (const std::string_view mark :
       {"worker", "celery", "beat", "scheduler", "consumer", "queue", "sidekiq", "cron", "bot"})
    if (name.find(mark) != std::string_view::npos || command.find(mark) != std::string_view::npos)
      return true;
  return false;
}

// Where the code of a service lies: its build context, or the folder of its Dockerfile.
std::optional<std::string> root_of(const Project& project, std::string_view directory,
                                   const json::value& service) {
  std::string_view context = string_at(service, {"build"});
  if (context.empty()) context = string_at(service, {"build", "context"});
  const bool declared = find(service, {"build"}) != nullptr;
  if (!declared) return std::nullopt;
  const std::optional<std::string> root = resolve_path(directory, context);
  if (!root) return std::nullopt;
  const std::string_view dockerfile = string_at(service, {"build", "dockerfile"});
  if (const std::optional<std::string> path = resolve_path(*root, dockerfile);
      path && !dockerfile.empty()) {
    const std::string inner(directory_of(*path));
    if (inner != *root && is_within(inner, *root) &&
        std::ranges::binary_search(project.roots(), inner))
      return inner;
  }
  return root;
}

// A Dockerfile that only changes a database's image is that database.
std::string_view database_below(const Project& project, const std::string& root) {
  for (const std::string_view name : {"Dockerfile", "Containerfile"})
    for (const std::string_view line : lines(project.files().text(join_path(root, name))))
      if (to_lower(line.substr(0, 5)) == "from ") return database_of_image(trim(line.substr(5)));
  return {};
}

void wire(const std::vector<std::string>& names, Listed& listed) {
  for (const auto& [variable, value] : listed.env)
    for (const std::string& name : names) {
      if (name == listed.name) continue;
      for (const std::string& scheme : {"http://" + name, "https://" + name}) {
        if (!value.starts_with(scheme)) continue;
        std::string_view rest = std::string_view(value).substr(scheme.size());
        if (!rest.empty() && rest.front() != ':' && rest.front() != '/') continue;
        rest = rest.substr(std::min(rest.find('/'), rest.size()));
        listed.wires.push_back({.env = variable,
                                .service = name,
                                .value = "{url}" + std::string(rest),
                                .evidence = listed.file + ":" + std::to_string(listed.line)});
      }
      const bool host = value == name;
      const bool with_port = value.starts_with(name + ":") &&
                             container_port(value.substr(name.size() + 1)).has_value();
      if (host || with_port)
        listed.wires.push_back({.env = variable,
                                .service = name,
                                .value = host ? "{host}" : "{host}:{port}",
                                .evidence = listed.file + ":" + std::to_string(listed.line)});
    }
}

}  // namespace

void list_compose(const Project& project, Listing& into) {
  const json::value* document = nullptr;
  std::string file;
  for (const std::string_view name :
       {"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml",
        "docker-compose.prod.yml", "docker/docker-compose.yml"})
    if (document == nullptr && project.files().has(name)) {
      document = project.yaml(name);
      file = name;
    }
  if (document == nullptr) return;
  const std::string directory(directory_of(file));
  const std::string_view text = project.files().text(file);
  constexpr std::size_t max_services = 40;
  std::vector<std::string> names;
  for (const auto& [key, service] : object_at(*document, {"services"})) {
    if (into.services.size() == max_services) break;
    const std::string name{std::string_view{key}};
    const std::string image(string_at(service, {"image"}));
    if (const std::string_view database = database_of_image(image); !database.empty()) {
      into.backing.emplace(name, database);
      continue;
    }
    const std::optional<std::string> root = root_of(project, directory, service);
    if (!root) {
      if (!image.empty()) into.images.emplace_back(name, image);
      continue;
    }
    if (const std::string_view database = database_below(project, *root); !database.empty()) {
      into.backing.emplace(name, database);
      continue;
    }
    const std::vector<std::string> profiles = strings_at(service, {"profiles"});
    if (std::ranges::any_of(profiles, [](const std::string& profile) {
          return profile.starts_with("dev") || profile == "debug" || profile.starts_with("test") ||
                 profile == "tools";
        }))
      continue;
    Listed listed{.name = name, .root = *root, .file = file};
    listed.line = line_of(text, "\n  " + name + ":");
    if (listed.line > 0) ++listed.line;
    listed.start = command_of(service, "command");
    for (const std::string_view ports : {"ports", "expose"})
      for (const std::string& port : strings_at(service, {ports}))
        if (!listed.port) listed.port = container_port(port);
    if (!listed.port && find(service, {"ports"}) == nullptr &&
        names_a_worker(name, listed.start.value_or("")))
      listed.kind = "worker";
    else if (listed.port)
      listed.kind = "web";
    listed.env = environment(service);
    for (const auto& [argument, value] : object_at(service, {"build", "args"}))
      listed.env.emplace_back(std::string(std::string_view{argument}), scalar(value));
    listed.needs = strings_at(service, {"depends_on"});
    for (const auto& [needed, how] : object_at(service, {"depends_on"}))
      listed.needs.emplace_back(std::string_view{needed});
    // A named volume is kept; a folder of the project is the developer's.
    for (const std::string& volume : strings_at(service, {"volumes"})) {
      const std::size_t colon = volume.find(':');
      if (colon == std::string::npos || volume.front() == '.' || volume.front() == '/' ||
          volume.front() == '~' || volume.front() == '$')
        continue;
      const std::string target = volume.substr(colon + 1, volume.find(':', colon + 1) - colon - 1);
      if (target.find("node_modules") == std::string::npos &&
          target.find(".venv") == std::string::npos)
        listed.volumes.push_back(target);
    }
    names.push_back(name);
    into.services.push_back(std::move(listed));
  }
  for (Listed& listed : into.services) {
    wire(names, listed);
    std::erase_if(listed.needs, [&](const std::string& needed) {
      return !into.backing.contains(needed) && std::ranges::find(names, needed) == names.end();
    });
    for (const Wire& made : listed.wires)
      if (std::ranges::find(listed.needs, made.service) == listed.needs.end()) {
        const Listed* other = into.find(made.service);
        const bool back =
            other != nullptr && std::ranges::find(other->needs, listed.name) != other->needs.end();
        if (!back) listed.needs.push_back(made.service);
      }
  }
}

}  // namespace slipway::detection
