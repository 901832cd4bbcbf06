#include "store/blob_batch.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <set>

#include "base/mutex.h"
#include "store/threads.h"
#include "sys/directory.h"
#include "sys/files.h"

namespace slipway {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view scratch_prefix = ".tmp-";
constexpr std::size_t write_buffer = 64 * 1024;
// From here on one syncfs() is cheaper than an fsync() each, whatever else it has to write.
constexpr std::size_t syncfs_from = 2000;

// Runs `work(i)` for all i < count on some threads; the first error wins. For calls that wait for
// the disk: flushes that wait together become one, so that more threads than cores pay.
template <class Work>
Status in_parallel(std::size_t count, const Work& work) {
  std::atomic<std::size_t> next{0};
  Mutex mutex;
  Status outcome;
  const auto run = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      Status done = work(i);
      if (done) continue;
      next = count;
      const MutexLock lock(mutex);
      if (outcome) outcome = std::move(done);
    }
  };
  run_on_threads(std::min<std::size_t>(16, count / 2), run);
  return outcome;
}

Status sync_at(int directory, const std::string& name, int flags) {
  const Fd fd(::openat(directory, name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.valid()) return fail_errno(errno, "open " + name);
  if (::fsync(fd.get()) != 0) return fail_errno(errno, "fsync " + name);
  return {};
}

}  // namespace

Result<Scratch> Scratch::create(const fs::path& parent) {
  // Between mkdir and flock a directory looks abandoned; the parent's lock closes that gap.
  SLIPWAY_TRY(const Fd gate, open_file(parent, O_RDONLY | O_DIRECTORY));
  if (::flock(gate.get(), LOCK_EX) != 0) return fail_errno(errno, "lock " + parent.string());
  std::error_code error;
  for (const fs::directory_entry& entry : entries_of(parent, error)) {
    if (!entry.path().filename().string().starts_with(scratch_prefix)) continue;
    const auto abandoned = open_file(entry.path(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (abandoned && ::flock(abandoned->get(), LOCK_EX | LOCK_NB) == 0)
      SLIPWAY_CHECK(remove_tree(entry.path()));
  }
  SLIPWAY_TRY(TempDir made, TempDir::create(parent, scratch_prefix));
  SLIPWAY_TRY(Fd fd, open_file(made.path(), O_RDONLY | O_DIRECTORY));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
    return fail_errno(errno, "lock " + made.path().string());
  fs::path path = made.path();
  made.release();
  return Scratch(std::move(path), std::move(fd));
}

Scratch::Scratch(Scratch&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::move(other.fd_)), next_(other.next_.load()) {
  other.path_.clear();
}

Scratch::~Scratch() {
  // Best effort: what stays is found by the next create().
  if (!path_.empty()) std::ignore = remove_tree(path_);
}

std::string Scratch::fresh_name() { return std::to_string(next_++); }

std::string blob_name(const Digest& digest) {
  const std::string hex = digest.hex();
  return hex.substr(0, 1) + "/" + hex;
}

BlobBatch::~BlobBatch() {
  for (const File& file : files_) ::unlinkat(scratch_.fd(), file.temporary.c_str(), 0);
}

Status BlobBatch::begin(unsigned mode) {
  File file{.temporary = scratch_.fresh_name(), .name = {}};
  open_ = Fd(::openat(scratch_.fd(), file.temporary.c_str(),
                      O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!open_.valid()) return fail_errno(errno, "create a file in the store");
  files_.push_back(std::move(file));
  if (::fchmod(open_.get(), mode) != 0) return fail_errno(errno, "chmod a file of the store");
  return {};
}

Status BlobBatch::write(std::string_view bytes) {
  if (buffer_.size() + bytes.size() <= write_buffer) {
    buffer_ += bytes;
    return {};
  }
  SLIPWAY_CHECK(write_all(open_.get(), buffer_));
  buffer_.clear();
  if (bytes.size() < write_buffer) {
    buffer_ += bytes;
    return {};
  }
  return write_all(open_.get(), bytes);
}

Status BlobBatch::end(std::string name) {
  SLIPWAY_CHECK(write_all(open_.get(), buffer_));
  buffer_.clear();
  // Starts the writing, so that the fsync later finds it done or under way. A hint: some file
  // systems cannot.
  ::sync_file_range(open_.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
  open_.reset();
  files_.back().name = std::move(name);
  return {};
}

Status BlobBatch::sync_files() const {
  if (files_.size() >= syncfs_from) {
    if (::syncfs(scratch_.fd()) != 0) return fail_errno(errno, "syncfs");
    return {};
  }
  return in_parallel(files_.size(), [&](std::size_t i) {
    return sync_at(scratch_.fd(), files_[i].temporary, O_WRONLY);
  });
}

Status BlobBatch::publish() {
  SLIPWAY_CHECK(sync_files());
  std::set<std::string> directories;
  for (const File& file : files_) {
    const char* from = file.temporary.c_str();
    int outcome = ::renameat2(scratch_.fd(), from, blobs_, file.name.c_str(), RENAME_NOREPLACE);
    if (outcome != 0 && errno == EINVAL)  // a file system without the flag
      outcome = ::renameat(scratch_.fd(), from, blobs_, file.name.c_str());
    if (outcome != 0 && errno == EEXIST) {
      ::unlinkat(scratch_.fd(), from, 0);
      continue;
    }
    if (outcome != 0) return fail_errno(errno, "rename to " + file.name);
    directories.insert(file.name.substr(0, file.name.find('/')));
  }
  files_.clear();
  const std::vector<std::string> changed(directories.begin(), directories.end());
  return in_parallel(changed.size(), [&](std::size_t i) {
    return sync_at(blobs_, changed[i], O_RDONLY | O_DIRECTORY);
  });
}

}  // namespace slipway
