#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"

namespace slipway::cli {

// Where the user's server is, and the key to it: "<config_dir>/credentials.json", mode 0600. A
// local server writes it at its first start when it is absent; `slipway login` replaces it.
struct Credentials {
  std::string server;  // "http://localhost:7070"
  std::string token;
  // Written by `slipway login`: then the server is what the user named, and none is started in its
  // place.
  enum class Origin { local_server, login } origin = Origin::local_server;
  bool operator==(const Credentials&) const = default;
};

// Nothing when there are none. Errors: a file that is not what it should be, by name.
[[nodiscard]] Result<std::optional<Credentials>> load_credentials(
    const std::filesystem::path& config_dir);
// Makes the folder (0700) when needed.
[[nodiscard]] Status save_credentials(const std::filesystem::path& config_dir,
                                      const Credentials& credentials);

// The server that the last `slipway login` did not get into; nothing after one that did.
[[nodiscard]] std::optional<std::string> failed_login(const std::filesystem::path& config_dir);
[[nodiscard]] Status remember_failed_login(const std::filesystem::path& config_dir,
                                           const std::string& server);
void forget_failed_login(const std::filesystem::path& config_dir);

}  // namespace slipway::cli
