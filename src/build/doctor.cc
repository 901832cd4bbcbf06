#include "build/doctor.h"

#include <fmt/format.h>

#include "base/task_group.h"
#include "base/text.h"
#include "build/host_command.h"
#include "build/toolchain_host.h"

namespace slipway {
namespace {

constexpr Duration name_time = std::chrono::seconds{5};

struct ToolCheck {
  std::string_view tool, without, fix;
};
constexpr ToolCheck tools[] = {
    {"node", "Node apps cannot be built, and neither Node nor its package managers can be fetched",
     "install Node.js with npm"},
    {"python", "Python apps cannot be built", "install python3 with pip"},
    {"uv", "it is fetched when a Python app is deployed, which takes some seconds once",
     "pip install uv"},
    {"go", "Go apps cannot be built", "install Go (https://go.dev/dl)"},
    {"rust", "Rust apps cannot be built", "install Rust (https://rustup.rs)"},
    {"java", "Java apps cannot be built",
     "install a JDK, for example apt install default-jdk-headless"},
    {"maven", "Java apps without the Maven wrapper cannot be built", "apt install maven"},
};

// Asks a registry the smallest question through its own client.
struct RegistryCheck {
  std::string_view name, tool;
  std::vector<std::string> arguments;
};
std::vector<RegistryCheck> registries() {
  return {{"registry npm", "npm", {"ping", "--no-update-notifier"}},
          {"registry pypi",
           "python3",
           {"-m", "pip", "index", "versions", "--disable-pip-version-check", "pip"}},
          {"registry go", "go", {"list", "-m", "-versions", "golang.org/x/text"}},
          {"registry crates", "cargo", {"info", "--quiet", "itoa"}}};
}

HostCheck check_registry(const RegistryCheck& check, const std::string& program,
                         const EnvVars& host_env, Duration time_limit) {
  HostCheck out{.name = std::string(check.name)};
  std::vector<std::string> argv = {program};
  argv.insert(argv.end(), check.arguments.begin(), check.arguments.end());
  if (host_output(argv, host_env, time_limit)) {
    out.detail = fmt::format("{} reaches it", check.tool);
    return out;
  }
  out.state = HostCheck::State::warn;
  out.detail = fmt::format("{} does not reach it", check.tool);
  out.fix = fmt::format(
      "try `{} {}`; behind a proxy set HTTPS_PROXY and SSL_CERT_FILE for `slipway serve`",
      check.tool, join(check.arguments, " "));
  return out;
}

}  // namespace

std::vector<HostCheck> check_toolchains(const EnvVars& host_env) {
  std::vector<HostCheck> checks;
  for (const ToolCheck& row : tools) {
    HostCheck check{.name = "toolchain " + std::string(row.tool)};
    const auto found = find_host_toolchains(row.tool, host_env);
    std::vector<std::string> versions;
    for (const Toolchain& tool : found) versions.push_back(tool.version.str());
    check.detail = join(versions, ", ");
    if (found.empty()) {
      check.state = HostCheck::State::warn;
      check.detail = fmt::format("not found: {}", row.without);
      check.fix = row.fix;
    }
    checks.push_back(std::move(check));
  }
  // Browsers and curl know *.localhost; libc asks a module.
  HostCheck names{.name = "names *.localhost"};
  if (host_output({"getent", "hosts", "slipway-doctor.localhost"}, host_env, name_time)) {
    names.detail = "programs of this host can open an app's URL";
  } else {
    names.state = HostCheck::State::warn;
    names.detail = "programs of this host cannot open an app's URL by name (browsers and curl can)";
    names.fix = "apt install libnss-myhostname";
  }
  checks.push_back(std::move(names));
  return checks;
}

std::vector<HostCheck> check_registries(const EnvVars& host_env, Duration time_limit) {
  std::vector<std::pair<RegistryCheck, std::string>> asked;
  for (RegistryCheck& check : registries()) {
    const auto found = find_on_path(host_env, check.tool);
    if (!found.empty()) asked.emplace_back(std::move(check), found.front().string());
  }
  std::vector<HostCheck> checks(asked.size());
  run_side_by_side("registries", asked.size(), [&](std::size_t i) {
    checks[i] = check_registry(asked[i].first, asked[i].second, host_env, time_limit);
  });
  return checks;
}

}  // namespace slipway
