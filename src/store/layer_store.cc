#include "store/layer_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fts.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/ids.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/text.h"
#include "store/source_tree.h"
#include "sys/directory.h"
#include "sys/file_time.h"
#include "sys/files.h"

namespace slipway {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view draft_prefix = ".draft-", trash_prefix = ".trash-";
constexpr const char* boot_file = "boot";          // the boot it was committed in; mtime: last use
constexpr const char* durable_file = "durable";    // there when it is known to be on disk
constexpr const char* manifest_file = "manifest";  // of a source layer
constexpr time_t touch_after_seconds = 60;
constexpr std::size_t max_id_bytes = 200;
constexpr std::size_t max_manifest_text = 1ull << 30;

bool is_layer_id(std::string_view id) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !id.empty() && id.size() <= max_id_bytes && plain(id.front()) &&
         std::ranges::all_of(id,
                             [&](char c) { return plain(c) || c == '-' || c == '_' || c == '.'; });
}

// Bytes that removing the tree would free: a file with links elsewhere stays.
std::uint64_t tree_bytes(const fs::path& path) {
  std::string name = path.string();
  char* const roots[] = {name.data(), nullptr};
  const std::unique_ptr<FTS, int (*)(FTS*)> walk(
      ::fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, nullptr), ::fts_close);
  std::uint64_t bytes = 0;
  while (const FTSENT* entry = walk ? ::fts_read(walk.get()) : nullptr) {
    const bool counts =
        entry->fts_info == FTS_D || (entry->fts_info != FTS_DP && entry->fts_statp->st_nlink == 1);
    if (counts) bytes += static_cast<std::uint64_t>(entry->fts_statp->st_blocks) * 512;
  }
  return bytes;
}

Status write_file(const fs::path& path, std::string_view bytes) {
  SLIPWAY_TRY(const Fd fd, open_file(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644));
  return write_all(fd.get(), bytes);
}

}  // namespace

struct LayerStore::State {
  fs::path directory;  // <root>/layers
  Fd fd;
  std::string boot;

  // Held shared while a layer is found and marked as used, exclusively while collect() looks once
  // more and moves it away, and around changes of what follows.
  SharedMutex mutex;
  std::map<std::string, int, std::less<>> pins SLIPWAY_GUARDED_BY(mutex);
  std::set<std::string, std::less<>> not_durable SLIPWAY_GUARDED_BY(mutex);
  std::map<std::string, std::string, std::less<>> delta_of
      SLIPWAY_GUARDED_BY(mutex);  // key of a tree -> id of its delta

