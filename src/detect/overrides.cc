#include "detect/overrides.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"

namespace slipway::detection {
namespace {

constexpr std::string_view file_name = "slipway.toml";

struct Key {
  std::string_view name;
  std::string DetectOptions::* field;
};
constexpr std::array keys{
    Key{"service", &DetectOptions::service},     Key{"root", &DetectOptions::root},
    Key{"install", &DetectOptions::install},     Key{"build", &DetectOptions::build},
    Key{"start", &DetectOptions::start},         Key{"release", &DetectOptions::release},
    Key{"framework", &DetectOptions::framework}, Key{"runtime", &DetectOptions::runtime},
    Key{"port", &DetectOptions::port},           Key{"health", &DetectOptions::health},
    Key{"output", &DetectOptions::output},       Key{"fallback", &DetectOptions::fallback}};
// What may be said of one service among several.
constexpr std::array service_keys{
    std::string_view("install"), std::string_view("build"),   std::string_view("start"),
    std::string_view("release"), std::string_view("runtime"), std::string_view("port"),
    std::string_view("health"),  std::string_view("output"),  std::string_view("fallback"),
    std::string_view("kind"),    std::string_view("schedule")};

std::string scalar(const json::value& value) {
  if (const json::string* text = value.if_string()) return std::string(view(*text));
  if (value.is_int64()) return std::to_string(value.as_int64());
  return {};
}

std::string all_keys() {
  std::string text;
  for (const Key& key : keys) text += (text.empty() ? "" : ", ") + std::string(key.name);
  return text;
}

Warning refused(std::string_view key, int line) {
  // What decides over others than the project itself.
  for (const std::string_view owned :
       {"policy",  "policies",     "budget",  "limits",  "limit",      "identity",
        "team",    "actor",        "token",   "sandbox", "network",    "egress",
        "seccomp", "capabilities", "memory",  "cpu",     "privileged", "user",
        "mounts",  "approvals",    "waivers", "ttl",     "domain",     "secrets"})
    if (key == owned)
      return {.code = "setting_refused",
              .message = "slipway.toml may not set " + std::string(key) +
                         ": a project's files decide nothing about policy, budget, identity or "
                         "sandbox",
              .file = std::string(file_name),
              .line = line,
              .fix = "remove " + std::string(key) + "; the server's owner sets it"};
  return {.code = "unknown_setting",
          .message = "slipway.toml: " + std::string(key) + " is no setting and was ignored",
          .file = std::string(file_name),
          .line = line,
          .fix = "settings are " + all_keys() + ", volumes, and [services.NAME]"};
}

// Says what is wrong with a value; "" when nothing is.
std::string problem(std::string_view key, const std::string& value) {
  if (value.size() > 4000) return "is too long";
  if (value.find('\0') != std::string::npos) return "holds a NUL";
  if (key == "port") {
    int port = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), port);
    if (error != std::errc{} || end != value.data() + value.size() || port < 1 || port > 65535)
      return "is no port";
  }
  if (key == "health" && !value.starts_with('/')) return "is no path: it must begin with /";
  if (key == "output" && !resolve_path("", value)) return "leaves the project";
  if (key == "fallback" && value != "index.html" && value != "404.html")
    return "is neither index.html nor 404.html";
  if (key == "kind" && value != "web" && value != "worker" && value != "cron" && value != "static")
    return "is none of web, worker, cron, static";
  return {};
}

void set(Service& service, std::string_view key, const std::string& value,
         const std::string& source) {
  // What decided before decides no more.
  std::erase_if(service.evidence, [&](const Evidence& evidence) { return evidence.field == key; });
  if (key == "install") {
    service.install = value.empty() ? std::nullopt : std::optional(value);
    service.install_inputs.clear();
    service.install_names_packages = false;
  } else if (key == "build") {
    service.build = value.empty() ? std::nullopt : std::optional(value);
  } else if (key == "release") {
    service.release = value.empty() ? std::nullopt : std::optional(value);
  } else if (key == "start") {
    service.start = value;
    service.is_static = false;
    service.output_dir.reset();
    service.port.reset();
    if (service.kind == "static") service.kind = "web";
  } else if (key == "runtime") {
    const std::size_t at = value.find('@');
    service.runtime.name = value.substr(0, at);
    service.runtime.version = at == std::string::npos ? "" : value.substr(at + 1);
    service.runtime.source = source;
  } else if (key == "port") {
    service.port = std::atoi(value.c_str());
  } else if (key == "health") {
    service.health_path = value;
  } else if (key == "output") {
    const std::string clean = resolve_path("", value).value_or("");
    service.output_dir = clean.empty() ? "." : clean;
    service.is_static = true;
    service.kind = "static";
    service.start.reset();
  } else if (key == "fallback") {
    service.fallback =
        value == "index.html" ? StaticFallback::single_page_app : StaticFallback::not_found_page;
  } else if (key == "kind") {
    service.kind = value;
  } else if (key == "schedule") {
    service.schedule = value;
    service.kind = "cron";
  }
}

}  // namespace

