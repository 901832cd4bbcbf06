#pragma once

#include <optional>
#include <string_view>

namespace slipway {

// What secret a file of a project holds by its name: "private key", "key store", "login" or
// "variables"; "" for none. Public keys, certificates and examples hold none. For the table
// sensitive_file.
//
// `looks` when the name alone does not tell (server.pem may be a certificate): the caller then asks
// again with the first `kept_secrets_head` bytes of the file. Without them the careful answer.
struct KeptSecret {
  std::string_view what;
  bool looks = false;
};
inline constexpr std::size_t kept_secrets_head = 64u << 10;
[[nodiscard]] KeptSecret kept_secret(std::string_view path,
                                     std::optional<std::string_view> head = {});

}  // namespace slipway