  // Whether the layer is there; marks it as used.
  bool use(std::string_view id) SLIPWAY_REQUIRES_SHARED(mutex) {
    const std::string mark = fmt::format("{}/{}", id, boot_file);
    struct stat info{};
    if (::fstatat(fd.get(), mark.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return false;
    if (file_seconds_now() - info.st_mtim.tv_sec > touch_after_seconds)
      ::utimensat(fd.get(), mark.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
    return true;
  }

  bool was_used_after(std::string_view id, time_t oldest) const {
    struct stat info{};
    const std::string mark = fmt::format("{}/{}", id, boot_file);
    return ::fstatat(fd.get(), mark.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
           info.st_mtim.tv_sec > oldest;
  }

  // Out of sight in one step; the space is freed by empty_trash().
  Status move_to_trash(const std::string& name) const {
    const std::string trash = std::string(trash_prefix) + random_id();
    if (::renameat(fd.get(), name.c_str(), fd.get(), trash.c_str()) != 0)
      return fail_errno(errno, "remove layer " + name);
    return {};
  }

  void forget(const std::string& id) SLIPWAY_REQUIRES(mutex) {
    not_durable.erase(id);
    const auto known = delta_of.find(parse_delta_layer_id(id).key);
    if (known != delta_of.end() && known->second == id) delta_of.erase(known);
  }

  void remember(const std::string& id) SLIPWAY_REQUIRES(mutex) {
    if (const DeltaKeys keys = parse_delta_layer_id(id); !keys.key.empty())
      delta_of[std::string(keys.key)] = id;
  }

  std::vector<std::string> names() const {
    std::vector<std::string> out;
    std::error_code error;
    for (const fs::directory_entry& entry : entries_of(directory, error))
      out.push_back(entry.path().filename().string());
    return out;
  }

  // A lock against others that look for abandoned drafts, for the time between a draft's mkdir and
  // its own lock.
  Result<Fd> gate() const {
    SLIPWAY_TRY(Fd lock, open_file(directory, O_RDONLY | O_DIRECTORY));
    if (::flock(lock.get(), LOCK_EX) != 0) return fail_errno(errno, "lock " + directory.string());
    return lock;
  }

  // Whether the layer survived whatever happened since it was committed.
  bool is_whole(const std::string& id) SLIPWAY_REQUIRES(mutex) {
    if (::faccessat(fd.get(), fmt::format("{}/{}", id, durable_file).c_str(), F_OK, 0) == 0)
      return true;
    const auto committed = read_file(directory / id / boot_file, 100);
    if (!committed || *committed != boot) return false;
    not_durable.insert(id);
    return true;
  }

  Status drop_leftovers() {
    SLIPWAY_TRY(const Fd others, gate());
    const WriterLock lock(mutex);
    for (const std::string& name : names()) {
      if (name.starts_with(draft_prefix)) {
        const auto draft = open_file(directory / name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        if (draft && ::flock(draft->get(), LOCK_EX | LOCK_NB) == 0)
          SLIPWAY_CHECK(move_to_trash(name));
      } else if (is_layer_id(name)) {
        if (is_whole(name)) {
          remember(name);
        } else {
          log_warn("layer dropped: the machine stopped before it was on disk", {{"layer", name}});
          SLIPWAY_CHECK(move_to_trash(name));
        }
      }
    }
    return {};
  }

  Result<std::uint64_t> empty_trash() const {
    std::uint64_t bytes = 0;
    for (const std::string& name : names()) {
      if (!name.starts_with(trash_prefix)) continue;
      const std::uint64_t size = tree_bytes(directory / name);
      SLIPWAY_CHECK(remove_tree(directory / name));
      bytes += size;
    }
    return bytes;
  }
};

struct LayerStore::Draft::State {
  std::shared_ptr<LayerStore::State> store;
  std::string id;
  TempDir directory;  // .draft-XXXXXX
  Fd lock;
  fs::path files, work;
};

struct LayerStore::Pin::State {
  std::shared_ptr<LayerStore::State> store;
  std::vector<std::string> ids;
};

LayerStore::LayerStore(std::shared_ptr<State> state) : state_(std::move(state)) {}

Result<LayerStore> LayerStore::open(fs::path root) {
  fs::path directory = root / "layers";
  SLIPWAY_CHECK(make_directories(directory));
  SLIPWAY_TRY(Fd fd, open_file(directory, O_RDONLY | O_DIRECTORY));
  SLIPWAY_TRY(const std::string boot, read_file("/proc/sys/kernel/random/boot_id", 100));
  auto state = std::make_shared<State>();
  state->directory = std::move(directory);
  state->fd = std::move(fd);
  state->boot = fmt::format("{}\n", trim(boot));
  SLIPWAY_CHECK(state->drop_leftovers());
  return LayerStore(std::move(state));
}

std::optional<fs::path> LayerStore::find(std::string_view id) const {
  if (!is_layer_id(id)) return std::nullopt;
  const ReaderLock lock(state_->mutex);
  if (!state_->use(id)) return std::nullopt;
  return state_->directory / id / "fs";
}

Result<LayerStore::Draft> LayerStore::begin(std::string_view id) {
  if (!is_layer_id(id))
    return fail(Errc::invalid_argument, fmt::format("not a layer id: \"{}\"", sanitize_line(id)));
  SLIPWAY_TRY(const Fd gate, state_->gate());
  SLIPWAY_TRY(TempDir directory, TempDir::create(state_->directory, draft_prefix));
  SLIPWAY_TRY(Fd lock, open_file(directory.path(), O_RDONLY | O_DIRECTORY));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return fail_errno(errno, "lock " + directory.path().string());
  fs::path files = directory.path() / "fs", work = directory.path() / "work";
  for (const fs::path& path : {files, work}) {
    if (::mkdir(path.c_str(), 0755) != 0 || ::chmod(path.c_str(), 0755) != 0)
      return fail_errno(errno, "mkdir " + path.string());
  }
  return Draft(std::unique_ptr<Draft::State>(new Draft::State{state_, std::string(id),
                                                              std::move(directory), std::move(lock),
                                                              std::move(files), std::move(work)}));
}

LayerStore::Draft::Draft(std::unique_ptr<State> state) : state_(std::move(state)) {}
LayerStore::Draft::Draft(Draft&&) noexcept = default;
LayerStore::Draft& LayerStore::Draft::operator=(Draft&&) noexcept = default;
LayerStore::Draft::~Draft() = default;
const fs::path& LayerStore::Draft::path() const { return state_->files; }
const fs::path& LayerStore::Draft::work_path() const { return state_->work; }

Status LayerStore::Draft::commit() {
  const std::unique_ptr<State> draft = std::move(state_);
  if (draft == nullptr) return fail(Errc::internal, "a draft is committed once");
  LayerStore::State& store = *draft->store;
  const fs::path& directory = draft->directory.path();
  SLIPWAY_CHECK(remove_tree(draft->work));
  SLIPWAY_CHECK(write_file(directory / boot_file, store.boot));
  // A temporary directory is 0700; the users that builds and apps run as must get through.
  if (::chmod(directory.c_str(), 0755) != 0)
    return fail_errno(errno, "chmod " + directory.string());
  const WriterLock lock(store.mutex);
  const fs::path target = store.directory / draft->id;
  int outcome =
      ::renameat2(AT_FDCWD, directory.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE);
  if (outcome != 0 &&
      errno == EINVAL)  // without the flag: a non-empty directory stays all the same
    outcome = ::rename(directory.c_str(), target.c_str());
  if (outcome != 0) {
    if (errno == EEXIST || errno == ENOTEMPTY) return {};
    return fail_errno(errno, "commit layer " + draft->id);
  }
  draft->directory.release();
  store.not_durable.insert(draft->id);
  store.remember(draft->id);
  return {};
}

LayerStore::Pin::Pin(std::unique_ptr<State> state) : state_(std::move(state)) {}
LayerStore::Pin::Pin(Pin&&) noexcept = default;
LayerStore::Pin& LayerStore::Pin::operator=(Pin&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}
LayerStore::Pin::~Pin() {
  if (state_ == nullptr) return;
  const WriterLock lock(state_->store->mutex);
  for (const std::string& id : state_->ids) {
    const auto at = state_->store->pins.find(id);
    if (--at->second == 0) state_->store->pins.erase(at);
  }
}

LayerStore::Pin LayerStore::pin(std::vector<std::string> ids) const {
  const WriterLock lock(state_->mutex);
  for (const std::string& id : ids) ++state_->pins[id];
  return Pin(std::unique_ptr<Pin::State>(new Pin::State{state_, std::move(ids)}));
}

Result<std::vector<std::string>> LayerStore::materialize(const Manifest& manifest,
                                                         std::string_view prefix,
                                                         const BlobStore& blobs,
                                                         const Manifest* base) {
  const std::string key = source_key(manifest, prefix);
  const std::string full = full_layer_id(key);
  const auto delta_of = [&](std::string_view of) {
    const ReaderLock lock(state_->mutex);
    const auto at = state_->delta_of.find(of);
    return at == state_->delta_of.end() ? std::string{} : at->second;
  };
  if (find(full)) return std::vector{full};
  if (const std::string known = delta_of(key); !known.empty()) {
    const std::string below = full_layer_id(parse_delta_layer_id(known).base);
    if (find(below) && find(known)) return std::vector{below, known};
  }

  // What to build on: the whole tree of `base`, or the one that `base` is a change of.
  if (base != nullptr) {
    std::string base_key = source_key(*base, prefix);
    std::optional<Manifest> below;
    if (!find(full_layer_id(base_key))) {
      const std::string known = delta_of(base_key);
      base_key = parse_delta_layer_id(known).base;
      if (!base_key.empty() && find(full_layer_id(base_key))) {
        const auto text = read_file(state_->directory / full_layer_id(base_key) / manifest_file,
                                    max_manifest_text);
        if (auto parsed = text ? Manifest::parse(*text) : fail(text.error())) below = *parsed;
      }
      base = below ? &*below : nullptr;
    }
    const ManifestDiff change = base != nullptr ? diff(*base, manifest) : ManifestDiff{};
    if (base != nullptr && delta_is_small(change, manifest.entries.size())) {
      const std::string id = delta_layer_id(base_key, key);
      if (!find(id)) {
        SLIPWAY_TRY(Draft draft, begin(id));
        SLIPWAY_CHECK(fill_delta_layer(draft.path(), change, manifest, prefix, blobs));
        SLIPWAY_CHECK(draft.commit());
      }
      return std::vector{full_layer_id(base_key), id};
    }
  }

  SLIPWAY_TRY(Draft draft, begin(full));
  SLIPWAY_CHECK(fill_full_layer(draft.path(), manifest, prefix, blobs));
  SLIPWAY_CHECK(write_file(draft.path().parent_path() / manifest_file, manifest.to_text()));
  SLIPWAY_CHECK(draft.commit());
  return std::vector{full};
}

Status LayerStore::flush() {
  std::set<std::string, std::less<>> ids;
  {
    const ReaderLock lock(state_->mutex);
    ids = state_->not_durable;
  }
  if (ids.empty()) return {};
  if (::syncfs(state_->fd.get()) != 0)
    return fail_errno(errno, "sync " + state_->directory.string());
  for (const std::string& id : ids) {
    const WriterLock lock(state_->mutex);
    if (!state_->not_durable.contains(id)) continue;  // collected meanwhile
    SLIPWAY_CHECK(write_file(state_->directory / id / durable_file, {}));
    SLIPWAY_CHECK(fsync_directory(state_->directory / id));
    state_->not_durable.erase(id);
  }
  return {};
}

Result<std::uint64_t> LayerStore::collect(const std::function<bool(std::string_view)>& in_use,
                                          std::chrono::seconds grace) {
  const time_t oldest = file_seconds_now() - static_cast<time_t>(grace.count());
  std::set<std::string, std::less<>> bases;  // of differences that stay
  std::vector<std::string> unused;
  for (const std::string& id : ids()) {
    if (!in_use(id) && !state_->was_used_after(id, oldest))
      unused.push_back(id);
    else if (const DeltaKeys keys = parse_delta_layer_id(id); !keys.base.empty())
      bases.insert(full_layer_id(keys.base));
  }
  for (const std::string& id : unused) {
    if (bases.contains(id)) continue;
    const WriterLock lock(state_->mutex);
    if (state_->pins.contains(id) || state_->was_used_after(id, oldest)) continue;
    SLIPWAY_CHECK(state_->move_to_trash(id));
    state_->forget(id);
  }
  return state_->empty_trash();
}

std::vector<std::string> LayerStore::ids() const {
  std::vector<std::string> out = state_->names();
  std::erase_if(out, [](const std::string& name) { return !is_layer_id(name); });
  std::ranges::sort(out);
  return out;
}

}  // namespace slipway
