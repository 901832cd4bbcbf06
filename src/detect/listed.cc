#include "detect/listed.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace slipway::detection {
namespace {

void add_unique(std::vector<std::string>& into, const std::string& item) {
  if (!item.empty() && std::ranges::find(into, item) == into.end()) into.push_back(item);
}

// Adds what the file says to a service made by a detector.
void overlay(const Listed& listed, const Listing& listing, Service& service, Proposal& proposal) {
  const auto because = [&](const std::string& fact) {
    service.evidence.push_back({.file = listed.file, .line = listed.line, .fact = fact});
  };
  because(std::string(base_name(listed.file)) + " lists " + listed.name);
  service.name = slug(listed.name);
  if (!listed.publish.empty() && service.is_static)
    if (const std::optional<std::string> clean = resolve_path("", listed.publish)) {
      std::string inner = *clean;
      if (!service.root.empty() && is_within(inner, service.root) && inner != service.root)
        inner = std::string(relative_to(inner, service.root));
      service.output_dir = inner.empty() ? "." : inner;
    }
  if (!service.is_static && service.provider != "dockerfile") {
    if (listed.build && !is_development(*listed.build)) service.build = listed.build;
    // A container's command is only better than none, or for what is no web service.
    const bool container = listed.file.find("compose") != std::string::npos;
    if (listed.start && !is_development(*listed.start) &&
        (!container || !service.start || listed.kind == "worker" || listed.kind == "cron")) {
      service.start = listed.start;
      because("start: " + listed.start->substr(0, 120));
      if (listed.start->find("$PORT") != std::string::npos) service.port.reset();
    }
  }
  if (listed.release) service.release = listed.release;
  if (listed.kind == "worker" || listed.kind == "cron") {
    service.kind = listed.kind;
    service.port.reset();
  } else if (listed.kind == "web" && service.kind == "worker" && service.start) {
    service.kind = "web";
  }
  if (!listed.schedule.empty()) service.schedule = listed.schedule;
  if (!listed.health_path.empty() && !service.is_static) service.health_path = listed.health_path;
  for (const std::string& volume : listed.volumes) add_volume(service, volume);
  for (const std::string& database : listed.databases) add_unique(service.databases, database);
  for (const std::string& needed : listed.needs)
    if (const auto at = listing.backing.find(needed); at != listing.backing.end())
      add_unique(service.databases, at->second);
    else
      add_unique(service.needs, slug(needed));
  std::ranges::sort(service.databases);
  for (const Wire& wire : listed.wires) service.wires.push_back(wire);
  for (Wire& wire : service.wires) wire.service = slug(wire.service);
  for (const auto& [name, value] : listed.env) {
    const auto known = std::ranges::find(service.env, name, &EnvNeed::name);
    const bool wired = std::ranges::find(service.wires, name, &Wire::env) != service.wires.end();
    const bool literal = !value.empty() && value.find("${") == std::string::npos &&
                         value.find("://") == std::string::npos;
    if (known != service.env.end() && wired) known->required = false;
    if (known == service.env.end() || wired || !literal || known->kind == "secret") continue;
    if (!known->default_value) known->default_value = value;
    known->required = false;
  }
  service.confidence = std::max(service.confidence, service.start || service.is_static ? 0.9 : 0.0);
  static_cast<void>(proposal);
}

bool is_install(std::string_view part) {
  constexpr std::array starts{std::string_view("npm install"),
                              std::string_view("npm ci"),
                              std::string_view("npm i"),
                              std::string_view("yarn install"),
                              std::string_view("pnpm install"),
                              std::string_view("pnpm i"),
                              std::string_view("bun install"),
                              std::string_view("pip install"),
                              std::string_view("pip3 install"),
                              std::string_view("python -m pip install"),
                              std::string_view("poetry install"),
                              std::string_view("uv sync"),
                              std::string_view("uv pip install"),
                              std::string_view("pipenv install"),
                              std::string_view("bundle install"),
                              std::string_view("composer install"),
                              std::string_view("go mod download"),
                              std::string_view("mix deps.get"),
                              std::string_view("pip install -U pip"),
                              std::string_view("corepack enable"),
                              std::string_view("npm install -g")};
  if (part == "yarn") return true;
  return std::ranges::any_of(starts, [part](std::string_view start) {
    return part == start || (part.starts_with(start) && part[start.size()] == ' ');
  });
}

}  // namespace

const Listed* Listing::find(std::string_view name) const {
  const auto at = std::ranges::find(services, name, &Listed::name);
  return at == services.end() ? nullptr : &*at;
}

Listing read_listing(const Project& project) {
  Listing listing;
  list_render(project, listing);
  if (listing.services.empty()) list_digitalocean(project, listing);
  if (listing.services.empty()) list_compose(project, listing);
  return listing;
}

