#include "detect/wiring.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "base/text.h"
#include "detect/listed.h"

namespace slipway::detection {
namespace {

// "http://localhost:8000/v1" -> 8000 and "/v1"; nothing when it is not on this machine.
struct LocalAddress {
  std::optional<int> port;
  std::string host, path;
  bool websocket = false;
};
std::optional<LocalAddress> read_address(std::string_view text) {
  const std::size_t scheme = text.find("://");
  if (scheme == std::string_view::npos) return std::nullopt;
  LocalAddress address;
  const std::string_view name = text.substr(0, scheme);
  if (name != "http" && name != "https" && name != "ws" && name != "wss") return std::nullopt;
  address.websocket = name.starts_with("ws");
  text.remove_prefix(scheme + 3);
  const std::size_t slash = std::min(text.find('/'), text.size());
  address.path = text.substr(slash);
  std::string_view place = text.substr(0, slash);
  const std::size_t colon = place.rfind(':');
  if (colon != std::string_view::npos) {
    int port = 0;
    const std::string_view digits = place.substr(colon + 1);
    if (std::from_chars(digits.data(), digits.data() + digits.size(), port).ec != std::errc{})
      return std::nullopt;
    address.port = port;
    place = place.substr(0, colon);
  }
  address.host = place;
  if (address.path == "/") address.path.clear();
  return address;
}

bool is_here(std::string_view host) {
  return host == "localhost" || host == "127.0.0.1" || host == "0.0.0.0" ||
         host == "host.docker.internal";
}

// Where a framework listens in development, when the code says nothing.
int usual_port(const Service& service) {
  constexpr std::array known{std::pair{std::string_view("fastapi"), 8000},
                             std::pair{std::string_view("django"), 8000},
                             std::pair{std::string_view("litestar"), 8000},
                             std::pair{std::string_view("starlette"), 8000},
                             std::pair{std::string_view("laravel"), 8000},
                             std::pair{std::string_view("symfony"), 8000},
                             std::pair{std::string_view("flask"), 5000},
                             std::pair{std::string_view("quart"), 5000},
                             std::pair{std::string_view("sanic"), 8000},
                             std::pair{std::string_view("rails"), 3000},
                             std::pair{std::string_view("nest"), 3000},
                             std::pair{std::string_view("adonis"), 3333},
                             std::pair{std::string_view("phoenix"), 4000},
                             std::pair{std::string_view("sinatra"), 4567},
                             std::pair{std::string_view("spring-boot"), 8080},
                             std::pair{std::string_view("quarkus"), 8080},
                             std::pair{std::string_view("micronaut"), 8080},
                             std::pair{std::string_view("ktor"), 8080},
                             std::pair{std::string_view("gin"), 8080},
                             std::pair{std::string_view("rocket"), 8000},
                             std::pair{std::string_view("strapi"), 1337},
                             std::pair{std::string_view("aspnet"), 5000},
                             std::pair{std::string_view("vite"), 5173},
                             std::pair{std::string_view("next"), 3000},
                             std::pair{std::string_view("create-react-app"), 3000},
                             std::pair{std::string_view("angular"), 4200},
                             std::pair{std::string_view("nuxt"), 3000},
                             std::pair{std::string_view("astro"), 4321},
                             std::pair{std::string_view("vue-cli"), 8080}};
  for (const auto& [framework, port] : known)
    if (service.framework == framework) return port;
  return service.provider == "node" && !service.is_static ? 3000 : 0;
}

std::string upper_name(std::string_view name) {
  std::string out;
  for (const char c : name) out += c == '-' ? '_' : static_cast<char>(std::toupper(c));
  return out;
}

// "VITE_API_BASE_URL" -> "API"; "" when the name is no address.
std::string stem_of(std::string_view name) {
  for (const std::string_view prefix :
       {"VITE_", "NEXT_PUBLIC_", "NUXT_PUBLIC_", "NUXT_", "PUBLIC_", "REACT_APP_", "GATSBY_",
        "EXPO_PUBLIC_", "VUE_APP_", "NG_APP_"})
    if (name.starts_with(prefix)) {
      name.remove_prefix(prefix.size());
      break;
    }
  for (const std::string_view suffix :
       {"_SERVICE_BASE_URL", "_SERVER_URL", "_SERVICE_URL", "_API_BASE_URL", "_API_URL",
        "_BASE_URL", "_BASEURL", "_URL", "_URI", "_ENDPOINT", "_ORIGINS", "_ORIGIN", "_HOST",
        "_BASE", "_ADDRESS"})
    if (name.ends_with(suffix) && name.size() > suffix.size())
      return std::string(name.substr(0, name.size() - suffix.size()));
  return {};
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, text) != names.end();
}

class Wiring {
 public:
  Wiring(const Project& project, std::vector<Service>& services)
      : project_(project), services_(services) {}

