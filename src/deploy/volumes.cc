#include "deploy/volumes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <map>

#include "base/ids.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/text.h"
#include "deploy/volume_seed.h"
#include "deploy/volumes_state.h"
#include "sys/copy_tree.h"
#include "sys/directory.h"
#include "sys/files.h"

namespace slipway {
namespace fs = std::filesystem;
namespace {

// Where volumes that are one file are mounted, out of the way; the file itself is a link there.
constexpr std::string_view file_volumes = "/var/lib/slipway/volumes";

bool is_data(std::string_view name, const std::vector<std::string>& databases) {
  if (name == ".gitkeep" || name == ".keep" || name == ".gitignore") return true;
  if (is_database_name(name) || is_beside_database(name)) return true;
  return std::ranges::any_of(
      databases, [&](const std::string& path) { return path.substr(path.rfind('/') + 1) == name; });
}

// Whether a folder has more in it than databases: an app's own files, of which the next deployment
// brings others.
bool holds_source(const Fd& folder, const std::vector<std::string>& databases) {
  std::error_code error;
  for (const fs::directory_entry& entry :
       entries_of(fmt::format("/proc/self/fd/{}", folder.get()), error))
    if (!is_data(entry.path().filename().string(), databases)) return true;
  return false;
}

// A folder that detection chose for the database in it is kept whole only when there is nothing
// else in it. What was decided for an owner once stays so.
Result<std::vector<VolumePlace>> refined(const Service& service, const LayeredView& layers,
                                         const fs::path& live) {
  const std::vector<std::string> databases = database_files(service);
  std::vector<VolumePlace> out;
  std::error_code error;
  for (VolumePlace& place : volume_places(service).places) {
    std::vector<std::string> inside;
    for (const std::string& database : databases)
      if (database.starts_with(place.path + "/")) inside.push_back(database);
    if (place.kind == VolumePlace::Kind::file || inside.empty() ||
        fs::exists(live / place.name, error)) {
      out.push_back(std::move(place));
      continue;
    }
    SLIPWAY_TRY(const Fd folder, layers.find(place.path));
    Service single = service;
    single.volumes = inside;
    std::vector<VolumePlace> files = volume_places(single).places;
    const bool split = std::ranges::any_of(
        files, [&](const VolumePlace& file) { return fs::exists(live / file.name, error); });
    struct stat info{};
    const bool is_folder =
        folder.valid() && ::fstat(folder.get(), &info) == 0 && S_ISDIR(info.st_mode);
    if (split || (is_folder && holds_source(folder, inside)))
      std::ranges::move(files, std::back_inserter(out));
    else
      out.push_back(std::move(place));
  }
  return out;
}

// Copies what the layers have at a place into the empty directory `to`.
Status seed(const LayeredView& layers, const VolumePlace& place, const fs::path& to,
            std::uint64_t limit) {
  SLIPWAY_TRY(const Fd target, open_file(to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  const auto explain = [&](const Error& error) {
    Error told = error;
    told.message =
        fmt::format("the volume {} cannot be made: {}", sanitize_line(place.path), error.message);
    if (error.code == Errc::invalid_argument) {
      told.code = Errc::start_failed;  // the app's own doing
      told.hint = "a volume is no link: remove it from the project, or do not keep that path";
    }
    return fail(std::move(told));
  };
  if (place.kind == VolumePlace::Kind::directory) {
    const Result<Fd> source = layers.find(place.path);
    if (!source) return explain(source.error());
    if (!source->valid()) return {};
    struct stat info{};
    if (::fstat(source->get(), &info) != 0) return fail_errno(errno, "stat a layer's folder");
    if (!S_ISDIR(info.st_mode))
      return explain({.code = Errc::invalid_argument, .message = "a file is in its place"});
    if (auto copied = copy_tree(*source, target, {.max_bytes = limit}); !copied)
      return explain(copied.error());
    return {};
  }
  const std::string file = fs::path(place.path).filename().string();
  const Result<Fd> folder = layers.find(fs::path(place.path).parent_path().string());
  if (!folder) return explain(folder.error());
  if (!folder->valid()) return {};
  // The database and what lies beside it, by names: nothing else of the folder.
  CopyTreeOptions options{.max_bytes = limit};
  options.only = [&](const fs::path& relative) {
    const std::string name = relative.string();
    return name == file || (name.starts_with(file) && is_beside_database(name) &&
                            name.find('-', file.size()) == file.size());
  };
  if (auto copied = copy_tree(*folder, target, options); !copied) return explain(copied.error());
  return {};
}

}  // namespace

// -- places on disk -------------------------------------------------------------------------------

Result<fs::path> Volumes::State::home(std::string_view project, std::string_view owner) const {
  const auto is_name = [](std::string_view text) {
    return !text.empty() && text.size() <= 100 && text.front() != '.' &&
           std::ranges::all_of(text, [](unsigned char c) {
             return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
           });
  };
  if (!is_name(project) || !is_name(owner))
    return fail(Errc::invalid_argument, fmt::format("no volumes can belong to '{}' of '{}'",
                                                    sanitize_line(owner), sanitize_line(project)));
  return root() / project / owner;
}

std::shared_ptr<Mutex> Volumes::State::lock_of(const fs::path& home) {
  const MutexLock lock(mutex);
  auto& known = locks[home.string()];
  auto held = known.lock();
  if (!held) {
    held = std::make_shared<Mutex>();
    known = held;
    // Whatever nobody holds any more.
    if (locks.size() > 1000)
      std::erase_if(locks, [](const auto& each) { return each.second.expired(); });
  }
  return held;
}

Volumes::Volumes(Parts parts) : state_(std::make_unique<State>(std::move(parts))) {}
Volumes::~Volumes() = default;

std::vector<std::string> Volumes::problems(const Unit& unit) {
  return unit.service == nullptr ? std::vector<std::string>()
                                 : volume_places(*unit.service).problems;
}

Result<std::vector<BindMount>> Volumes::binds(std::string_view project, std::string_view owner,
                                              const Unit& unit) const {
  std::vector<BindMount> out;
  if (unit.service == nullptr || unit.artifact == nullptr || unit.service->volumes.empty() ||
      unit.artifact->layers.empty())
    return out;
  SLIPWAY_TRY(const fs::path home, state_->home(project, owner));
  const auto held = state_->lock_of(home);
  const MutexLock lock(*held);
  std::vector<fs::path> layers;
  // Without the release layer: what a preview's release command left is that preview's alone.
  for (const std::string& id : unit.artifact->layers) {
    const auto path = state_->parts.layers.find(id);
    if (!path) return fail(Errc::corrupt, fmt::format("layer {} is gone", id));
    layers.push_back(*path);
  }
  SLIPWAY_TRY(const LayeredView view, LayeredView::open(layers));
  const fs::path live = home / "live";
  SLIPWAY_TRY(const std::vector<VolumePlace> places, refined(*unit.service, view, live));
  for (const VolumePlace& place : places) {
    const fs::path at = live / place.name;
    std::error_code error;
    if (!fs::is_directory(at, error)) {
      SLIPWAY_CHECK(make_directories(live, 0700));
      SLIPWAY_TRY(TempDir fresh, TempDir::create(home, ".new-"));
      SLIPWAY_CHECK(seed(view, place, fresh.path(), state_->limit()));
      if (::chmod(fresh.path().c_str(), 0755) != 0) return fail_errno(errno, "chmod a volume");
      SLIPWAY_CHECK(state_->put(fresh, at));
    }
    if (place.kind == VolumePlace::Kind::directory) {
      out.push_back({.source = at, .target = place.path, .access = BindMount::Access::read_write});
      continue;
    }
    const std::string target = fmt::format("{}/{}", file_volumes, place.name);
    out.push_back({.source = at,
                   .target = target,
                   .access = BindMount::Access::read_write,
                   .link = place.path,
                   .link_to = target + "/" + fs::path(place.path).filename().string()});
  }
  return out;
}

Status Volumes::State::put(TempDir& made, const fs::path& at) const {
  SLIPWAY_CHECK(fsync_directory(made.path()));
  if (::rename(made.path().c_str(), at.c_str()) != 0)
    return fail_errno(errno, "put a volume into its place");
  made.release();
  return fsync_directory(at.parent_path());
}

std::uint64_t Volumes::State::limit() const {
  const std::uint64_t set = parts.settings.volumes.limit;
  return set == 0 ? UINT64_MAX : set;
}

Status Volumes::inherit(std::string_view project, std::string_view preview,
                        std::string_view from) const {
  SLIPWAY_TRY(const fs::path home, state_->home(project, preview));
  SLIPWAY_TRY(const fs::path source, state_->home(project, from));
  if (home == source) return fail(Errc::invalid_argument, "a volume cannot be a copy of itself");
  const auto held = state_->lock_of(home);
  const MutexLock lock(*held);
  std::error_code error;
  if (fs::exists(home / "live", error) || !fs::exists(source / "live", error)) return {};
  SLIPWAY_CHECK(make_directories(home, 0700));
  SLIPWAY_TRY(TempDir fresh, TempDir::create(home, ".new-"));
  SLIPWAY_TRY(const std::uint64_t free, free_bytes(home));
  const std::uint64_t spare = state_->parts.settings.gc.min_free_disk;
  if (free <= spare)
    return fail(Errc::disk_full,
                fmt::format("{} are free, too little to copy volumes", format_bytes(free)),
                "free some disk space (`slipway rm` old deployments), or lower gc.min_free_disk");
  const auto copied = state_->parts.copy(
      {.from = source / "live",
       .to = fresh.path(),
       .max_bytes = std::min(state_->parts.settings.volumes.copy_limit, free - spare)});
  if (!copied) {
    Error told = copied.error();
    told.message = fmt::format("the volumes of {} were not copied for this preview: {}",
                               sanitize_line(from), told.message);
    if (told.code == Errc::too_large)
      told.hint = fmt::format(
          "raise volumes.copy_limit ({}), or start without data: slipway volume rm {} --env {}",
          format_bytes(state_->parts.settings.volumes.copy_limit), project, from);
    return fail(std::move(told));
  }
  return state_->put(fresh, home / "live");
}

bool Volumes::exist(std::string_view project, std::string_view owner) const {
  const auto home = state_->home(project, owner);
  std::error_code error;
  return home && fs::exists(*home / "live", error);
}

Result<std::vector<Volumes::Volume>> Volumes::list(std::string_view project,
                                                   std::string_view owner) const {
  SLIPWAY_TRY(const fs::path home, state_->home(project, owner));
  std::vector<Volume> out;
  std::error_code error;
  for (const fs::directory_entry& entry : entries_of(home / "live", error))
    out.push_back(
        {.name = entry.path().filename().string(), .bytes = disk_usage(entry.path(), UINT64_MAX)});
  std::ranges::sort(out, {}, &Volume::name);
  return out;
}

namespace {

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> out;
  std::error_code error;
  for (const fs::directory_entry& entry : entries_of(directory, error))
    if (const std::string name = entry.path().filename().string(); !name.starts_with('.'))
      out.push_back(name);
  std::ranges::sort(out);
  return out;
}

}  // namespace

std::vector<std::string> Volumes::projects() const { return names_in(state_->root()); }

std::vector<std::string> Volumes::owners(std::string_view project) const {
  const auto any = state_->home(project, "any");
  return any ? names_in(any->parent_path()) : std::vector<std::string>();
}

std::optional<std::string> Volumes::excess(std::string_view project, std::string_view owner) const {
  const auto home = state_->home(project, owner);
  const std::uint64_t limit = state_->limit();
  if (!home || limit == UINT64_MAX) return std::nullopt;
  if (disk_usage(*home / "live", limit) <= limit) return std::nullopt;
  return fmt::format("its volumes hold more than {}; the limit is volumes.limit",
                     format_bytes(limit));
}

Status Volumes::remove(std::string_view project, std::string_view owner) const {
  SLIPWAY_TRY(const fs::path home, state_->home(project, owner));
  const auto held = state_->lock_of(home);
  const MutexLock lock(*held);
  std::error_code error;
  if (!fs::exists(home, error)) return {};
  // Out of the way at once; then its files.
  const bool is_preview = DeploymentId::parse(owner).has_value();
  const fs::path what = is_preview ? home : home / "live";
  if (!fs::exists(what, error)) return {};
  const fs::path trash = state_->root() / (".gone-" + random_id());
  if (::rename(what.c_str(), trash.c_str()) != 0) return fail_errno(errno, "remove a volume");
  return remove_tree(trash);
}

Status Volumes::recover() const {
  SLIPWAY_CHECK(make_directories(state_->root(), 0700));
  std::error_code error;
  const auto sweep = [&](const fs::path& directory) -> Status {
    for (const fs::directory_entry& entry : entries_of(directory, error))
      if (const std::string name = entry.path().filename().string();
          name.starts_with(".new-") || name.starts_with(".gone-"))
        SLIPWAY_CHECK(remove_tree(entry.path()));
    return {};
  };
  SLIPWAY_CHECK(sweep(state_->root()));
  for (const std::string& project : projects())
    for (const std::string& owner : owners(project)) {
      const fs::path home = state_->root() / project / owner;
      SLIPWAY_CHECK(sweep(home));
      SLIPWAY_CHECK(state_->finish_restores(home));
      SLIPWAY_CHECK(state_->trim(home));
    }
  return {};
}

}  // namespace slipway
