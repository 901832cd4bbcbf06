#include "store/blob_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <unordered_set>

#include "base/mutex.h"
#include "store/blob_batch.h"
#include "store/manifest_cache.h"
#include "store/pack.h"
#include "sys/file_time.h"
#include "sys/files.h"

namespace slipway {
namespace fs = std::filesystem;
namespace {

constexpr unsigned regular_mode = 0644, executable_mode = 0755;
constexpr std::string_view executable_suffix = ".x";
// How old a blob may be before a find makes it young again.
constexpr time_t touch_after_seconds = 300;
// How many blobs are remembered as young, in memory.
constexpr std::size_t max_remembered = 1 << 16;
// One directory a first digit: each directory that got a blob costs a flush, so few is fast.
constexpr std::string_view directories = "0123456789abcdef";
constexpr std::size_t chunk_bytes = 128 * 1024;
// No upload's is longer: that of 200,000 files with paths of 200 bytes each.
constexpr std::size_t longest_manifest = 64u << 20;
// How often an upload asks whether there is room.
constexpr std::uint64_t room_bytes = 8u << 20, room_files = 64;

Result<std::size_t> read_some(int fd, std::span<char> into) {
  for (;;) {
    const ssize_t got = ::read(fd, into.data(), into.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return fail_errno(errno, "read");
  }
}

// Hands the rest of `fd` to `take` in chunks.
template <class Take>
Status for_each_chunk(int fd, const Take& take) {
  std::vector<char> buffer(chunk_bytes);
  for (;;) {
    SLIPWAY_TRY(const std::size_t got, read_some(fd, buffer));
    if (got == 0) return {};
    SLIPWAY_CHECK(take(std::string_view(buffer.data(), got)));
  }
}

Result<Digest> digest_of(int fd) {
  Sha256 hash;
  SLIPWAY_CHECK(for_each_chunk(fd, [&](std::string_view bytes) -> Status {
    hash.update(bytes);
    return {};
  }));
  return hash.finish();
}

}  // namespace

struct BlobStore::State {
  State(fs::path path, Fd opened, Scratch unfinished)
      : directory(std::move(path)), fd(std::move(opened)), scratch(std::move(unfinished)) {}

  fs::path directory;  // <root>/blobs
  Fd fd;
  Scratch scratch;
  // Held shared while a blob is found and made young, exclusively while collect() looks once more
  // and removes: so nothing that was just found disappears.
  SharedMutex finding;
  // Blobs that were here and young at a time, so that a deploy of many files does not look at each
  // file again and again. What collect() removes leaves it, under the lock above.
  Mutex remembering SLIPWAY_ACQUIRED_AFTER(finding);
  std::unordered_map<Digest, time_t> young SLIPWAY_GUARDED_BY(remembering);
  ManifestCache manifests;

