#include "deploy/settings.h"

#include <charconv>
#include <functional>
#include <limits>

#include "base/text.h"
#include "base/toml.h"

namespace slipway {
namespace {

// A setting's key and how to read its value; false when the value does not fit.
struct Key {
  std::string_view name;  // "section.key"
  std::string_view expected;
  std::function<bool(Settings&, const toml::node&)> read;
};

template <class Target>
auto text(Target Settings::* member) {
  return [member](Settings& settings, const toml::node& node) {
    const auto value = node.value<std::string>();
    if (value) settings.*member = *value;
    return value.has_value();
  };
}

// `slot` picks the field out of the settings.
template <class Slot>
auto duration(Slot slot) {
  return [slot](Settings& settings, const toml::node& node) {
    const auto value = node.value<std::string>();
    const auto parsed = value ? parse_duration(*value) : std::nullopt;
    if (parsed) slot(settings) = *parsed;
    return parsed.has_value();
  };
}

template <class Slot>
auto size(Slot slot) {
  return [slot](Settings& settings, const toml::node& node) {
    std::optional<std::uint64_t> parsed;
    if (const auto value = node.value<std::string>()) parsed = parse_size(*value);
    if (parsed) slot(settings) = *parsed;
    return parsed.has_value();
  };
}

template <class Slot>
auto number(Slot slot, std::int64_t least, std::int64_t most) {
  return [=](Settings& settings, const toml::node& node) {
    const auto value = node.value_exact<std::int64_t>();
    if (!value || *value < least || *value > most) return false;
    slot(settings) = static_cast<std::uint32_t>(*value);
    return true;
  };
}

template <class Enum>
auto choice(Enum Settings::Log::* member, std::vector<std::pair<std::string_view, Enum>> choices) {
  return [=](Settings& settings, const toml::node& node) {
    const auto value = node.value<std::string>();
    for (const auto& [name, chosen] : choices)
      if (value == name) {
        settings.log.*member = chosen;
        return true;
      }
    return false;
  };
}

const std::vector<Key>& keys() {
  constexpr std::string_view a_duration = R"(a duration such as "15m")",
                             a_size = R"(a size such as "512MB")";
  static const std::vector<Key> table{
      {"server.listen", R"("ADDR:PORT")",
       [](Settings& settings, const toml::node& node) {
         const auto value = node.value<std::string>();
         return value && apply_listen(settings, *value).has_value();
       }},
      {"server.domain", "a host name", text(&Settings::domain)},
      {"server.public_url", R"(a URL such as "https://apps.example.com")",
       [](Settings& settings, const toml::node& node) {
         const auto value = node.value<std::string>();
         if (value) settings.public_url = *value;
         return value && (value->empty() || parse_public_url(*value));
       }},
      {"server.trusted_proxies", R"(a list of addresses and networks, such as ["127.0.0.1"])",
       [](Settings& settings, const toml::node& node) {
         const toml::array* list = node.as_array();
         if (list == nullptr) return false;
         settings.trusted_proxies.clear();
         for (const toml::node& each : *list) {
           const auto value = each.value<std::string>();
           if (!value) return false;
           settings.trusted_proxies.push_back(*value);
         }
         return true;
       }},
      {"server.loops", "a number from 0 (one a core) to 256",
       number([](Settings& s) -> auto& { return s.loops; }, 0, 256)},
      {"server.min_body_rate", a_size, size([](Settings& s) -> auto& { return s.min_body_rate; })},
      {"server.data", "a path", text(&Settings::data)},
      {"previews.ttl", a_duration, duration([](Settings& s) -> auto& { return s.previews.ttl; })},
      {"previews.idle", a_duration, duration([](Settings& s) -> auto& { return s.previews.idle; })},
      {"previews.max_running", "a number from 1 to 100000",
       number([](Settings& s) -> auto& { return s.previews.max_running; }, 1, 100'000)},
      {"previews.max_total", "a number from 1 to 1000000",
       number([](Settings& s) -> auto& { return s.previews.max_total; }, 1, 1'000'000)},
      {"builds.concurrency", "a number from 0 (one a core) to 1000",
       number([](Settings& s) -> auto& { return s.builds.concurrency; }, 0, 1000)},
      {"builds.memory", a_size,
       size([](Settings& s) -> auto& { return s.builds.limits.memory_bytes; })},
      {"builds.output", a_size,
       size([](Settings& s) -> auto& { return s.builds.limits.output_bytes; })},
      {"builds.disk", a_size,
       size([](Settings& s) -> auto& { return s.builds.limits.disk_bytes; })},
      {"builds.time", a_duration,
       duration([](Settings& s) -> auto& { return s.builds.limits.step_time; })},
      {"instances.memory", a_size,
       size([](Settings& s) -> auto& { return s.instances.limits.memory_bytes; })},
      {"instances.disk", a_size,
       size([](Settings& s) -> auto& { return s.instances.limits.disk_bytes; })},
      {"instances.cpu_millis", "a number from 10 to 1000000",
       number([](Settings& s) -> auto& { return s.instances.limits.cpu_millis; }, 10, 1'000'000)},
      {"instances.pids", "a number from 8 to 100000",
       number([](Settings& s) -> auto& { return s.instances.limits.pids; }, 8, 100'000)},
      {"instances.log_bytes", a_size,
       size([](Settings& s) -> auto& { return s.instances.log_bytes; })},
      {"instances.start_timeout", a_duration,
       duration([](Settings& s) -> auto& { return s.instances.start_timeout; })},
      {"instances.stop_grace", a_duration,
       duration([](Settings& s) -> auto& { return s.instances.stop_grace; })},
      {"releases.instances", "a number from 1 to 100",
       number([](Settings& s) -> auto& { return s.releases.instances; }, 1, 100)},
      {"releases.health_interval", a_duration,
       duration([](Settings& s) -> auto& { return s.releases.health_interval; })},
      {"releases.unhealthy_after", "a number from 1 to 1000",
       number([](Settings& s) -> auto& { return s.releases.unhealthy_after; }, 1, 1000)},
      {"releases.replace_after", a_duration,
       duration([](Settings& s) -> auto& { return s.releases.replace_after; })},
      {"releases.drain", a_duration,
       duration([](Settings& s) -> auto& { return s.releases.drain; })},
      {"releases.bake", a_duration, duration([](Settings& s) -> auto& { return s.releases.bake; })},
      {"releases.keep", "a number from 2 to 1000",
       number([](Settings& s) -> auto& { return s.releases.keep; }, 2, 1000)},
      {"releases.canary_step", a_duration,
       duration([](Settings& s) -> auto& { return s.releases.canary_step; })},
      {"releases.max_rollbacks", "a number from 0 (never by itself) to 1000",
       number([](Settings& s) -> auto& { return s.releases.max_rollbacks; }, 0, 1000)},
      {"volumes.limit", a_size, size([](Settings& s) -> auto& { return s.volumes.limit; })},
      {"volumes.copy_limit", a_size,
       size([](Settings& s) -> auto& { return s.volumes.copy_limit; })},
      {"volumes.keep_snapshots", "a number from 1 to 1000",
       number([](Settings& s) -> auto& { return s.volumes.keep_snapshots; }, 1, 1000)},
      {"domains.resolver", R"("ADDR" or "ADDR:PORT" of a name server)",
       [](Settings& settings, const toml::node& node) {
         const auto value = node.value<std::string>();
         if (value) settings.domains.resolver = *value;
         return value.has_value();
       }},
      {"domains.verify_interval", a_duration,
       duration([](Settings& s) -> auto& { return s.domains.verify_interval; })},
      {"domains.grace", a_duration, duration([](Settings& s) -> auto& { return s.domains.grace; })},
      {"alerts.allow_private", "true or false",
       [](Settings& settings, const toml::node& node) {
         using Addresses = Settings::Alerts::Addresses;
         const auto value = node.value_exact<bool>();
         if (value) settings.alerts.addresses = *value ? Addresses::any : Addresses::public_only;
         return value.has_value();
       }},
      {"releases.memory_percent", "a number from 0 (nothing is kept) to 90",
       number([](Settings& s) -> auto& { return s.releases.memory_percent; }, 0, 90)},
      {"gc.interval", a_duration, duration([](Settings& s) -> auto& { return s.gc.interval; })},
      {"gc.keep_removed", a_duration,
       duration([](Settings& s) -> auto& { return s.gc.keep_removed; })},
      {"audit.keep", a_duration, duration([](Settings& s) -> auto& { return s.audit.keep; })},
      {"gc.grace", a_duration, duration([](Settings& s) -> auto& { return s.gc.grace; })},
      {"gc.keep_uploads", a_duration,
       duration([](Settings& s) -> auto& { return s.gc.keep_uploads; })},
      {"gc.keep_toolchains", a_duration,
       duration([](Settings& s) -> auto& { return s.gc.keep_toolchains; })},
      {"gc.min_free_disk", a_size, size([](Settings& s) -> auto& { return s.gc.min_free_disk; })},
      {"gc.reserve", a_size, size([](Settings& s) -> auto& { return s.gc.reserve; })},
      {"policy.opa_url", "an http:// or https:// URL",
       [](Settings& settings, const toml::node& node) {
         const auto value = node.value<std::string>();
         if (value) settings.policy.opa_url = *value;
         return value &&
                (value->empty() || value->starts_with("http://") || value->starts_with("https://"));
       }},
      {"policy.approval_timeout", a_duration,
       duration([](Settings& s) -> auto& { return s.policy.approval_timeout; })},
      {"policy.keep_decisions", "a number from 100 to 1000000",
       number([](Settings& s) -> auto& { return s.policy.keep_decisions; }, 100, 1'000'000)},
      {"limits.human_requests", "a number from 1 to 1000000",
       number([](Settings& s) -> auto& { return s.limits.human_requests; }, 1, 1'000'000)},
      {"limits.agent_requests", "a number from 1 to 1000000",
       number([](Settings& s) -> auto& { return s.limits.agent_requests; }, 1, 1'000'000)},
      {"limits.human_deploys", "a number from 1 to 1000000",
       number([](Settings& s) -> auto& { return s.limits.human_deploys; }, 1, 1'000'000)},
      {"limits.agent_deploys", "a number from 1 to 1000000",
       number([](Settings& s) -> auto& { return s.limits.agent_deploys; }, 1, 1'000'000)},
      {"limits.project_deploys", "a number from 1 to 1000000",
       number([](Settings& s) -> auto& { return s.limits.project_deploys; }, 1, 1'000'000)},
      {"log.level", R"("debug", "info", "warn" or "error")",
       choice<LogLevel>(&Settings::Log::level, {{"debug", LogLevel::debug},
                                                {"info", LogLevel::info},
                                                {"warn", LogLevel::warn},
                                                {"error", LogLevel::error}})},
      {"log.format", R"("text" or "json")",
       choice<LogFormat>(&Settings::Log::format,
                         {{"text", LogFormat::text}, {"json", LogFormat::json}})},
      {"log.access", R"("off" or "on")",
       choice<Settings::Log::Access>(&Settings::Log::access, {{"off", Settings::Log::Access::off},
                                                              {"on", Settings::Log::Access::on}})},
  };
  return table;
}

void write_value(std::string& out, const toml::node& node) {
  if (const toml::array* list = node.as_array()) {
    for (const toml::node& each : *list) {
      write_value(out, each);
      out += ' ';
    }
  } else if (const auto number = node.value_exact<std::int64_t>()) {
    out += std::to_string(*number);
  } else if (const auto flag = node.value_exact<bool>()) {
    out += *flag ? "true" : "false";
  } else {
    out += node.value<std::string>().value_or("?");
  }
}

std::unexpected<Error> problem(std::string_view file, const toml::node& node, std::string message,
                               std::string hint) {
  Error error{
      .code = Errc::invalid_argument, .message = std::move(message), .hint = std::move(hint)};
  error.file = file;
  // A table that is only named in passing ("a.b.c = 1") has no line of its own.
  if (const auto line = static_cast<int>(node.source().begin.line); line > 0) error.line = line;
  error.message = error.line ? fmt::format("{}:{}: {}", file, *error.line, error.message)
                             : fmt::format("{}: {}", file, error.message);
  return fail(std::move(error));
}

}  // namespace

Status apply_config(Settings& settings, std::string_view toml_text, std::string_view file_name) {
  const Result<toml::table> parsed = parse_toml_table(toml_text);
  if (!parsed)
    return fail(Errc::invalid_argument,
                fmt::format("{}:{}: not valid TOML: {}", file_name, parsed.error().line.value_or(1),
                            parsed.error().message));
  for (const auto& [section_name, section] : *parsed) {
    if (!section.is_table())
      return problem(file_name, section,
                     fmt::format("{} stands outside a section", section_name.str()),
                     "sections are [server] [previews] [builds] [instances] [releases] [volumes] "
                     "[domains] [alerts] [gc] [audit] "
                     "[policy] [limits] [log]");
    for (const auto& [key, value] : *section.as_table()) {
      const std::string name = fmt::format("{}.{}", section_name.str(), key.str());
      const auto row = std::ranges::find(keys(), name, &Key::name);
      if (row == keys().end())
        return problem(file_name, value, fmt::format("unknown setting {}", name),
                       "see docs/settings.md");
      if (!row->read(settings, value))
        return problem(file_name, value, fmt::format("{} must be {}", name, row->expected), {});
    }
  }
  return {};
}

Result<std::map<std::string, std::string>> config_values(std::string_view toml_text) {
  Result<toml::table> parsed = parse_toml_table(toml_text);
  if (!parsed) return fail(parsed.error());
  std::map<std::string, std::string> out;
  for (const auto& [section_name, section] : *parsed)
    if (const toml::table* table = section.as_table())
      for (const auto& [key, value] : *table) {
        write_value(out[fmt::format("{}.{}", section_name.str(), key.str())], value);
      }
  return out;
}

Result<PublicUrl> parse_public_url(std::string_view text) {
  const auto bad = [&] {
    return fail(Errc::invalid_argument, fmt::format("'{}' is not the URL of a server", text),
                "such as https://apps.example.com");
  };
  PublicUrl out;
  for (const std::string_view scheme : {"https", "http"})
    if (text.starts_with(scheme) && text.substr(scheme.size()).starts_with("://")) {
      out.scheme = scheme;
      text.remove_prefix(scheme.size() + 3);
      break;
    }
  if (out.scheme.empty()) return bad();
  if (text.ends_with('/')) text.remove_suffix(1);
  const std::size_t colon = text.find(':');
  out.host = to_lower(text.substr(0, colon));
  out.port = out.scheme == "https" ? 443 : 80;
  if (colon != std::string_view::npos) {
    const std::string_view port = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
    if (error != std::errc{} || end != port.data() + port.size() || out.port < 1 ||
        out.port > 65'535)
      return bad();
  }
  if (out.host.empty() ||
      out.host.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") != std::string::npos)
    return bad();
  return out;
}

Status apply_listen(Settings& settings, std::string_view listen) {
  std::string_view address, port = listen;
  if (const auto colon = listen.rfind(':'); colon != std::string_view::npos) {
    address = listen.substr(0, colon);
    port = listen.substr(colon + 1);
  }
  if (address.starts_with('[') && address.ends_with(']'))
    address = address.substr(1, address.size() - 2);
  int number = -1;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc{} || end != port.data() + port.size() || number < 0 || number > 65'535)
    return fail(Errc::invalid_argument, fmt::format("'{}' is not ADDR:PORT", listen),
                "such as 127.0.0.1:7070");
  if (!address.empty()) settings.listen_address = address;
  settings.port = number;
  return {};
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  const std::string unit = to_lower(trim(text.substr(static_cast<std::size_t>(end - text.data()))));
  static constexpr std::pair<std::string_view, std::uint64_t> units[] = {{"", 1},
                                                                         {"b", 1},
                                                                         {"kb", 1000},
                                                                         {"mb", 1'000'000},
                                                                         {"gb", 1'000'000'000},
                                                                         {"k", 1ull << 10},
                                                                         {"kib", 1ull << 10},
                                                                         {"m", 1ull << 20},
                                                                         {"mib", 1ull << 20},
                                                                         {"g", 1ull << 30},
                                                                         {"gib", 1ull << 30},
                                                                         {"tb", 1'000'000'000'000},
                                                                         {"t", 1ull << 40},
                                                                         {"tib", 1ull << 40}};
  for (const auto& [name, factor] : units)
    if (unit == name)
      return number > std::numeric_limits<std::uint64_t>::max() / factor
                 ? std::nullopt
                 : std::optional(number * factor);
  return std::nullopt;
}

}  // namespace slipway
