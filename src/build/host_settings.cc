#include "build/host_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "base/text.h"
#include "sys/files.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t config_limit = 1u << 20;

// Passed on as they are. None of them carries an account's token by its meaning.
constexpr std::string_view passed_on[] = {"HTTP_PROXY",
                                          "HTTPS_PROXY",
                                          "NO_PROXY",
                                          "ALL_PROXY",
                                          "http_proxy",
                                          "https_proxy",
                                          "no_proxy",
                                          "all_proxy",
                                          "PIP_INDEX_URL",
                                          "PIP_EXTRA_INDEX_URL",
                                          "PIP_TRUSTED_HOST",
                                          "PIP_DEFAULT_TIMEOUT",
                                          "UV_INDEX_URL",
                                          "UV_EXTRA_INDEX_URL",
                                          "UV_DEFAULT_INDEX",
                                          "UV_INDEX",
                                          "UV_INSECURE_HOST",
                                          "UV_HTTP_TIMEOUT",
                                          "UV_PYTHON_INSTALL_MIRROR",
                                          "GOPROXY",
                                          "GOSUMDB",
                                          "GONOSUMDB",
                                          "GOPRIVATE",
                                          "GONOPROXY",
                                          "GONOSUMCHECK",
                                          "GOINSECURE",
                                          "GOFLAGS",
                                          "YARN_NPM_REGISTRY_SERVER",
                                          "BUN_CONFIG_REGISTRY",
                                          "NPM_CONFIG_REGISTRY",
                                          "npm_config_registry",
                                          "NODE_TLS_MIN_VERSION",
                                          "CARGO_HTTP_PROXY",
                                          "CARGO_HTTP_TIMEOUT",
                                          "CARGO_NET_RETRY",
                                          "CARGO_REGISTRIES_CRATES_IO_PROTOCOL"};

// Where hosts name their CA bundle, in order of trust in it.
constexpr std::string_view ca_sources[] = {
    "SSL_CERT_FILE",  "NODE_EXTRA_CA_CERTS", "PIP_CERT",         "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE", "npm_config_cafile",   "NPM_CONFIG_CAFILE"};
// What each tool reads it from.
constexpr std::string_view ca_targets[] = {
    "SSL_CERT_FILE",     "PIP_CERT",           "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",    "CARGO_HTTP_CAINFO",  "DENO_CERT",          "YARN_HTTPS_CA_FILE_PATH",
    "npm_config_cafile", "NODE_EXTRA_CA_CERTS"};

constexpr std::string_view npm_keys[] = {"registry",      "cafile",       "proxy",
                                         "https-proxy",   "noproxy",      "strict-ssl",
                                         "fetch-retries", "fetch-timeout"};

template <std::size_t N>
bool is_one_of(const std::string_view (&words)[N], std::string_view word) {
  return std::ranges::find(words, word) != std::end(words);
}

std::string value_of(const EnvVars& env, std::string_view name) {
  const auto found = env.find(std::string(name));
  return found == env.end() ? std::string() : found->second;
}

std::string text_of(const fs::path& file) {
  return read_file(file, config_limit).value_or(std::string());
}

std::string_view unquoted(std::string_view text) {
  text = trim(text);
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
      text.back() == text.front())
    return text.substr(1, text.size() - 2);
  return text;
}

struct KeyValue {
  std::string_view key, value;
};
// "key = value" of an ini-like file; nothing for comments, sections and empty lines.
std::optional<KeyValue> key_value(std::string_view line) {
  line = trim(line);
  if (line.empty() || line[0] == '#' || line[0] == ';' || line[0] == '[') return std::nullopt;
  const auto equals = line.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  return KeyValue{trim(line.substr(0, equals)), unquoted(line.substr(equals + 1))};
}

bool seen_inside(std::string_view path) {
  return path.starts_with("/etc/ssl/") || path.starts_with("/usr/");
}

// Makes every tool trust the host's CA bundle.
void add_ca_bundle(const EnvVars& host_env, HostSettings& settings) {
  std::string bundle;
  for (std::string_view name : ca_sources) {
    for (const EnvVars* env : {&host_env, static_cast<const EnvVars*>(&settings.env)}) {
      std::string path = value_of(*env, name);
      std::error_code ignored;
      if (bundle.empty() && path.starts_with('/') && fs::is_regular_file(path, ignored))
        bundle = std::move(path);
    }
  }
  if (bundle.empty()) {
    settings.env.erase("npm_config_cafile");
    return;
  }
  if (!seen_inside(bundle)) {
    constexpr std::string_view inside = "/opt/slipway/ca/bundle.pem";
    std::error_code ignored;
    const fs::path real = fs::canonical(bundle, ignored);
    settings.binds.push_back(
        {.source = ignored ? fs::path(bundle) : real, .target = std::string(inside)});
    bundle = inside;
  }
  for (std::string_view name : ca_targets) settings.env[std::string(name)] = bundle;
}