  void run() {
    for (Service& service : services_) settle(service);
    if (services_.size() > 1)
      for (Service& service : services_) {
        if (service.kind == "cron" && !service.start) continue;
        variables(service);
        proxies(service);
      }
    for (Service& service : services_) tidy(service);
  }

 private:
  // What other files said, in names that the plan has.
  void settle(Service& service) {
    for (std::string& needed : service.needs)
      if (needed == same_root)
        for (const Service& other : services_)
          if (other.root == service.root && (other.kind == "web" || other.kind == "static")) {
            needed = other.name;
            break;
          }
    std::erase_if(service.needs, [&](const std::string& needed) { return !named(needed); });
    std::erase_if(service.wires, [&](const Wire& wire) {
      return !named(wire.service) || wire.service == service.name;
    });
    for (Wire& wire : service.wires)
      for (EnvNeed& need : service.env)
        if (need.name == wire.env) {
          need.required = false;
          if (need.kind == "public" || service.is_static) wire.when = "build";
        }
  }

  [[nodiscard]] const Service* named(std::string_view name) const {
    const auto at = std::ranges::find(services_, name, &Service::name);
    return at == services_.end() ? nullptr : &*at;
  }

  // The only one of a role besides `self`, or the one with a usual name; null when unclear.
  [[nodiscard]] const Service* only(Role role, const Service& self,
                                    std::initializer_list<std::string_view> usual) const {
    const Service* found = nullptr;
    for (const Service& other : services_) {
      if (&other == &self || role_of(other) != role) continue;
      if (is_one_of(other.name, usual)) return &other;
      if (found != nullptr && found->root != other.root) return nullptr;
      found = &other;
    }
    return found;
  }
  [[nodiscard]] const Service* interface_for(const Service& self) const {
    return only(Role::interface, self, {"api", "backend", "server"});
  }
  [[nodiscard]] const Service* page_for(const Service& self) const {
    return only(Role::page, self, {"web", "frontend", "client", "site", "app"});
  }

  [[nodiscard]] const Service* by_address(const LocalAddress& address, const Service& self) const {
    if (!is_here(address.host)) return named(address.host);
    if (!address.port) return nullptr;
    const Service* usual = nullptr;
    for (const Service& other : services_) {
      if (&other == &self || (other.kind != "web" && other.kind != "static")) continue;
      if (other.port == address.port) return &other;
      if (!other.port && declares_port(other, *address.port)) return &other;
      if (usual == nullptr && !other.port && usual_port(other) == *address.port) usual = &other;
    }
    return usual;
  }

  // `process.env.PORT || 4000`: the port it takes when nobody gives one.
  [[nodiscard]] bool declares_port(const Service& service, int port) const {
    const Root root(project_, service.root);
    for (const Language language : {Language::javascript, Language::python, Language::go})
      for (const SourceFacts* facts : root.sources(language))
        for (const Listen& listen : facts->listens)
          if (listen.port == port) return true;
    return false;
  }

  void variables(Service& service) {
    for (EnvNeed& need : service.env) {
      if (std::ranges::find(service.wires, need.name, &Wire::env) != service.wires.end()) continue;
      const std::string stem = stem_of(need.name);
      const std::optional<LocalAddress> address =
          need.default_value ? read_address(*need.default_value) : std::nullopt;
      if (stem.empty() && !address) continue;
      const bool elsewhere = address && !is_here(address->host) && named(address->host) == nullptr;
      if (elsewhere) continue;
      const Service* target = nullptr;
      if (address) target = by_address(*address, service);
      for (const Service& other : services_)
        if (target == nullptr && &other != &service && !stem.empty() &&
            (other.kind == "web" || other.kind == "static") && stem == upper_name(other.name))
          target = &other;
      if (target == nullptr && is_one_of(stem, {"API", "BACKEND", "SERVER", "BACK_END", "REST_API",
                                                "BACKEND_API", "API_SERVER", "GRAPHQL"}))
        target = interface_for(service);
      const bool back = is_one_of(stem, {"FRONTEND", "FRONT_END", "CLIENT", "WEB", "SITE", "UI",
                                         "CORS", "CORS_ALLOWED", "ALLOWED", "WEBSITE", "WEB_APP"});
      if (target == nullptr && back && role_of(service) != Role::page) target = page_for(service);
      if (target == nullptr || target == &service) continue;
      std::string value = address && address->websocket ? "ws://{host}:{port}" : "{url}";
      if (need.name.ends_with("_HOST") && !address) value = "{host}";
      if (address) value += address->path;
      service.wires.push_back({.env = need.name,
                               .service = target->name,
                               .value = std::move(value),
                               .when = need.kind == "public" || service.is_static ? "build" : "run",
                               .evidence = need.evidence});
      need.required = false;
      if (role_of(*target) != Role::page) add_need(service, target->name);
    }
  }

