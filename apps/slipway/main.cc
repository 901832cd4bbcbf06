// Slipway's one binary: the command line, the server and the process beside each sandbox. The
// server's parts are wired together in api/server.cc.

#include <iostream>
#include <string_view>

#include "api/server.h"
#include "base/error.h"
#include "cli/cli.h"
#include "deploy/settings.h"
#include "deploy/volume_copy.h"
#include "engine/shim.h"
#include "sys/files.h"

extern char** environ;

namespace {

using namespace slipway;

Result<ServerConfiguration> configuration_from(const ServeOptions& options,
                                               const CliEnvironment& env) {
  ServerConfiguration out;
  Settings& settings = out.settings;
  settings.data = env.data_dir;
  if (options.config) {
    SLIPWAY_TRY(const std::string text, read_file(*options.config, 1 << 20));
    SLIPWAY_CHECK(apply_config(settings, text, options.config->string()));
    SLIPWAY_TRY(out.values, config_values(text));
  }
  // The command line wins over the file.
  if (options.data) settings.data = *options.data;
  if (options.domain) settings.domain = *options.domain;
  if (options.listen) SLIPWAY_CHECK(apply_listen(settings, *options.listen));
  return out;
}

int serve(const ServeOptions& options, const CliEnvironment& env) {
  const auto read = [&] { return configuration_from(options, env); };
  const Result<ServerConfiguration> configuration = read();
  if (!configuration) {
    std::cerr << "slipway serve: " << configuration.error().message << '\n';
    if (!configuration.error().hint.empty())
      std::cerr << "  " << configuration.error().hint << '\n';
    return info(configuration.error().code).exit_code;
  }
  return run_server(*configuration,
                    {.host_env = env.variables,
                     .self_exe = env.self,
                     .credentials_file = env.config_dir / "credentials.json"},
                    read);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == shim_command) return shim_main(argc, argv);
  if (argc > 1 && std::string_view(argv[1]) == volume_copy_command)
    return volume_copy_main(argc, argv);
  CliEnvironment env = make_cli_environment(environ);
  env.serve = [&env](const ServeOptions& options) { return serve(options, env); };
  return run_cli(argc, argv, env);
}