struct HostPort {
  std::string_view host, port;
};
// Of "http://user:pw@proxy:3128/path", also without the scheme. No IPv6.
HostPort host_port(std::string_view url) {
  if (const auto at = url.find("://"); at != std::string_view::npos) url.remove_prefix(at + 3);
  url = url.substr(0, url.find('/'));
  if (const auto at = url.rfind('@'); at != std::string_view::npos) url.remove_prefix(at + 1);
  const auto colon = url.rfind(':');
  return {url.substr(0, colon),
          colon == std::string_view::npos ? std::string_view{} : url.substr(colon + 1)};
}

bool is_host_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-';
  });
}

// Turns "http://user:pw@proxy:3128" into JVM flags; user and password cannot be said that way.
std::string java_proxy(std::string_view url, std::string_view scheme) {
  const auto [host, port] = host_port(url);
  const std::string_view number = port.empty() ? "80" : port;
  if (!is_host_name(host) || !is_host_name(number)) return {};
  return fmt::format(" -D{0}.proxyHost={1} -D{0}.proxyPort={2}", scheme, host, number);
}

std::string java_flags(const EnvVars& env) {
  std::string flags;
  std::error_code ignored;
  constexpr std::string_view store = "/etc/ssl/certs/java/cacerts";
  if (fs::is_regular_file(store, ignored))
    flags += fmt::format(" -Djavax.net.ssl.trustStore={}", store);
  for (const auto& [name, scheme] :
       {std::pair{"HTTPS_PROXY", "https"}, {"https_proxy", "https"}, {"HTTP_PROXY", "http"}})
    if (const std::string url = value_of(env, name); !url.empty()) flags += java_proxy(url, scheme);
  return std::string(trim(flags));
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

void add_missing(EnvVars& into, const EnvVars& from) {
  for (const auto& [name, value] : from) into.emplace(name, value);
}

void read_config_files(const EnvVars& host_env, const fs::path& etc, HostSettings& settings) {
  const std::string home_text = value_of(host_env, "HOME");
  const auto first_of = [](std::string named, std::initializer_list<fs::path> others) {
    std::string text;
    if (!named.empty()) text = text_of(named);
    for (const fs::path& other : others) {
      if (!text.empty()) break;
      text = text_of(other);
    }
    return text;
  };
  if (home_text.empty()) return;
  const fs::path home = home_text;
  add_missing(settings.env, npm_settings(first_of(value_of(host_env, "NPM_CONFIG_USERCONFIG"),
                                                  {home / ".npmrc"})));
  add_missing(settings.env, npm_settings(text_of(etc / "npmrc")));
  add_missing(settings.env,
              pip_settings(first_of(value_of(host_env, "PIP_CONFIG_FILE"),
                                    {home / ".config/pip/pip.conf", home / ".pip/pip.conf"})));
  add_missing(settings.env, pip_settings(text_of(etc / "pip.conf")));
  add_missing(settings.env,
              go_settings(first_of(value_of(host_env, "GOENV"), {home / ".config/go/env"})));
  const std::string cargo_home = value_of(host_env, "CARGO_HOME");
  const fs::path cargo = cargo_home.empty() ? home / ".cargo" : fs::path(cargo_home);
  settings.cargo_config = cargo_settings(first_of("", {cargo / "config.toml", cargo / "config"}));
  settings.maven_settings = maven_settings(text_of(home / ".m2/settings.xml"));
}

void add_hosts(std::string_view text, std::vector<std::string>& hosts) {
  // Values are one URL, or several between commas, bars and blanks (GOPROXY, PIP_EXTRA_INDEX_URL).
  while (!text.empty()) {
    const auto end = text.find_first_of(" ,|\t\n\"'");
    const std::string_view word = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    const auto scheme = word.find("://");
    if (scheme == std::string_view::npos) continue;
    const auto [host, port] = host_port(word);
    if (!is_host_name(host)) continue;
    const bool secure = word.substr(0, scheme).ends_with("https");
    std::string service = fmt::format("{}:{}", host, is_port(port) ? port : secure ? "443" : "80");
    if (std::ranges::find(hosts, service) == hosts.end()) hosts.push_back(std::move(service));
  }
}

}  // namespace

std::string without_accounts(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t scheme = text.find("://", at);
    if (scheme == std::string_view::npos) return out.append(text.substr(at));
    const std::size_t begin = scheme + 3;
    const std::size_t end = std::min(text.find_first_of(" \t\r\n\"'<>,|", begin), text.size());
    // A password may hold "@" and, by mistake, "/": up to the last "@" of what can be an authority.
    const std::string_view rest = text.substr(begin, end - begin);
    const std::string_view authority = rest.substr(0, rest.find('/'));
    std::size_t account = authority.rfind('@');
    if (account == std::string_view::npos && authority.find(':') != std::string_view::npos &&
        !is_port(authority.substr(authority.rfind(':') + 1)))
      account = rest.rfind('@');
    out.append(text.substr(at, begin - at));
    at = account == std::string_view::npos ? begin : begin + account + 1;
    out.append(text.substr(at, end - at));
    at = end;
  }
  return out;
}

