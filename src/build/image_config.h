#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/deployment.h"

namespace slipway {

// What a built image says of itself, as `buildah inspect --type image` prints it. Value.
struct ImageConfig {
  std::vector<std::string> entrypoint, command;
  EnvVars env;
  std::string workdir = "/";
  std::string user;  // as written: "node", "1000:1000", ""
  std::string stop_signal;
  std::vector<int> ports;  // exposed by TCP, sorted
  std::vector<std::string> volumes;
  std::optional<std::string> health_path;  // of a check that asks the image itself by HTTP
};
// The text comes from a build: checked, and bounded by its reader. Errors: corrupt.
[[nodiscard]] Result<ImageConfig> parse_image_config(std::string_view inspected);

// The path that a health check's command asks for: "curl -f http://localhost:80/healthz" has
// "/healthz".
[[nodiscard]] std::optional<std::string> health_path_of(std::string_view command);

// "SIGQUIT", "QUIT" and "3" are 3; SIGTERM when it is none.
[[nodiscard]] int signal_number(std::string_view name);

// Who `user` ("name", "name:group", "1000", "1000:50", "") is by an image's own passwd and group
// files. Errors: build_failed for names that they lack and ids beyond 65535.
struct ImageUser {
  std::uint32_t uid = 0, gid = 0;
  std::vector<std::uint32_t> groups;
  std::string home = "/";
};
[[nodiscard]] Result<ImageUser> resolve_user(std::string_view user, std::string_view passwd,
                                             std::string_view group);

// An argument list as a person would type it.
[[nodiscard]] std::string shell_line(const std::vector<std::string>& argv);

}  // namespace slipway
