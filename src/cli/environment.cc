#include <unistd.h>

#include <system_error>

#include "cli/cli.h"

namespace slipway {

std::string_view CliEnvironment::variable(std::string_view name) const {
  const auto found = variables.find(std::string(name));
  return found == variables.end() ? std::string_view{} : found->second;
}

namespace {

// XDG: a relative path in one of these variables is to be ignored.
std::filesystem::path xdg(const CliEnvironment& env, std::string_view variable,
                          std::string_view below_home) {
  const std::filesystem::path set = env.variable(variable);
  if (set.is_absolute()) return set / "slipway";
  return (env.home.empty() ? std::filesystem::path("/tmp") : env.home) / below_home / "slipway";
}

}  // namespace

CliEnvironment make_cli_environment(char** envp) {
  CliEnvironment env;
  for (char** entry = envp; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    env.variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  env.in_tty = ::isatty(env.in) == 1;
  env.out_tty = ::isatty(env.out) == 1;
  env.err_tty = ::isatty(env.err) == 1;
  std::error_code ignored;
  env.cwd = std::filesystem::current_path(ignored);
  env.self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  env.home = env.variable("HOME");
  env.config_dir = xdg(env, "XDG_CONFIG_HOME", ".config");
  env.cache_dir = xdg(env, "XDG_CACHE_HOME", ".cache");
  if (const std::string_view data = env.variable("SLIPWAY_DATA"); !data.empty())
    env.data_dir = (env.cwd / data).lexically_normal();
  else if (::geteuid() == 0)
    env.data_dir = "/var/lib/slipway";
  else
    env.data_dir = env.home / ".local/share/slipway";
  return env;
}

}  // namespace slipway