  static void add_need(Service& service, const std::string& name) {
    if (name != service.name && std::ranges::find(service.needs, name) == service.needs.end())
      service.needs.push_back(name);
  }

  void add_proxy(Service& service, std::string_view path, std::string_view target,
                 const std::string& file, int line, bool strip) {
    if (path.starts_with('^')) path.remove_prefix(1);
    while (path.ends_with('*') || (path.size() > 1 && path.ends_with('/'))) path.remove_suffix(1);
    if (!path.starts_with('/') || path.size() < 2 || path.find_first_of("()[]|\\") != path.npos)
      return;
    if (std::ranges::find(service.proxies, path, &Proxy::path) != service.proxies.end()) return;
    const std::optional<LocalAddress> address = read_address(target);
    const Service* other = address ? by_address(*address, service) : nullptr;
    if (other == nullptr && address && is_here(address->host)) other = interface_for(service);
    if (other == nullptr || other == &service) return;
    service.proxies.push_back({.path = std::string(path),
                               .service = other->name,
                               .strip = strip,
                               .evidence = file + ":" + std::to_string(line)});
    add_need(service, other->name);
  }

  // proxy: { '/api': 'http://localhost:3001', '/ws': { target: '…', rewrite: … } }
  void proxies_of_config(Service& service, const std::string& file) {
    const std::vector<Token> tokens = tokenize(project_.files().text(file), Language::javascript);
    for (std::size_t i = 0; i + 2 < tokens.size(); ++i) {
      if (!tokens[i].is("proxy") || !tokens[i + 1].is(":") || !tokens[i + 2].is("{")) continue;
      const std::size_t end = tokens[i + 2].partner;
      for (std::size_t k = i + 3; k + 2 < end; ++k) {
        if (!tokens[k].string() || !tokens[k + 1].is(":")) continue;
        const Token& path = tokens[k];
        std::size_t last = k + 2;
        const bool object = tokens[last].is("{") && tokens[last].partner != 0;
        const std::size_t stop = object ? tokens[last].partner : std::min(end, last + 8);
        std::string_view target;
        bool strip = false;
        for (std::size_t t = last; t < stop; ++t) {
          if (tokens[t].string() && tokens[t].text.find("://") != std::string_view::npos &&
              target.empty())
            target = tokens[t].text;
          strip |= tokens[t].is("rewrite") || tokens[t].is("pathRewrite");
          if (!object && tokens[t].is(",")) break;
        }
        if (!target.empty()) add_proxy(service, path.text, target, file, path.line, strip);
        if (object) k = stop;
      }
      return;
    }
  }

  // rewrites of next.config: { source: '/api/:path*', destination:
  // 'http://localhost:8000/api/:path*' }
  void rewrites_of_next(Service& service, const std::string& file) {
    const std::vector<Token> tokens = tokenize(project_.files().text(file), Language::javascript);
    const auto plain = [](std::string_view path) { return path.substr(0, path.find("/:")); };
    for (std::size_t i = 0; i + 2 < tokens.size(); ++i) {
      if (!tokens[i].is("source") || !tokens[i + 1].is(":") || !tokens[i + 2].string()) continue;
      for (std::size_t k = i + 3; k + 2 < tokens.size() && !tokens[k].is("}"); ++k) {
        if (!tokens[k].is("destination") || !tokens[k + 1].is(":") || !tokens[k + 2].string())
          continue;
        const std::optional<LocalAddress> address = read_address(tokens[k + 2].text);
        const std::string_view path = plain(tokens[i + 2].text);
        const std::string_view there = address ? plain(address->path) : path;
        // Anything else than the same path, or the path without its beginning, only Next can do.
        if (address && (there == path || there.empty()))
          add_proxy(service, path, tokens[k + 2].text, file, tokens[i].line, there.empty());
        break;
      }
    }
  }

