// Copies of an environment's volumes, and going back to one.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <cerrno>

#include "base/ids.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/text.h"
#include "deploy/volumes_state.h"
#include "json/json.h"
#include "json/reader.h"
#include "sys/directory.h"

namespace slipway {
namespace fs = std::filesystem;
namespace {

// <home>/snapshots/<id>/{info.json, volumes/<name>}. While a snapshot is being made its directory
// is ".new-…". A restore prepares ".swap-<id>", exchanges its volumes with the live ones in one
// step and then gives it its name: so at any instant the live ones are whole, and what they were
// before is a snapshot.
constexpr std::string_view swap_prefix = ".swap-";

bool is_snapshot_id(std::string_view id) {
  return id.size() == 14 && id.starts_with("snp_") &&
         std::ranges::all_of(id.substr(4), [](unsigned char c) { return std::isalnum(c) != 0; });
}

Status write_info(const fs::path& directory, const Volumes::Snapshot& snapshot) {
  const json::object text{
      {"at", to_rfc3339(snapshot.at)}, {"bytes", snapshot.bytes}, {"reason", snapshot.reason}};
  return write_file_atomic(directory / "info.json", json::serialize(text) + "\n", 0600);
}

Result<Volumes::Snapshot> read_info(const fs::path& directory) {
  SLIPWAY_TRY(const std::string text, read_file(directory / "info.json", 64u << 10));
  SLIPWAY_TRY(const json::value value, parse_json(text));
  Volumes::Snapshot out{.id = directory.filename().string()};
  std::string at;
  JsonReader reader(value);
  reader.read("at", at).read("bytes", out.bytes).read("reason", out.reason);
  SLIPWAY_CHECK(reader.status());
  const auto time = parse_rfc3339(at);
  if (!time) return fail(Errc::corrupt, "a snapshot without a time");
  out.at = *time;
  return out;
}

std::unexpected<Error> no_snapshot(std::string_view id, std::string_view project,
                                   std::string_view environment) {
  return fail(Errc::not_found,
              fmt::format("{} of {} has no snapshot {}", environment, project, sanitize_line(id)),
              fmt::format("see: slipway volume snapshots {} --env {}", project, environment));
}

}  // namespace

std::vector<Volumes::Snapshot> Volumes::State::snapshots(const fs::path& home) const {
  std::vector<Snapshot> out;
  std::error_code error;
  for (const fs::directory_entry& entry : entries_of(home / "snapshots", error)) {
    if (!is_snapshot_id(entry.path().filename().string())) continue;
    if (auto info = read_info(entry.path()))
      out.push_back(*std::move(info));
    else
      log_warn("a snapshot cannot be read",
               {{"path", entry.path().string()}, {"error", info.error().message}});
  }
  std::ranges::sort(out, std::greater(),
                    [](const Snapshot& each) { return std::pair(each.at, each.id); });
  return out;
}

Status Volumes::State::trim(const fs::path& home) const {
  const std::vector<Snapshot> all = snapshots(home);
  for (std::size_t i = parts.settings.volumes.keep_snapshots; i < all.size(); ++i) {
    const fs::path gone = home / (".gone-" + all[i].id);
    if (::rename((home / "snapshots" / all[i].id).c_str(), gone.c_str()) != 0)
      return fail_errno(errno, "remove a snapshot");
    SLIPWAY_CHECK(remove_tree(gone));
  }
  return {};
}

Result<std::optional<Volumes::Snapshot>> Volumes::State::snapshot(const fs::path& home,
                                                                  std::string_view reason,
                                                                  const Before& before) const {
  std::error_code error;
  const fs::path live = home / "live";
  if (!fs::is_directory(live, error) || fs::is_empty(live, error)) return std::nullopt;
  Snapshot made{.id = "snp_" + random_id(),
                .at = parts.clock.now(),
                .bytes = 0,
                .reason = std::string(reason)};
  if (before) SLIPWAY_CHECK(before(made.id));
  SLIPWAY_CHECK(make_directories(home / "snapshots", 0700));
  SLIPWAY_TRY(TempDir fresh, TempDir::create(home, ".new-"));
  SLIPWAY_CHECK(make_directories(fresh.path() / "volumes", 0700));
  SLIPWAY_TRY(made.bytes, parts.copy({.from = live, .to = fresh.path() / "volumes"}));
  SLIPWAY_CHECK(write_info(fresh.path(), made));
  SLIPWAY_CHECK(put(fresh, home / "snapshots" / made.id));
  return made;
}

Status Volumes::State::finish_restores(const fs::path& home) const {
  std::error_code error;
  for (const fs::directory_entry& entry : entries_of(home / "snapshots", error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(swap_prefix)) continue;
    // Whether it was exchanged already cannot be seen; either way its contents are worth keeping.
    const fs::path to = home / "snapshots" / name.substr(swap_prefix.size());
    if (::rename(entry.path().c_str(), to.c_str()) != 0)
      return fail_errno(errno, "finish a restore");
  }
  return {};
}

Result<std::optional<Volumes::Snapshot>> Volumes::snapshot(std::string_view project,
                                                           std::string_view environment,
                                                           std::string_view reason,
                                                           const Before& before) const {
  SLIPWAY_TRY(const fs::path home, state_->home(project, environment));
  const auto held = state_->lock_of(home);
  const MutexLock lock(*held);
  auto made = state_->snapshot(home, reason, before);
  if (!made)
    return fail(
        made.error().code,
        fmt::format("the volumes of {} were not copied: {}", environment, made.error().message),
        made.error().hint);
  if (Status trimmed = state_->trim(home); !trimmed)
    log_warn("old snapshots were not removed", {{"error", trimmed.error().message}});
  return made;
}

Result<std::vector<Volumes::Snapshot>> Volumes::snapshots(std::string_view project,
                                                          std::string_view environment) const {
  SLIPWAY_TRY(const fs::path home, state_->home(project, environment));
  return state_->snapshots(home);
}

Status Volumes::restore(std::string_view project, std::string_view environment,
                        std::string_view snapshot) const {
  SLIPWAY_TRY(const fs::path home, state_->home(project, environment));
  const auto held = state_->lock_of(home);
  const MutexLock lock(*held);
  std::error_code error;
  const fs::path from = home / "snapshots" / snapshot;
  if (!is_snapshot_id(snapshot) || !fs::is_directory(from / "volumes", error))
    return no_snapshot(snapshot, project, environment);
  SLIPWAY_TRY(const Snapshot restored, read_info(from));
  const Snapshot before{.id = "snp_" + random_id(),
                        .at = state_->parts.clock.now(),
                        .bytes = disk_usage(home / "live", UINT64_MAX),
                        .reason = fmt::format("before {} was restored", snapshot)};
  SLIPWAY_TRY(TempDir fresh, TempDir::create(home, ".new-"));
  SLIPWAY_CHECK(make_directories(fresh.path() / "volumes", 0700));
  SLIPWAY_TRY([[maybe_unused]] const std::uint64_t bytes,
              state_->parts.copy({.from = from / "volumes", .to = fresh.path() / "volumes"}));
  const fs::path live = home / "live";
  if (!fs::exists(live, error)) {
    if (::rename((fresh.path() / "volumes").c_str(), live.c_str()) != 0)
      return fail_errno(errno, "restore a volume");
    return fsync_directory(home);
  }
  SLIPWAY_CHECK(write_info(fresh.path(), before));
  const fs::path swap = home / "snapshots" / (std::string(swap_prefix) + before.id);
  SLIPWAY_CHECK(state_->put(fresh, swap));
  if (::renameat2(AT_FDCWD, (swap / "volumes").c_str(), AT_FDCWD, live.c_str(), RENAME_EXCHANGE) !=
      0) {
    const int saved = errno;
    std::ignore = remove_tree(swap);
    return fail_errno(saved, "restore a volume");
  }
  SLIPWAY_CHECK(fsync_directory(home));
  SLIPWAY_CHECK(state_->finish_restores(home));
  SLIPWAY_CHECK(fsync_directory(home / "snapshots"));
  if (Status trimmed = state_->trim(home); !trimmed)
    log_warn("old snapshots were not removed", {{"error", trimmed.error().message}});
  return {};
}

Status Volumes::remove_snapshot(std::string_view project, std::string_view environment,
                                std::string_view snapshot) const {
  SLIPWAY_TRY(const fs::path home, state_->home(project, environment));
  const auto held = state_->lock_of(home);
  const MutexLock lock(*held);
  std::error_code error;
  if (!is_snapshot_id(snapshot) || !fs::exists(home / "snapshots" / snapshot, error))
    return no_snapshot(snapshot, project, environment);
  const fs::path gone = home / (".gone-" + std::string(snapshot));
  if (::rename((home / "snapshots" / snapshot).c_str(), gone.c_str()) != 0)
    return fail_errno(errno, "remove a snapshot");
  return remove_tree(gone);
}

}  // namespace slipway
