#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "model/deployment.h"

namespace slipway {

// How this host reaches package registries: proxy, CA bundle, mirrors. For build sandboxes only;
// nothing of it goes into an artifact. Tokens and passwords of registry accounts are left out.
struct HostSettings {
  EnvVars env;
  std::vector<BindMount> binds;  // CA bundles that lie outside what a sandbox sees anyway
  std::string cargo_config;      // for /.cargo/config.toml; "" when there is nothing to say
  std::string maven_settings;    // for ~/.m2/settings.xml; "" when there is nothing to say
  // Flags that make a JVM use the proxy and the host's trust store; "" when there is none.
  std::string java_flags;
  std::vector<std::string> cut;  // what had an account inside a URL: names, or the file's
};

// Reads the server's environment and the configuration files in its HOME and in `etc`. Unreadable
// and odd files count as absent. Users and passwords inside URLs are cut out: whoever may build can
// read what a build is given.
[[nodiscard]] HostSettings read_host_settings(const EnvVars& host_env,
                                              const std::filesystem::path& etc = "/etc");

// The services ("HOST:PORT") that these settings send builds to: proxies, mirrors, registries.
// For SandboxSettings::registry_hosts, as they may be private.
[[nodiscard]] std::vector<std::string> registry_hosts(const HostSettings& settings);

// `text` without "user:password@" in its URLs ("https://host/x" of "https://me:pw@host/x").
[[nodiscard]] std::string without_accounts(std::string_view text);

// The pieces, as pure functions: from the text of a configuration file to what a sandbox gets.
[[nodiscard]] EnvVars npm_settings(std::string_view npmrc);           // npm_config_registry=...
[[nodiscard]] EnvVars pip_settings(std::string_view conf);            // PIP_INDEX_URL=...
[[nodiscard]] EnvVars go_settings(std::string_view env_file);         // GOPROXY=...
[[nodiscard]] std::string cargo_settings(std::string_view config);    // without tokens
[[nodiscard]] std::string maven_settings(std::string_view settings);  // without <servers>

}  // namespace slipway
