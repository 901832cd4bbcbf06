#include "api/server_start.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <memory>
#include <set>
#include <thread>

#include "base/log.h"
#include "base/task_group.h"
#include "base/text.h"
#include "db/uid_slots.h"
#include "sys/directory.h"
#include "sys/files.h"

namespace slipway {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

Result<std::vector<fs::path>> paths_in(const fs::path& directory) {
  std::error_code problem;
  std::vector<fs::path> out;
  for (const fs::directory_entry& entry : entries_of(directory, problem))
    out.push_back(entry.path());
  if (problem) return fail_errno(problem.value(), "read " + directory.string());
  return out;
}

}  // namespace

Status claim_data(const fs::path& data) {
  SLIPWAY_CHECK(make_directories(data, 0700));
  struct stat info{};
  if (::stat(data.c_str(), &info) != 0) return fail_errno(errno, "stat " + data.string());
  std::error_code ignored;
  const fs::path database = data / "slipway.db";
  if ((info.st_mode & 0077) != 0) {
    SLIPWAY_TRY(std::vector<fs::path> held, paths_in(data));
    std::erase_if(held, [](const fs::path& path) { return path.filename() == "lost+found"; });
    if (!fs::exists(database, ignored) && !held.empty())
      return fail(Errc::failed_precondition,
                  fmt::format("{} is open to others (mode {:o}) and holds other things",
                              data.string(), info.st_mode & 07777),
                  "give Slipway a directory of its own with --data");
    if (::chmod(data.c_str(), 0700) != 0) return fail_errno(errno, "chmod " + data.string());
    log_info("the data directory is its owner's alone now", {{"data", data.string()}});
  }
  // The database's other files take its mode.
  SLIPWAY_TRY(const Fd file, open_file(database, O_RDWR | O_CREAT, 0600));
  for (const char* suffix : {"", "-wal", "-shm"})
    if (::chmod((database.string() + suffix).c_str(), 0600) != 0 && errno != ENOENT)
      return fail_errno(errno, "chmod " + database.string() + suffix);
  if (::chmod((data / "store/blobs").c_str(), 0700) != 0 && errno != ENOENT)
    return fail_errno(errno, "chmod the blobs");
  return {};
}

Result<Fd> lock_data(const fs::path& data) {
  SLIPWAY_TRY(Fd lock, open_file(data / "lock", O_RDWR | O_CREAT, 0600));
  // One that was killed may leave a child behind for a moment, which has the lock until it ends.
  constexpr int attempts = 40;
  int attempt = 0;
  while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0 && ++attempt < attempts)
    std::this_thread::sleep_for(50ms);
  if (attempt == attempts)
    return fail(Errc::conflict, fmt::format("another Slipway server uses {}", data.string()),
                "stop it first, or give this one another directory with --data");
  return lock;
}

Result<std::string> local_token(const fs::path& data) {
  const fs::path file = data / "token";
  if (auto token = read_file(file, 256); token && token->size() >= 32) return *std::move(token);
  const std::string token = "slp_" + random_secret();
  SLIPWAY_CHECK(write_file_atomic(file, token, 0600));
  return token;
}

Result<TokenKey> token_key(const fs::path& data) {
  const fs::path file = data / "token.key";
  if (const auto text = read_file(file, 256)) {
    const auto digest = Digest::parse(trim(*text));
    if (!digest)
      return fail(Errc::corrupt, fmt::format("{} is not a key", file.string()),
                  "restore it; or remove it, and every token that was given out ends");
    return TokenKey{*digest};
  } else if (text.error().code != Errc::not_found) {
    return fail(text.error());
  }
  const TokenKey key{sha256(random_secret())};
  SLIPWAY_CHECK(write_file_atomic(file, key.bytes.hex() + "\n", 0600));
  return key;
}

Result<int> find_port(const std::string& address, int port) {
  const std::string service = std::to_string(port);
  addrinfo hints{.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
                 .ai_socktype = SOCK_STREAM};
  addrinfo* found = nullptr;
  if (::getaddrinfo(address.c_str(), service.c_str(), &hints, &found) != 0)
    return fail(Errc::invalid_argument, fmt::format("'{}' is not an address to listen on", address),
                "give a numeric one, such as 127.0.0.1 or 0.0.0.0");
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, ::freeaddrinfo);
  const Fd socket(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(socket.get(), found->ai_addr, found->ai_addrlen) != 0) {
    const int code = errno;
    if (code == EADDRINUSE)
      return fail(Errc::conflict, fmt::format("port {} is in use", port),
                  "choose another with --listen, such as :7071");
    return fail_errno(code, fmt::format("listen on {}:{}", address, port));
  }
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &length);
  return ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                                           : reinterpret_cast<const sockaddr_in&>(bound).sin_port);
}

namespace {

Status remove_entries(const fs::path& directory, const std::set<std::string>& but) {
  SLIPWAY_TRY(const std::vector<fs::path> paths, paths_in(directory));
  for (const fs::path& path : paths)
    if (!but.contains(path.filename().string())) SLIPWAY_CHECK(remove_tree(path));
  return {};
}

}  // namespace