void apply_listing(const Listing& listing, const Root& root, Proposal& proposal) {
  Service& service = proposal.service;
  std::vector<const Listed*> here;
  for (const Listed& listed : listing.services)
    if (listed.root == root.directory()) here.push_back(&listed);
  if (here.empty()) return;
  // What answers requests is the service itself; the others run beside it.
  stable_order(here, [](const Listed* listed) {
    return listed->kind == "worker" || listed->kind == "cron" ? 1 : 0;
  });
  // What the file lists is all of it, but for what only requests something of the service.
  std::erase_if(proposal.others, [](const Service& other) { return other.kind == "worker"; });
  const Service plain = service;
  overlay(*here.front(), listing, service, proposal);
  for (std::size_t i = 1; i < here.size(); ++i) {
    const Listed& listed = *here[i];
    if (service.is_static && listed.kind != "worker" && listed.kind != "cron") continue;
    Service other = plain;
    if (!other.start && !listed.start) continue;
    if (listed.kind == "worker" || listed.kind == "cron")
      other = process_of(plain, listed.name, listed.kind, listed.start.value_or(*plain.start));
    other.evidence.clear();
    other.release.reset();
    overlay(listed, listing, other, proposal);
    proposal.others.push_back(std::move(other));
  }
}

bool builds_other_image(std::string_view dockerfile) {
  return !dockerfile.empty() && base_name(dockerfile) != "Dockerfile";
}

std::string_view database_of_image(std::string_view image) {
  image = image.substr(0, image.find('@'));
  std::string_view name = base_name(image);
  name = name.substr(0, name.find(':'));
  constexpr std::array known{
      std::pair{std::string_view("postgres"), std::string_view("postgres")},
      std::pair{std::string_view("postgis"), std::string_view("postgres")},
      std::pair{std::string_view("pgvector"), std::string_view("postgres")},
      std::pair{std::string_view("timescaledb"), std::string_view("postgres")},
      std::pair{std::string_view("postgresql"), std::string_view("postgres")},
      std::pair{std::string_view("mysql"), std::string_view("mysql")},
      std::pair{std::string_view("mysql-server"), std::string_view("mysql")},
      std::pair{std::string_view("mariadb"), std::string_view("mysql")},
      std::pair{std::string_view("redis"), std::string_view("redis")},
      std::pair{std::string_view("redis-stack"), std::string_view("redis")},
      std::pair{std::string_view("valkey"), std::string_view("redis")},
      std::pair{std::string_view("keydb"), std::string_view("redis")},
      std::pair{std::string_view("dragonfly"), std::string_view("redis")},
      std::pair{std::string_view("mongo"), std::string_view("mongodb")},
      std::pair{std::string_view("mongodb"), std::string_view("mongodb")},
      std::pair{std::string_view("rabbitmq"), std::string_view("rabbitmq")},
      std::pair{std::string_view("elasticsearch"), std::string_view("elasticsearch")},
      std::pair{std::string_view("opensearch"), std::string_view("opensearch")},
      std::pair{std::string_view("clickhouse-server"), std::string_view("clickhouse")},
      std::pair{std::string_view("minio"), std::string_view("s3")},
      std::pair{std::string_view("memcached"), std::string_view("memcached")},
      std::pair{std::string_view("qdrant"), std::string_view("qdrant")},
      std::pair{std::string_view("chroma"), std::string_view("chroma")},
      std::pair{std::string_view("cassandra"), std::string_view("cassandra")},
      std::pair{std::string_view("kafka"), std::string_view("kafka")},
      std::pair{std::string_view("nats"), std::string_view("nats")}};
  for (const auto& [image_name, database] : known)
    if (name == image_name) return database;
  return {};
}

bool is_development(std::string_view command) {
  for (const std::string_view mark :
       {"npm run dev", "yarn dev", "pnpm dev", "pnpm run dev", "bun dev", "bun run dev", "next dev",
        "nodemon", "vite dev", "flask run --debug", "--reload", "runserver", "ng serve", "--watch",
        "air -c", "sleep infinity", "tail -f"})
    if (command.find(mark) != std::string_view::npos) return true;
  return command == "vite" || command == "air";
}

std::string without_install(std::string_view command) {
  std::vector<std::string> kept;
  for (std::size_t from = 0; from <= command.size();) {
    const std::size_t end = std::min({command.find("&&", from), command.find(';', from),
                                      command.find('\n', from), command.size()});
    const std::string_view part = trim(command.substr(from, end - from));
    if (!part.empty() && !is_install(part)) kept.emplace_back(part);
    from = end + (command.substr(std::min(end, command.size())).starts_with("&&") ? 2 : 1);
  }
  return join(kept, " && ");
}

void set_command(std::optional<std::string>& command, std::string_view text,
                 const std::string& file, int line, std::string_view what, Proposal& proposal) {
  text = trim(text);
  if (text.empty() || text.size() > 2000) return;
  command = std::string(text);
  proposal.because(file, line, std::string(what) + ": " + std::string(text.substr(0, 120)));
}

void add_volume(Service& service, std::string_view path) {
  // Where images keep their sources is this service's own root.
  for (const std::string_view home : {"/app/", "/usr/src/app/", "/code/",
                                      "/opt/render/project/src/", "/workspace/", "/var/www/html/"})
    if (path.starts_with(home)) path.remove_prefix(home.size());
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  if (path.empty() || path == "." || path == "/" || path.find("..") != std::string_view::npos)
    return;
  if (std::ranges::find(service.volumes, path) == service.volumes.end())
    service.volumes.emplace_back(path);
}

Service process_of(const Service& service, std::string name, std::string kind,
                   std::string command) {
  Service process = service;
  process.name = std::move(name);
  process.kind = std::move(kind);
  process.start = std::move(command);
  process.release.reset();
  process.port.reset();
  process.is_static = false;
  process.output_dir.reset();
  process.health_path = "/";
  process.evidence.clear();
  return process;
}

}  // namespace slipway::detection
