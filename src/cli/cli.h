#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway {

namespace cli {
class HttpTransport;
}

// What `slipway serve` was told. Absent means: as the configuration file says, else the default.
struct ServeOptions {
  std::optional<std::filesystem::path> data;
  std::optional<std::string> listen;  // "127.0.0.1:7070"; port 0 is any free one
  std::optional<std::string> domain;  // "localhost"
  std::optional<std::filesystem::path> config;
};

// Everything the command line takes from its process, so that nothing below main() asks for it.
// A plain value; the descriptors stay the caller's.
struct CliEnvironment {
  std::map<std::string, std::string> variables;
  int in = 0, out = 1, err = 2;
  bool in_tty = false, out_tty = false, err_tty = false;
  std::filesystem::path cwd;
  std::filesystem::path home;        // "" when there is none
  std::filesystem::path config_dir;  // credentials.json
  std::filesystem::path cache_dir;   // stat caches and manifests; losing it costs time only
  std::filesystem::path data_dir;    // of the server that is started when none is configured
  std::filesystem::path self;        // this executable
  // Runs the server until it is told to stop; the exit code.
  std::function<int(const ServeOptions&)> serve;
  // How a server is reached; empty means over HTTP. A seam for tests.
  std::function<Result<std::unique_ptr<cli::HttpTransport>>(std::string_view base_url)> connect;

  // The value of a variable, or "" when it is not set.
  [[nodiscard]] std::string_view variable(std::string_view name) const;
};

// The environment of this process: descriptors 0 to 2, XDG_CONFIG_HOME, XDG_CACHE_HOME,
// SLIPWAY_DATA, HOME and the rest of `envp`. `serve` is left for the caller to set.
[[nodiscard]] CliEnvironment make_cli_environment(char** envp);

// The whole command line. Returns the exit code (DESIGN.md §5). Prints results on stdout, the rest
// on stderr. Ignores SIGPIPE for the process.
[[nodiscard]] int run_cli(int argc, char** argv, const CliEnvironment& env);

}  // namespace slipway