  // Whether the blob is here; makes it young.
  bool find(const Digest& digest) {
    const ReaderLock lock(finding);
    const time_t now = file_seconds_now();
    {
      const MutexLock remember(remembering);
      const auto known = young.find(digest);
      if (known != young.end() && now - known->second <= touch_after_seconds) return true;
    }
    const std::string name = blob_name(digest);
    struct stat info{};
    if (::fstatat(fd.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return false;
    time_t since = info.st_ctim.tv_sec;
    if (now - since > touch_after_seconds) {
      // Changes ctime, which collect() goes by, and leaves mtime, which the layers share.
      const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_NOW},
                                 {.tv_sec = 0, .tv_nsec = UTIME_OMIT}};
      if (::utimensat(fd.get(), name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) return true;
      since = now;
    }
    const MutexLock remember(remembering);
    if (young.size() >= max_remembered) young.clear();
    young[digest] = since;
    return true;
  }

  // Removes the file of `digest` when it is older than `oldest`; bytes freed.
  std::uint64_t remove_old(const Digest& digest, int directory_fd, const char* name, time_t oldest,
                           nlink_t max_links) {
    const WriterLock lock(finding);
    {
      const MutexLock remember(remembering);
      young.erase(digest);
    }
    struct stat info{};
    if (::fstatat(directory_fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        info.st_ctim.tv_sec > oldest || info.st_nlink > max_links ||
        ::unlinkat(directory_fd, name, 0) != 0)
      return 0;
    return info.st_nlink == 1 ? static_cast<std::uint64_t>(info.st_blocks) * 512 : 0;
  }

  // A second inode of the blob for executables: the mode belongs to the inode.
  Status make_executable_twin(const std::string& name) {
    SLIPWAY_TRY(const Fd blob, open_blob_file(name));
    BlobBatch batch(scratch, fd.get());
    SLIPWAY_CHECK(batch.begin(executable_mode));
    SLIPWAY_CHECK(
        for_each_chunk(blob.get(), [&](std::string_view bytes) { return batch.write(bytes); }));
    SLIPWAY_CHECK(batch.end(name + std::string(executable_suffix)));
    return batch.publish();
  }

  Result<Fd> open_blob_file(const std::string& name) const {
    Fd blob(::openat(fd.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (blob.valid()) return blob;
    if (errno == ENOENT) return fail(Errc::not_found, "no blob " + name.substr(2));
    return fail_errno(errno, "open blob " + name.substr(2));
  }
};

BlobStore::BlobStore(std::shared_ptr<State> state) : state_(std::move(state)) {}

Result<BlobStore> BlobStore::open(fs::path root) {
  fs::path directory = root / "blobs";
  if (::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST)
    return fail_errno(errno, "mkdir " + directory.string());
  SLIPWAY_TRY(Fd fd, open_file(directory, O_RDONLY | O_DIRECTORY));
  bool made = false;
  for (const char each : directories) {
    if (::mkdirat(fd.get(), std::string(1, each).c_str(), 0755) == 0)
      made = true;
    else if (errno != EEXIST)
      return fail_errno(errno, "mkdir in " + directory.string());
  }
  if (made) {
    if (::fsync(fd.get()) != 0) return fail_errno(errno, "fsync " + directory.string());
    SLIPWAY_CHECK(fsync_directory(directory.parent_path()));
  }
  SLIPWAY_TRY(Scratch scratch, Scratch::create(directory));
  return BlobStore(
      std::make_shared<State>(std::move(directory), std::move(fd), std::move(scratch)));
}

Result<Digest> BlobStore::put(std::string_view bytes) {
  const Digest digest = sha256(bytes);
  if (contains(digest)) return digest;
  BlobBatch batch(state_->scratch, state_->fd.get());
  SLIPWAY_CHECK(batch.begin(regular_mode));
  SLIPWAY_CHECK(batch.write(bytes));
  SLIPWAY_CHECK(batch.end(blob_name(digest)));
  SLIPWAY_CHECK(batch.publish());
  return digest;
}

Result<std::shared_ptr<const Manifest>> BlobStore::read_manifest(const Digest& digest) const {
  if (auto known = state_->manifests.find(digest)) return known;
  SLIPWAY_TRY(const std::string text, read(digest, longest_manifest + 1));
  if (text.size() > longest_manifest)
    return fail(Errc::too_large, digest.str() + " is too large to be a manifest");
  SLIPWAY_TRY(Manifest parsed, Manifest::parse(text));
  return state_->manifests.keep(digest, std::move(parsed));
}

Result<Digest> BlobStore::put_manifest(Manifest manifest) {
  SLIPWAY_TRY(const Digest digest, put(manifest.to_text()));
  state_->manifests.keep(digest, std::move(manifest));
  return digest;
}

Result<Digest> BlobStore::put_file(const fs::path& file) {
  SLIPWAY_TRY(const std::vector<Digest> digests, put_files({&file, 1}));
  return digests.front();
}

Result<std::vector<Digest>> BlobStore::put_files(std::span<const fs::path> files) {
  BlobBatch batch(state_->scratch, state_->fd.get());
  std::vector<Digest> digests;
  std::unordered_set<Digest> written;
  digests.reserve(files.size());
  for (const fs::path& file : files) {
    SLIPWAY_TRY(const Fd fd, open_file(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    struct stat info{};
    if (::fstat(fd.get(), &info) != 0) return fail_errno(errno, "stat " + file.string());
    if (!S_ISREG(info.st_mode))
      return fail(Errc::invalid_argument, file.string() + " is not a regular file");
    // Most files of a new tree are in the store already: hash first, copy only what is new.
    SLIPWAY_TRY(Digest digest, digest_of(fd.get()));
    if (!written.contains(digest) && !contains(digest)) {
      if (::lseek(fd.get(), 0, SEEK_SET) != 0) return fail_errno(errno, "seek " + file.string());
      Sha256 hash;
      SLIPWAY_CHECK(batch.begin(regular_mode));
      SLIPWAY_CHECK(for_each_chunk(fd.get(), [&](std::string_view bytes) {
        hash.update(bytes);
        return batch.write(bytes);
      }));
      digest = hash.finish();  // of what was copied, should the file have changed in between
      SLIPWAY_CHECK(batch.end(blob_name(digest)));
      written.insert(digest);
    }
    digests.push_back(digest);
  }
  SLIPWAY_CHECK(batch.publish());
  return digests;
}

bool BlobStore::contains(const Digest& digest) const { return state_->find(digest); }

Result<Fd> BlobStore::open_blob(const Digest& digest) const {
  return state_->open_blob_file(blob_name(digest));
}

Result<std::string> BlobStore::read(const Digest& digest, std::size_t limit) const {
  SLIPWAY_TRY(const Fd blob, open_blob(digest));
  struct stat info{};
  if (::fstat(blob.get(), &info) != 0) return fail_errno(errno, "stat blob " + digest.hex());
  std::string out;
  out.resize(std::min(limit, static_cast<std::size_t>(info.st_size)));
  std::size_t have = 0;
  while (have < out.size()) {
    SLIPWAY_TRY(const std::size_t got, read_some(blob.get(), std::span(out).subspan(have)));
    if (got == 0) return fail(Errc::corrupt, "blob " + digest.hex() + " became shorter");
    have += got;
  }
  return out;
}

fs::path BlobStore::path_of(const Digest& digest, FileMode mode) const {
  std::string name = blob_name(digest);
  if (mode == FileMode::executable) name += executable_suffix;
  return state_->directory / name;
}

Status BlobStore::link_to(const Digest& digest, FileMode mode, int directory,
                          const std::string& name) const {
  if (mode == FileMode::symlink) {
    SLIPWAY_TRY(const std::string target, read(digest, max_link_target_bytes + 1));
    if (::symlinkat(target.c_str(), directory, name.c_str()) != 0)
      return fail_errno(errno, "symlink " + name);
    return {};
  }
  std::string blob = blob_name(digest);
  if (mode == FileMode::executable) blob += executable_suffix;
  int outcome = ::linkat(state_->fd.get(), blob.c_str(), directory, name.c_str(), 0);
  if (outcome != 0 && errno == ENOENT && mode == FileMode::executable) {
    SLIPWAY_CHECK(state_->make_executable_twin(blob_name(digest)));
    outcome = ::linkat(state_->fd.get(), blob.c_str(), directory, name.c_str(), 0);
  }
  if (outcome == 0) return {};
  if (errno == ENOENT) return fail(Errc::not_found, "no blob " + digest.hex());
  if (errno != EMLINK && errno != EXDEV && errno != EPERM) return fail_errno(errno, "link " + name);
  SLIPWAY_TRY(const Fd from, state_->open_blob_file(blob));
  const Fd to(::openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!to.valid()) return fail_errno(errno, "create " + name);
  SLIPWAY_CHECK(for_each_chunk(from.get(),
                               [&](std::string_view bytes) { return write_all(to.get(), bytes); }));
  if (::fchmod(to.get(), mode == FileMode::executable ? executable_mode : regular_mode) != 0)
    return fail_errno(errno, "chmod " + name);
  return {};
}

std::vector<Digest> BlobStore::missing(std::span<const Digest> digests) const {
  std::vector<Digest> out;
  std::unordered_set<Digest> seen;
  for (const Digest& digest : digests)
    if (seen.insert(digest).second && !contains(digest)) out.push_back(digest);
  return out;
}

namespace {

// Writes a pack's records into a batch, as long as they are wanted.
class Unpacker final : public PackVisitor {
 public:
  Unpacker(BlobBatch& batch, std::span<const Digest> wanted, const BlobStore::Room& room)
      : batch_(batch), room_(room), wanted_(wanted.begin(), wanted.end()) {}

  Status begin(const Digest& digest, std::uint64_t size) override {
    // Erased when it came: twice is as unwanted as never.
    if (wanted_.erase(digest) == 0)
      return fail(
          Errc::invalid_argument,
          fmt::format("the uploaded pack has a file that was not asked for: {}", digest.str()));
    digest_ = digest;
    left_ = size;
    ++stats.files;
    stats.bytes += size;
    stats.stored.emplace_back(digest, size);
    if (size >= room_bytes || stats.files % room_files == 1) SLIPWAY_CHECK(ask(size));
    return batch_.begin(regular_mode);
  }
  Status bytes(std::string_view part) override {
    written_ += part.size();
    if (written_ >= room_bytes) SLIPWAY_CHECK(ask(left_));
    left_ -= part.size();
    return batch_.write(part);
  }
  Status end() override { return batch_.end(blob_name(digest_)); }

  BlobStore::PackStats stats;

 private:
  Status ask(std::uint64_t more) {
    written_ = 0;
    return room_ ? room_(more) : Status();
  }

  BlobBatch& batch_;
  const BlobStore::Room& room_;
  std::uint64_t written_ = 0, left_ = 0;  // since room was asked for; of the record
  std::unordered_set<Digest> wanted_;
  Digest digest_;
};

}  // namespace

Result<BlobStore::PackStats> BlobStore::unpack(const Reader& read, std::span<const Digest> wanted,
                                               std::uint64_t limit_bytes, const Room& room) {
  BlobBatch batch(state_->scratch, state_->fd.get());
  Unpacker unpacker(batch, wanted, room);
  SLIPWAY_CHECK(read_pack(read, unpacker, limit_bytes));
  SLIPWAY_CHECK(batch.publish());
  return unpacker.stats;
}

Result<std::uint64_t> BlobStore::collect(const std::function<bool(const Digest&)>& in_use,
                                         std::chrono::seconds grace) {
  const time_t oldest = file_seconds_now() - static_cast<time_t>(grace.count());
  std::uint64_t freed = 0;
  for (const char each : directories) {
    const fs::path directory = state_->directory / std::string(1, each);
    SLIPWAY_TRY(Fd fd, open_file(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd.get()), ::closedir);
    if (stream == nullptr) return fail_errno(errno, "read " + directory.string());
    const int directory_fd = fd.release();
    while (const dirent* entry = ::readdir(stream.get())) {
      std::string_view name = entry->d_name;
      const bool twin = name.ends_with(executable_suffix);
      if (twin) name.remove_suffix(executable_suffix.size());
      // What the router packed for browsers goes with its blob.
      for (const std::string_view packed : {".br", ".zst", ".gz"})
        if (name.ends_with(packed)) name.remove_suffix(packed.size());
      const auto digest = Digest::parse(name);
      if (!digest) continue;
      const bool used = in_use(*digest);
      // A twin that no layer links any more is made anew when one does.
      if (!used || twin)
        freed += state_->remove_old(*digest, directory_fd, entry->d_name, oldest,
                                    used ? 1 : static_cast<nlink_t>(-1));
    }
  }
  return freed;
}

}  // namespace slipway