Overrides read_overrides(const Project& project, const DetectOptions& flags) {
  Overrides out;
  const json::value* document = project.files().has(file_name) ? project.toml(file_name) : nullptr;
  const std::string_view text = project.files().text(file_name);
  const json::object none;
  const json::object& settings =
      document != nullptr && document->is_object() ? document->as_object() : none;
  const auto line_for = [&](std::string_view key) {
    int number = 0;
    for (const std::string_view line : lines(text)) {
      ++number;
      const std::string_view start = trim(line);
      if (start.starts_with(key) || start.starts_with("[" + std::string(key))) return number;
    }
    return 0;
  };
  const auto accept = [&](std::string_view key, const json::value& item, int line) {
    const std::string value = scalar(item);
    std::string wrong =
        item.is_string() || item.is_int64() ? problem(key, value) : std::string("is no text");
    if (wrong.empty()) return true;
    out.findings.push_back({.code = "bad_setting",
                            .message = "slipway.toml: " + std::string(key) + " " + wrong,
                            .file = std::string(file_name),
                            .line = line,
                            .fix = "correct " + std::string(key) + " in slipway.toml"});
    return false;
  };
  // Paths inside the app, never the host's.
  const auto accept_volumes = [&](const std::string& service, const json::value& item, int line) {
    std::vector<std::string> paths;
    bool good = item.is_array() && item.as_array().size() <= 20;
    if (good)
      for (const json::value& each : item.as_array()) {
        const std::string path = each.is_string() ? scalar(each) : std::string();
        good = good && problem("volumes", path).empty() && !path.empty() && path.size() <= 500 &&
               path.find("..") == std::string::npos;
        paths.push_back(path);
      }
    if (good) {
      out.volumes[service] = std::move(paths);
      out.lines[service + ".volumes"] = line;
      return;
    }
    out.findings.push_back({.code = "bad_setting",
                            .message = "slipway.toml: volumes is no list of paths inside the app",
                            .file = std::string(file_name),
                            .line = line,
                            .fix = "such as volumes = [\"data\", \"/data\"]"});
  };
  for (const auto& [name, item] : settings) {
    const std::string_view key = name;
    const int line = line_for(key);
    if (key == "volumes") {
      accept_volumes("", item, line);
      continue;
    }
    if (key == "services" && item.is_object()) {
      for (const auto& [service, table] : item.as_object()) {
        if (!table.is_object()) continue;
        const std::string service_name{std::string_view{service}};
        const int header = line_for("services." + service_name);
        for (const auto& [inner, value] : table.as_object()) {
          const std::string_view inner_key = inner;
          if (inner_key == "volumes")
            accept_volumes(service_name, value, header);
          else if (std::ranges::find(service_keys, inner_key) == service_keys.end())
            out.findings.push_back(refused(inner_key, header));
          else if (accept(inner_key, value, header))
            out.services[service_name][std::string(inner_key)] = scalar(value);
        }
        out.lines[service_name] = header;
      }
      continue;
    }
    const auto* const known = std::ranges::find(keys, key, &Key::name);
    if (known == keys.end()) {
      out.findings.push_back(refused(key, line));
    } else if (accept(key, item, line)) {
      out.whole.*(known->field) = scalar(item);
      out.lines[std::string(key)] = line;
    }
  }
  for (const Key& key : keys) {
    const std::string& value = flags.*(key.field);
    if (value.empty()) continue;
    if (const std::string wrong = problem(key.name, value); !wrong.empty())
      out.findings.push_back({.code = "bad_setting",
                              .message = "--" + std::string(key.name) + " " + wrong,
                              .file = {},
                              .line = 0,
                              .fix = "correct --" + std::string(key.name)});
    else
      out.whole.*(key.field) = value;
  }
  return out;
}

void apply_overrides(const Overrides& overrides, const DetectOptions& flags, Service& service,
                     bool main) {
  if (const auto own = overrides.services.find(service.name); own != overrides.services.end())
    for (const auto& [key, value] : own->second) {
      const int line = overrides.lines.at(service.name);
      set(service, key, value, std::string(file_name));
      service.evidence.push_back(
          {.file = std::string(file_name), .line = line, .fact = key + ": " + value});
    }
  for (const std::string& name : {service.name, std::string(main ? "" : service.name)})
    if (const auto said = overrides.volumes.find(name); said != overrides.volumes.end()) {
      service.volumes = said->second;
      std::erase_if(service.evidence, [](const Evidence& evidence) {
        return evidence.fact.starts_with("volumes: ");
      });
      const int line = overrides.lines.at(name + ".volumes");
      for (const std::string& path : said->second)
        service.evidence.push_back(
            {.file = std::string(file_name), .line = line, .fact = "volumes: " + path});
      break;
    }
  if (!main) return;
  for (const Key& key : keys) {
    const std::string& value = overrides.whole.*(key.field);
    if (value.empty() || key.name == "service" || key.name == "root" || key.name == "framework")
      continue;
    const bool flag = !(flags.*(key.field)).empty() && flags.*(key.field) == value;
    set(service, key.name, value, flag ? "--" + std::string(key.name) : std::string(file_name));
    if (flag)
      service.evidence.push_back({.file = {}, .line = 0, .fact = "--" + std::string(key.name)});
    else
      service.evidence.push_back({.file = std::string(file_name),
                                  .line = overrides.lines.at(std::string(key.name)),
                                  .fact = std::string(key.name) + ": " + value.substr(0, 120)});
  }
}

}  // namespace slipway::detection
