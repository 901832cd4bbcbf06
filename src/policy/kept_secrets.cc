#include "policy/kept_secrets.h"

#include <algorithm>

#include "base/text.h"

namespace slipway {
namespace {

template <std::size_t N>
bool among(const std::string_view (&list)[N], std::string_view word) {
  return std::ranges::find(list, word) != std::end(list);
}

constexpr std::string_view private_keys[] = {"id_rsa",     "id_dsa",      "id_ecdsa",
                                             "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk",
                                             "id_xmss",    "identity"};
constexpr std::string_view stores[] = {".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".ppk"};
constexpr std::string_view logins[] = {".git-credentials", ".htpasswd", ".netrc",  "_netrc",
                                       ".pgpass",          ".pypirc",   ".my.cnf", ".dockercfg",
                                       ".vault-token",     "master.key"};
constexpr std::string_view example_endings[] = {".example",  ".sample", ".template", ".dist",
                                                ".defaults", ".schema", ".vault"};
// What the app imports under such a name: `.env.js`.
constexpr std::string_view code_endings[] = {".js", ".mjs", ".cjs", ".ts", ".mts", ".cts"};
constexpr std::string_view public_prefixes[] = {
    "VITE_",   "NEXT_PUBLIC_", "NUXT_PUBLIC_", "PUBLIC_", "REACT_APP_",
    "GATSBY_", "EXPO_PUBLIC_", "VUE_APP_",     "NG_APP_", "STORYBOOK_"};

// A line NAME=VALUE whose value is there and not for everybody's eyes.
bool sets_a_private_value(std::string_view text) {
  for (std::string_view line : lines(text)) {
    line = trim(line);
    if (line.starts_with("export ")) line.remove_prefix(7);
    const auto equals = line.find('=');
    if (line.starts_with('#') || equals == std::string_view::npos) continue;
    const std::string_view name = trim(line.substr(0, equals));
    const std::string_view value = trim(line.substr(equals + 1));
    const bool is_public = std::ranges::any_of(
        public_prefixes, [&](std::string_view prefix) { return name.starts_with(prefix); });
    if (!value.empty() && value != "\"\"" && value != "''" && !is_public) return true;
  }
  return false;
}

// A line of .npmrc with a literal password; "${NPM_TOKEN}" is none.
bool has_a_password(std::string_view text) {
  for (const std::string_view line : lines(text))
    for (const std::string_view name : {"_authToken", "_auth", "_password"}) {
      const auto at = line.find(name);
      if (at == std::string_view::npos || trim(line).starts_with('#')) continue;
      const auto equals = line.find('=', at);
      if (equals == std::string_view::npos) continue;
      const std::string_view value = trim(line.substr(equals + 1));
      if (!value.empty() && !value.contains("${")) return true;
    }
  return false;
}

// PEM or DER, or a bare key in a short text. Certificates and public keys are for everybody.
bool is_private_key(std::string_view suffix, std::string_view text) {
  if (text.contains("PRIVATE KEY-----")) return true;
  if (text.contains("-----BEGIN ")) return false;
  constexpr std::size_t longest_bare_key = 512;
  const bool der = text.starts_with("\x30\x82") || text.starts_with("\x30\x81");
  return suffix == ".key" && (der || (!text.empty() && text.size() <= longest_bare_key));
}

}  // namespace

KeptSecret kept_secret(std::string_view path, std::optional<std::string_view> head) {
  const std::string lower = to_lower(path);
  const std::string_view all = lower;
  const std::string_view name = all.substr(all.rfind('/') + 1);
  const auto dot = name.rfind('.');
  const std::string_view suffix = dot == std::string_view::npos ? "" : name.substr(dot);
  const auto by_content = [&](std::string_view what, auto&& holds) {
    return KeptSecret{.what = !head || holds(*head) ? what : "", .looks = !head};
  };
  if (among(private_keys, name) && (name != "identity" || all.contains(".ssh/")))
    return {.what = "private key"};
  if (among(logins, name) || all.ends_with(".aws/credentials") || all.ends_with(".kube/config"))
    return {.what = "login"};
  if (among(stores, suffix) && name != "debug.keystore") return {.what = "key store"};
  if (suffix == ".pem" || suffix == ".key")
    return by_content("private key",
                      [&](std::string_view text) { return is_private_key(suffix, text); });
  if (name == ".npmrc" || name == ".yarnrc" || all.ends_with(".docker/config.json")) {
    KeptSecret out = by_content("login", [](std::string_view text) {
      return has_a_password(text) || text.contains("\"auth\"");
    });
    if (!head) out.what = "";  // nearly all of them hold settings alone
    return out;
  }
  const bool is_env = name == ".env" || name == ".envrc" || name.starts_with(".env.");
  if (is_env && !among(example_endings, suffix) && !among(code_endings, suffix))
    return by_content("variables", sets_a_private_value);
  if (suffix == ".json" && (name.contains("service-account") || name.contains("service_account") ||
                            name.contains("serviceaccount") || name.contains("credentials") ||
                            name.contains("adminsdk"))) {
    KeptSecret out = by_content(
        "private key", [](std::string_view text) { return text.contains("PRIVATE KEY-----"); });
    if (!head) out.what = "";
    return out;
  }
  return {};
}

}  // namespace slipway