std::vector<std::string> registry_hosts(const HostSettings& settings) {
  std::vector<std::string> hosts;
  for (const auto& [name, value] : settings.env) add_hosts(value, hosts);
  add_hosts(settings.cargo_config, hosts);
  std::string xml = settings.maven_settings;
  std::ranges::replace(xml, '<', ' ');
  std::ranges::replace(xml, '>', ' ');
  add_hosts(xml, hosts);
  return hosts;
}

EnvVars npm_settings(std::string_view npmrc) {
  EnvVars env;
  for (std::string_view line : lines(npmrc)) {
    const auto entry = key_value(line);
    if (!entry || entry->value.empty() || entry->value.find("${") != std::string_view::npos)
      continue;
    const bool scope = entry->key.starts_with('@') && entry->key.ends_with(":registry");
    if (!scope && !is_one_of(npm_keys, entry->key)) continue;
    std::string name = "npm_config_" + std::string(entry->key);
    if (!scope) std::ranges::replace(name, '-', '_');
    env[name] = std::string(entry->value);
  }
  return env;
}

EnvVars pip_settings(std::string_view conf) {
  EnvVars env;
  std::string_view section;
  for (std::string_view line : lines(conf)) {
    if (const auto text = trim(line); text.starts_with('[')) section = text;
    const auto entry = key_value(line);
    if (!entry || entry->value.empty() || (section != "[global]" && section != "[install]"))
      continue;
    if (entry->key == "index-url") env["PIP_INDEX_URL"] = std::string(entry->value);
    if (entry->key == "extra-index-url") env["PIP_EXTRA_INDEX_URL"] = std::string(entry->value);
    if (entry->key == "trusted-host") env["PIP_TRUSTED_HOST"] = std::string(entry->value);
    if (entry->key == "cert") env["PIP_CERT"] = std::string(entry->value);
  }
  return env;
}

EnvVars go_settings(std::string_view env_file) {
  EnvVars env;
  for (std::string_view line : lines(env_file))
    if (const auto entry = key_value(line); entry && is_one_of(passed_on, entry->key))
      env[std::string(entry->key)] = std::string(entry->value);
  return env;
}

std::string cargo_settings(std::string_view config) {
  constexpr std::string_view sections[] = {"source", "registries", "registry", "http", "net"};
  std::string out;
  bool keep = false;
  for (std::string_view line : lines(config)) {
    const std::string_view text = trim(line);
    if (text.starts_with('[')) {
      const auto end = text.find_first_of(".]", 1);
      keep = end != std::string_view::npos && is_one_of(sections, trim(text.substr(1, end - 1)));
    } else if (const auto entry = key_value(line); entry) {
      const std::string key = to_lower(entry->key);
      if (key.find("token") != std::string::npos || key.find("secret") != std::string::npos ||
          key.find("credential") != std::string::npos || key.find("cainfo") != std::string::npos)
        continue;
    }
    if (keep) out += fmt::format("{}\n", line);
  }
  return out;
}

std::string maven_settings(std::string_view settings) {
  std::string out(settings);
  for (;;) {  // accounts and their passwords stay out
    const auto start = out.find("<servers>");
    if (start == std::string::npos) return out;
    const auto end = out.find("</servers>", start);
    if (end == std::string::npos) return {};
    out.erase(start, end + std::string_view("</servers>").size() - start);
  }
}

namespace {

void cut_accounts(HostSettings& settings) {
  const auto cut = [&](std::string& text, std::string_view name) {
    std::string rest = without_accounts(text);
    if (rest == text) return;
    text = std::move(rest);
    settings.cut.emplace_back(name);
  };
  for (auto& [name, value] : settings.env) {
    // A proxy may be named without its scheme.
    if (to_lower(name).ends_with("proxy") && value.find("://") == std::string::npos)
      if (const auto at = value.rfind('@');
          at != std::string::npos && to_lower(name) != "goproxy") {
        value.erase(0, at + 1);
        settings.cut.push_back(name);
      }
    cut(value, name);
  }
  cut(settings.cargo_config, "cargo's config.toml");
  cut(settings.maven_settings, "Maven's settings.xml");
}

}  // namespace

HostSettings read_host_settings(const EnvVars& host_env, const fs::path& etc) {
  HostSettings settings;
  for (std::string_view name : passed_on)
    if (std::string value = value_of(host_env, name); !value.empty())
      settings.env[std::string(name)] = std::move(value);
  for (const auto& [name, value] : host_env)
    if (name.starts_with("CARGO_REGISTRIES_") && name.ends_with("_INDEX"))
      settings.env[name] = value;
  read_config_files(host_env, etc, settings);
  cut_accounts(settings);
  add_ca_bundle(host_env, settings);
  if (const auto index = settings.env.find("PIP_INDEX_URL");
      index != settings.env.end() && !settings.env.contains("UV_INDEX_URL"))
    settings.env.emplace("UV_DEFAULT_INDEX", index->second);
  if (const auto registry = settings.env.find("npm_config_registry");
      registry != settings.env.end()) {
    settings.env.emplace("YARN_NPM_REGISTRY_SERVER", registry->second);
    settings.env.emplace("BUN_CONFIG_REGISTRY", registry->second);
  }
  settings.java_flags = java_flags(settings.env);
  return settings;
}

}  // namespace slipway