Result<std::set<std::string>> remove_left_overs(const fs::path& data, Engine& engine) {
  SLIPWAY_TRY(const std::vector<SandboxInfo> known, engine.list());
  std::set<std::string> ids;
  // What ended meanwhile leaves its writable layer, and nobody takes that up again.
  for (const SandboxInfo& info : known)
    if (info.running) ids.insert(info.id);
  SLIPWAY_CHECK(remove_entries(data / "instances", ids));
  // Builds do not outlive their server; what they had for themselves, and bodies half received, do.
  SLIPWAY_CHECK(remove_entries(data / "scratch", {}));
  return ids;
}

Status remove_ended_since(const fs::path& data, Engine& engine, const std::set<std::string>& kept) {
  SLIPWAY_TRY(const std::vector<SandboxInfo> known, engine.list());
  std::set<std::string> ended = kept;
  for (const SandboxInfo& info : known)
    if (info.running) ended.erase(info.id);
  for (const std::string& id : ended) SLIPWAY_CHECK(remove_tree(data / "instances" / id));
  return {};
}

Status hold_running_uid_slots(Database& database, Engine& engine) {
  SLIPWAY_TRY(const std::vector<SandboxInfo> known, engine.list());
  std::vector<std::uint32_t> in_use;
  for (const SandboxInfo& info : known)
    for (const auto& [name, value] : info.labels) {
      std::uint32_t slot = 0;
      if (!info.running || name != "uid_slot") continue;
      std::from_chars(value.data(), value.data() + value.size(), slot);
      if (slot > 0) in_use.push_back(slot);
    }
  return hold_uid_slots(database, in_use);
}

void end_apps(Engine& engine, Duration grace) {
  constexpr std::size_t at_once = 16;
  const auto all = engine.list();
  std::vector<std::string> running;
  for (const SandboxInfo& info : all ? *all : std::vector<SandboxInfo>())
    if (info.running) running.push_back(info.id);
  std::atomic<std::size_t> next = 0;
  run_side_by_side("apps to end", std::min(at_once, running.size()), [&](std::size_t) {
    for (std::size_t i = next++; i < running.size(); i = next++)
      if (Status stopped = engine.stop(running[i], grace); !stopped)
        log_error("an app was not ended",
                  {{"sandbox", running[i]}, {"error", stopped.error().message}});
  });
  log_info("apps ended", {{"apps", running.size()}});
}

std::vector<std::string> approvers_of(IdentityStore& identity, const std::string& team) {
  std::set<std::string> names;
  for (const std::string& each : {std::string("default"), team})
    for (const Member& member : identity.members(each))
      if (role_permissions(member.role).contains(Permission::approve))
        names.insert(person_name(member.team, member.name));
  return {names.begin(), names.end()};
}

Result<std::string> standing_of(IdentityStore& identity, const Actor& actor,
                                const std::string& team, const std::string& then) {
  const auto gone = [](std::string message) {
    return fail(Errc::permission_denied, std::move(message), "somebody else asks for it again");
  };
  std::set<std::string> agents;
  for (const std::string& link : actor.chain)
    if (link.starts_with("agent:")) agents.insert(link.substr(link.find(':') + 1));
  if (!agents.empty())
    for (const IdentityStore::Agent& agent : identity.agents())
      if (agent.killed_at && agents.contains(agent.name))
        return gone(fmt::format("the agent {}, which asked for it, was killed", agent.name));
  // People change theirs and go on; an agent's is what it may do.
  if (actor.kind == "agent" && identity.was_revoked(actor))
    return gone(
        fmt::format("the token of the agent {}, which asked for it, was revoked", actor.name));
  const std::string& person = actor.kind == "human" ? actor.name : actor.on_behalf_of;
  std::optional<Role> now;
  for (const std::string& each : {team, std::string("default")})
    for (const Member& member : identity.members(each))
      if (person_name(member.team, member.name) == person && (!now || member.role > *now))
        now = member.role;
  if (!now && person == "local") now = Role::admin;  // whoever runs the server
  if (!now)
    return gone(fmt::format("{}, who asked for it, is no longer a member of {}", person, team));
  const auto before = parse_role(then);
  if (before && !role_permissions(*before).without(role_permissions(*now)).empty())
    return gone(
        fmt::format("{}, who asked for it as {}, is {} now", person, then, to_string(*now)));
  return std::string(to_string(*now));
}

SpeedLimits speed_limits(const Settings::Limits& limits) {
  const auto a_second = [](std::uint32_t n) { return Rate{10.0 * n, Duration{1s} / n}; };
  const auto a_minute = [](std::uint32_t n) {
    return Rate{static_cast<double>(n), Duration{60s} / n};
  };
  return {.human_requests = a_second(limits.human_requests),
          .agent_requests = a_second(limits.agent_requests),
          .human_deploys = a_minute(limits.human_deploys),
          .agent_deploys = a_minute(limits.agent_deploys),
          .project_deploys = a_minute(limits.project_deploys)};
}

}  // namespace slipway
