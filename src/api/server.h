#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "deploy/settings.h"

namespace slipway {

// What the server takes from its process.
struct ServerEnvironment {
  EnvVars host_env;                // where toolchains and registry settings are found
  std::filesystem::path self_exe;  // dispatches `shim` to shim_main()
  std::filesystem::path
      credentials_file;  // the local user's; written at the first start unless it exists
};

// The whole server in one process: API, router and pipeline over one data directory. start()
// returns once it listens; stop() (or the destructor) ends requests in flight and leaves the apps
// running.
class Server {
 public:
  // Errors: conflict when another server uses the data directory, failed_precondition when the
  // machine lacks something (`slipway doctor` says what), io.
  [[nodiscard]] static Result<std::unique_ptr<Server>> start(Settings settings,
                                                             ServerEnvironment environment);
  ~Server();
  void stop();

  [[nodiscard]] int port() const;
  [[nodiscard]] const std::string& url() const;

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// What the server's configuration says now, for a reload.
struct ServerConfiguration {
  Settings settings;
  std::map<std::string, std::string> values;  // config_values(); empty without a file
};
using ReadConfiguration = std::function<Result<ServerConfiguration>()>;

// Starts a server and waits for SIGTERM or SIGINT. SIGHUP reads the configuration again: what can
// change while it runs does, the rest is named in the log. Call it before other threads exist: it
// blocks those signals for the whole process. The exit code of `slipway serve`.
[[nodiscard]] int run_server(const ServerConfiguration& configuration,
                             ServerEnvironment environment, const ReadConfiguration& read_again);

}  // namespace slipway
