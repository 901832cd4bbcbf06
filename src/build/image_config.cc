#include "build/image_config.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <utility>

#include "base/text.h"

namespace slipway {
namespace {

namespace json = boost::json;

constexpr std::size_t most_words = 4096;

const json::object* object_at(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value == nullptr ? nullptr : value->if_object();
}
std::string text_at(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}
std::vector<std::string> words_at(const json::object& object, std::string_view name) {
  std::vector<std::string> out;
  if (const json::value* value = object.if_contains(name); value != nullptr && value->is_array())
    for (const json::value& each : value->get_array())
      if (each.is_string() && out.size() < most_words) out.emplace_back(each.get_string());
  return out;
}

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<std::uint32_t> in_range(std::uint32_t id) {
  if (id <= 65'535) return id;
  return fail(Errc::build_failed,
              fmt::format("the image runs as id {}, and a sandbox has the ids 0 to 65535", id),
              "give USER a smaller id in the Dockerfile");
}

}  // namespace

Result<ImageConfig> parse_image_config(std::string_view inspected) {
  json::error_code error;
  const json::value value = json::parse(inspected, error);
  const json::object* top = value.if_object();
  const json::object* docker = top == nullptr || error ? nullptr : object_at(*top, "Docker");
  const json::object* config = docker == nullptr ? nullptr : object_at(*docker, "config");
  if (config == nullptr)
    return fail(Errc::corrupt, "the image's configuration cannot be read as buildah writes it");
  ImageConfig out;
  out.entrypoint = words_at(*config, "Entrypoint");
  out.command = words_at(*config, "Cmd");
  for (const std::string& row : words_at(*config, "Env")) {
    const std::size_t equals = row.find('=');
    if (equals != 0 && equals != std::string::npos && row.find('\0') == std::string::npos)
      out.env[row.substr(0, equals)] = row.substr(equals + 1);
  }
  if (std::string directory = text_at(*config, "WorkingDir"); directory.starts_with('/'))
    out.workdir = std::move(directory);
  out.user = text_at(*config, "User");
  out.stop_signal = text_at(*config, "StopSignal");
  if (const json::object* ports = object_at(*config, "ExposedPorts"))
    for (const auto& each : *ports) {
      const std::string_view name = each.key();
      const std::size_t slash = name.find('/');
      const auto port = number(name.substr(0, slash));
      if (port && *port > 0 && *port < 65'536 &&
          (slash == std::string_view::npos || name.substr(slash) == "/tcp"))
        out.ports.push_back(static_cast<int>(*port));
    }
  std::ranges::sort(out.ports);
  if (const json::object* volumes = object_at(*config, "Volumes"))
    for (const auto& each : *volumes)
      if (each.key().starts_with("/")) out.volumes.emplace_back(each.key());
  std::ranges::sort(out.volumes);
  if (const json::object* check = object_at(*config, "Healthcheck"))
    out.health_path = health_path_of(join(words_at(*check, "Test"), " "));
  return out;
}

std::optional<std::string> health_path_of(std::string_view command) {
  static const RE2 pattern(
      R"re(\b(?:curl|wget)\b.*?(?:https?://)?(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]))re"
      R"re((?::[0-9$A-Z_a-z{}]+)?(/[A-Za-z0-9._~/%-]*)?(?:[\s"'|;&?)]|$))re");
  std::string path;
  if (!RE2::PartialMatch(command, pattern, &path)) return std::nullopt;
  return path.empty() ? "/" : path;
}

int signal_number(std::string_view name) {
  if (const auto given = number(name); given && *given >= 1 && *given <= 64)
    return static_cast<int>(*given);
  if (name.starts_with("SIG")) name.remove_prefix(3);
  constexpr std::pair<std::string_view, int> names[] = {
      {"HUP", 1},   {"INT", 2},   {"QUIT", 3},  {"KILL", 9},   {"USR1", 10},
      {"USR2", 12}, {"TERM", 15}, {"STOP", 15}, {"WINCH", 28}, {"PWR", 30}};
  for (const auto& [known, value] : names)
    if (known == name) return value;
  constexpr int first_real_time = 34;
  if (name.starts_with("RTMIN+"))
    if (const auto above = number(name.substr(6)); above && *above <= 30)
      return first_real_time + static_cast<int>(*above);
  return 15;
}

Result<ImageUser> resolve_user(std::string_view user, std::string_view passwd,
                               std::string_view group) {
  const std::size_t colon = user.find(':');
  const std::string_view name = user.substr(0, colon);
  const std::string_view group_name =
      colon == std::string_view::npos ? std::string_view{} : user.substr(colon + 1);
  ImageUser out;
  const auto id = name.empty() ? std::optional<std::uint32_t>(0) : number(name);
  bool known = id.has_value();
  std::string login(name);
  if (id) out.uid = *id;
  for (const std::string_view row : lines(passwd)) {
    const auto fields = split(row, ':');
    if (fields.size() < 6) continue;
    const auto uid = number(fields[2]), gid = number(fields[3]);
    if (!uid || !gid || (id ? *uid != *id : fields[0] != name)) continue;
    known = true;
    out.uid = *uid;
    out.gid = *gid;
    login = fields[0];
    if (fields[5].starts_with('/')) out.home = fields[5];
    break;
  }
  if (!known)
    return fail(Errc::build_failed,
                fmt::format("the image runs as user {}, whom its /etc/passwd does not know",
                            sanitize_line(name)),
                "make the user in the Dockerfile (adduser, useradd), or give USER a number");
  bool group_known = group_name.empty();
  if (const auto gid = number(group_name); gid && !group_name.empty()) {
    out.gid = *gid;
    group_known = true;
  }
  for (const std::string_view row : lines(group)) {
    const auto fields = split(row, ':');
    if (fields.size() < 3) continue;
    const auto gid = number(fields[2]);
    if (!gid) continue;
    if (!group_name.empty()) {
      if (fields[0] != group_name) continue;
      out.gid = *gid;
      group_known = true;
    } else if (fields.size() > 3 && out.groups.size() < 64 && *gid <= 65'535) {
      const auto members = split(fields[3], ',');
      if (std::ranges::find(members, login) != members.end()) out.groups.push_back(*gid);
    }
  }
  if (!group_known)
    return fail(Errc::build_failed,
                fmt::format("the image runs in group {}, which its /etc/group does not know",
                            sanitize_line(group_name)),
                "make the group in the Dockerfile, or give USER a number");
  SLIPWAY_TRY(out.uid, in_range(out.uid));
  SLIPWAY_TRY(out.gid, in_range(out.gid));
  return out;
}

std::string shell_line(const std::vector<std::string>& argv) {
  // The shell form is a shell's already.
  if (argv.size() == 3 && argv[0] == "/bin/sh" && argv[1] == "-c") return argv[2];
  std::string out;
  for (const std::string& word : argv) {
    const bool plain = !word.empty() && std::ranges::all_of(word, [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
             std::string_view("@%+=:,./-_").find(c) != std::string_view::npos;
    });
    if (!out.empty()) out += ' ';
    if (plain) {
      out += word;
      continue;
    }
    out += '\'';
    for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    out += '\'';
  }
  return out;
}

}  // namespace slipway
