#include "cli/origin.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <optional>
#include <system_error>

#include "base/ids.h"
#include "base/text.h"
#include "cli/api_client.h"
#include "json/json.h"
#include "sys/files.h"

namespace slipway::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t largest_file = 1u << 20;

// The URL of the remote `origin` in a .git/config; the first of several.
std::string remote_in(std::string_view config) {
  bool inside = false;
  for (std::string_view line : split(config, '\n')) {
    line = trim(line);
    if (line.starts_with('[')) inside = line == "[remote \"origin\"]";
    if (!inside || !line.starts_with("url")) continue;
    const auto equals = line.find('=');
    if (equals != std::string_view::npos && trim(line.substr(0, equals)) == "url")
      return plain_remote(trim(line.substr(equals + 1)));
  }
  return {};
}

std::optional<std::string> git_origin(const fs::path& folder) {
  for (fs::path at = folder;; at = at.parent_path()) {
    std::error_code error;
    if (fs::exists(at / ".git", error)) {
      const Result<std::string> config = read_file(at / ".git" / "config", largest_file);
      const std::string remote = config ? remote_in(*config) : std::string();
      if (remote.empty()) return std::nullopt;
      const std::string within = folder.lexically_relative(at).generic_string();
      return within == "." ? "git:" + remote : fmt::format("git:{}#{}", remote, within);
    }
    if (at == at.parent_path()) return std::nullopt;
  }
}

}  // namespace

std::string plain_remote(std::string_view url) {
  const auto scheme = url.find("://");
  std::string text(scheme == std::string_view::npos ? url : url.substr(scheme + 3));
  const auto slash = text.find('/');
  if (const auto at = text.rfind('@', slash); at != std::string::npos) text.erase(0, at + 1);
  if (scheme == std::string_view::npos) {
    // A path of this machine says nothing elsewhere; "host:a/b" is how ssh is written.
    const auto colon = text.find(':');
    if (colon == std::string::npos || text.starts_with('/') || text.starts_with('.')) return {};
    text[colon] = '/';
  } else if (url.starts_with("file:")) {
    return {};
  }
  while (text.ends_with('/')) text.pop_back();
  if (text.ends_with(".git")) text.resize(text.size() - 4);
  return text.size() > 400 ? std::string() : sanitize_line(to_lower(text));
}

Result<std::string> origin_of(const fs::path& folder, const fs::path& config_dir) {
  if (std::optional<std::string> git = git_origin(folder)) return *std::move(git);
  const fs::path file = config_dir / "origins.json";
  json::object known;
  if (const Result<std::string> text = read_file(file, largest_file))
    if (Result<json::value> parsed = parse_json(*text); parsed && parsed->is_object())
      known = std::move(parsed->get_object());
  if (const std::string id = text_at(known, folder.string()); !id.empty()) return "folder:" + id;
  const std::string id = random_id();
  known[folder.string()] = id;
  SLIPWAY_CHECK(make_directories(config_dir, 0700));
  SLIPWAY_CHECK(write_file_atomic(file, json::serialize(known) + "\n", 0600));
  return "folder:" + id;
}

}  // namespace slipway::cli