  void proxies(Service& service) {
    if (service.framework == "next")
      for (const std::string_view extension : {".ts", ".js", ".mjs"})
        if (const std::string file =
                join_path(service.root, "next.config" + std::string(extension));
            project_.files().has(file))
          rewrites_of_next(service, file);
    if (!service.is_static || service.provider != "node") return;
    for (const std::string_view stem : {"vite.config", "vue.config", "rsbuild.config"})
      for (const std::string_view extension : {".ts", ".js", ".mjs", ".mts", ".cjs", ".cts"})
        if (const std::string file =
                join_path(service.root, std::string(stem) + std::string(extension));
            project_.files().has(file))
          proxies_of_config(service, file);
    for (const std::string_view name : {"proxy.conf.json", "src/proxy.conf.json"})
      if (const std::string file = join_path(service.root, name); project_.files().has(file))
        if (const json::value* document = project_.json(file); document != nullptr)
          if (const json::object* object = document->if_object())
            for (const auto& [path, item] : *object)
              add_proxy(service, std::string_view{path}, string_at(item, {"target"}), file,
                        line_of(project_.files().text(file), std::string_view{path}),
                        json_has(item, "pathRewrite"));
    const std::string manifest = join_path(service.root, "package.json");
    const json::value* document =
        project_.files().has(manifest) ? project_.json(manifest) : nullptr;
    if (document == nullptr || service.framework != "create-react-app") return;
    const std::string_view target = string_at(*document, {"proxy"});
    const std::optional<LocalAddress> address = read_address(target);
    if (!address) return;
    const Service* other = by_address(*address, service);
    if (other == nullptr) other = interface_for(service);
    if (other == nullptr) return;
    const int line = line_of(project_.files().text(manifest), "\"proxy\"");
    for (const std::string& path : first_segments(*other))
      add_proxy(service, path, target, manifest, line, false);
  }

  static bool json_has(const json::value& value, std::string_view key) {
    const json::object* object = value.if_object();
    return object != nullptr && object->contains(key);
  }

  // Everything below which an interface has routes: "/api", "/auth".
  [[nodiscard]] std::vector<std::string> first_segments(const Service& service) const {
    constexpr std::size_t most = 12;
    std::set<std::string> found;
    const Root root(project_, service.root);
    for (const Language language :
         {Language::javascript, Language::python, Language::go, Language::java, Language::ruby})
      for (const SourceFacts* facts : root.sources(language))
        for (const Route& route : facts->routes) {
          const std::size_t end = route.path.find('/', 1);
          const std::string segment = route.path.substr(0, end);
          if (segment.size() > 1 && segment.find_first_of(":*{<") == std::string::npos &&
              found.size() < most)
            found.insert(segment);
        }
    return {found.begin(), found.end()};
  }

  [[nodiscard]] bool reaches(const std::string& from, const std::string& to,
                             std::set<std::string>& seen) const {
    if (from == to) return true;
    if (!seen.insert(from).second) return false;
    const Service* service = named(from);
    return service != nullptr &&
           std::ranges::any_of(service->needs, [&](const std::string& needed) {
             return reaches(needed, to, seen);
           });
  }

  void tidy(Service& service) {
    std::vector<std::string> wanted;
    wanted.swap(service.needs);
    std::ranges::sort(wanted);
    for (const std::string& needed : wanted) {
      std::set<std::string> seen;
      if (needed != service.name && !reaches(needed, service.name, seen)) add_need(service, needed);
    }
    std::ranges::sort(service.wires, {}, &Wire::env);
    std::ranges::sort(service.proxies, {}, &Proxy::path);
  }

  const Project& project_;
  std::vector<Service>& services_;
};

}  // namespace

Role role_of(const Service& service) {
  if (service.kind == "worker" || service.kind == "cron") return Role::process;
  static const std::set<std::string_view> pages{
      "next",     "nuxt",         "analog", "solid-start", "tanstack-start", "sveltekit",
      "hydrogen", "react-router", "remix",  "astro",       "redwood",        "blitz",
      "waku",     "qwik",         "vike",   "meteor",      "angular",        "streamlit"};
  return service.is_static || pages.contains(service.framework) ? Role::page : Role::interface;
}

void wire_services(const Project& project, std::vector<Service>& services) {
  Wiring(project, services).run();
}

void find_fixed_addresses(const Project& project, const std::vector<Service>& services,
                          std::vector<Warning>& warnings) {
  for (const Service& service : services) {
    if (role_of(service) != Role::page || service.provider != "node") continue;
    const std::string_view prefix = service.framework == "next" ? "process.env.NEXT_PUBLIC_"
                                    : service.framework == "create-react-app"
                                        ? "process.env.REACT_APP_"
                                    : service.framework == "vue-cli" ? "process.env.VUE_APP_"
                                                                     : "import.meta.env.VITE_";
    const Root root(project, service.root);
    for (const SourceFacts* facts : root.sources(Language::javascript)) {
      const std::string_view name = base_name(facts->path);
      if (facts->addresses.empty() || name.find(".config.") != std::string_view::npos ||
          name.starts_with("server.") || !facts->listens.empty())
        continue;
      const Literal& address = facts->addresses.front();
      warnings.push_back({.code = "fixed_address",
                          .message = "calls " + address.text.substr(0, 80) +
                                     ", which is the visitor's own machine once this is deployed",
                          .file = facts->path,
                          .line = address.line,
                          .fix = "use " + std::string(prefix) + "API_URL || '" +
                                 address.text.substr(0, 80) + "'"});
      break;
    }
  }
}

}  // namespace slipway::detection
