#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/api_client.h"
#include "cli/command.h"
#include "cli/credentials.h"

namespace slipway::cli {

// Which server a command talks to.
struct ServerChoice {
  std::string url;    // "" means the local one, wherever it listens
  std::string token;  // "" means: take the local server's when the URL is its own
  // Whether a server may be started when none answers there.
  enum class Start { never, when_down } start = Start::never;
  bool operator==(const ServerChoice&) const = default;
};

// The first of: --server, SLIPWAY_SERVER, the data directory that SLIPWAY_DATA names, the
// credentials file, the default local server. --token and SLIPWAY_TOKEN replace the token of
// whichever it is; the file's token goes to the file's server only. Pure.
[[nodiscard]] ServerChoice choose_server(const CommonOptions& options, const CliEnvironment& env,
                                         const std::optional<Credentials>& credentials);

// Whether a URL leads to this machine itself.
[[nodiscard]] bool is_loopback(std::string_view url);

// What a running server says of itself in "<data_dir>/server.json".
struct ServerFile {
  std::string url, token;
  std::string address;  // where it listens, by number; its name may not resolve here
  int pid = 0;

  [[nodiscard]] const std::string& reach() const { return address.empty() ? url : address; }
};
[[nodiscard]] std::optional<ServerFile> read_server_file(const std::filesystem::path& data_dir);

// A connection to the chosen server; starts a local one when that is what is wanted and none runs.
// Errors: unavailable, with the end of the server's log when it would not start.
[[nodiscard]] Result<std::unique_ptr<ApiClient>> connect_server(Context& context);
// The same, but only to a server that runs already.
[[nodiscard]] Result<std::unique_ptr<ApiClient>> connect_running_server(Context& context);

// Starts `<self> serve --data <data_dir>` as a process of its own, its output in
// "<data_dir>/server.log", and waits until it answers. When several call this at once, one starts
// it and all get it.
[[nodiscard]] Result<ServerFile> start_local_server(Context& context);

}  // namespace slipway::cli
