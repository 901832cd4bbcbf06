#include "cli/credentials.h"

#include <fmt/format.h>

#include "base/text.h"
#include "cli/api_client.h"
#include "json/json.h"
#include "sys/files.h"

namespace slipway::cli {

Result<std::optional<Credentials>> load_credentials(const std::filesystem::path& config_dir) {
  const std::filesystem::path file = config_dir / "credentials.json";
  const Result<std::string> text = read_file(file, 65'536);
  if (!text && text.error().code == Errc::not_found) return std::nullopt;
  if (!text) return fail(text.error());
  const Result<json::value> parsed = parse_json(*text);
  if (!parsed || !parsed->is_object())
    return fail(Errc::failed_precondition, fmt::format("{} is not valid JSON", file.string()),
                "remove it, or sign in again: slipway login --server URL");
  const json::object& object = parsed->get_object();
  Credentials out{.server = text_at(object, "server"), .token = text_at(object, "token")};
  if (text_at(object, "origin") == "login") out.origin = Credentials::Origin::login;
  if (out.server.empty()) return std::nullopt;
  return out;
}

Status save_credentials(const std::filesystem::path& config_dir, const Credentials& credentials) {
  SLIPWAY_CHECK(make_directories(config_dir, 0700));
  json::object object{{"server", credentials.server}, {"token", credentials.token}};
  if (credentials.origin == Credentials::Origin::login) object["origin"] = "login";
  return write_file_atomic(config_dir / "credentials.json", pretty(object) + "\n", 0600);
}

std::optional<std::string> failed_login(const std::filesystem::path& config_dir) {
  const Result<std::string> text = read_file(config_dir / "login-failed", 4096);
  if (!text || trim(*text).empty()) return std::nullopt;
  return std::string(trim(*text));
}

Status remember_failed_login(const std::filesystem::path& config_dir, const std::string& server) {
  SLIPWAY_CHECK(make_directories(config_dir, 0700));
  return write_file_atomic(config_dir / "login-failed", server + "\n", 0600);
}

void forget_failed_login(const std::filesystem::path& config_dir) {
  std::error_code ignored;
  std::filesystem::remove(config_dir / "login-failed", ignored);
}

}  // namespace slipway::cli
