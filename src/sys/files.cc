#include "sys/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cstdlib>
#include <set>

namespace slipway {
namespace fs = std::filesystem;

Result<Fd> open_file(const fs::path& path, int flags, unsigned mode) {
  Fd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd.valid()) return fail_errno(errno, "open " + path.string());
  return fd;
}

Result<std::string> read_file(const fs::path& path, std::size_t limit) {
  SLIPWAY_TRY(Fd fd, open_file(path, O_RDONLY));
  struct stat info{};
  if (::fstat(fd.get(), &info) == 0 && S_ISDIR(info.st_mode))
    return fail(Errc::invalid_argument, path.string() + " is a directory");
  std::string out;
  // /proc files say 0 bytes: read until the end, whatever the size claims.
  std::size_t chunk = info.st_size > 0 ? static_cast<std::size_t>(info.st_size) + 1 : 4096;
  while (out.size() < limit) {
    const std::size_t have = out.size();
    chunk = std::min(chunk, limit - have);
    out.resize(have + chunk);
    const ssize_t n = ::read(fd.get(), out.data() + have, chunk);
    out.resize(have + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(errno, "read " + path.string());
    if (n == 0) break;
    chunk = 65536;
  }
  return out;
}

Status write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(errno, "write");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Status write_file_atomic(const fs::path& path, std::string_view bytes, unsigned mode) {
  std::string temporary = path.string() + ".XXXXXX";
  Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.valid()) return fail_errno(errno, "create " + temporary);
  const auto abandon = [&](std::unexpected<Error> error) {
    ::unlink(temporary.c_str());
    return error;
  };
  if (Status written = write_all(fd.get(), bytes); !written) return abandon(fail(written.error()));
  if (::fchmod(fd.get(), mode) != 0) return abandon(fail_errno(errno, "chmod " + temporary));
  if (::fsync(fd.get()) != 0) return abandon(fail_errno(errno, "fsync " + temporary));
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    return abandon(fail_errno(errno, "rename to " + path.string()));
  return fsync_directory(path.parent_path());
}

Status fsync_directory(const fs::path& directory) {
  SLIPWAY_TRY(Fd fd,
              open_file(directory.empty() ? fs::path(".") : directory, O_RDONLY | O_DIRECTORY));
  if (::fsync(fd.get()) != 0) return fail_errno(errno, "fsync " + directory.string());
  return {};
}

Status make_directories(const fs::path& path, unsigned mode) {
  if (path.empty() || ::mkdir(path.c_str(), mode) == 0) return {};
  if (errno == ENOENT) {
    SLIPWAY_CHECK(make_directories(path.parent_path(), mode));
    if (::mkdir(path.c_str(), mode) == 0) return {};
  }
  if (errno == EEXIST) {
    struct stat info{};
    if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return {};
    return fail(Errc::conflict, path.string() + " exists and is not a directory");
  }
  return fail_errno(errno, "mkdir " + path.string());
}

namespace {

// Empties the directory behind `directory`, which is on file system `device`. Others may be
// removing it as well.
Status empty_directory(Fd directory, dev_t device, const fs::path& name) {
  DIR* stream = ::fdopendir(directory.get());
  if (stream == nullptr) return fail_errno(errno, "read directory " + name.string());
  const int fd = directory.release();  // closedir() closes it
  Status outcome;
  while (outcome) {
    errno = 0;
    const dirent* entry = ::readdir(stream);
    if (entry == nullptr) break;
    const std::string_view child = entry->d_name;
    if (child == "." || child == "..") continue;
    if (::unlinkat(fd, entry->d_name, 0) == 0 || errno == ENOENT) continue;
    if (errno != EISDIR && errno != EPERM) {
      outcome = fail_errno(errno, "remove " + (name / child).string());
      break;
    }
    Fd below(::openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!below.valid() && errno == ENOENT) continue;
    struct stat info{};
    if (!below.valid() || ::fstat(below.get(), &info) != 0) {
      outcome = fail_errno(errno, "open " + (name / child).string());
    } else if (info.st_dev != device) {
      outcome = fail(Errc::failed_precondition, (name / child).string() + " is a mount point");
    } else {
      outcome = empty_directory(std::move(below), device, name / child);
      if (outcome && ::unlinkat(fd, entry->d_name, AT_REMOVEDIR) != 0 && errno != ENOENT)
        outcome = fail_errno(errno, "remove " + (name / child).string());
    }
  }
  ::closedir(stream);
  return outcome;
}

}  // namespace

Status remove_tree(const fs::path& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return fail_errno(errno, "stat " + path.string());
  }
  if (!S_ISDIR(info.st_mode)) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
      return fail_errno(errno, "remove " + path.string());
    return {};
  }
  Result<Fd> directory = open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!directory && directory.error().code == Errc::not_found) return {};
  if (!directory) return fail(directory.error());
  SLIPWAY_CHECK(empty_directory(*std::move(directory), info.st_dev, path));
  if (::rmdir(path.c_str()) != 0 && errno != ENOENT)
    return fail_errno(errno, "remove " + path.string());
  return {};
}

Result<std::uint64_t> free_bytes(const fs::path& path) {
  SLIPWAY_TRY(const FreeSpace space, free_space(path));
  return space.bytes;
}

Result<FreeSpace> free_space(const fs::path& path) {
  struct statvfs info{};
  if (::statvfs(path.c_str(), &info) != 0) return fail_errno(errno, "statvfs " + path.string());
  return FreeSpace{.bytes = std::uint64_t{info.f_bavail} * info.f_frsize,
                   .inodes = info.f_favail,
                   .inodes_total = info.f_files};
}

std::uint64_t disk_usage(const fs::path& root, std::uint64_t enough) {
  std::uint64_t total = 0;
  std::set<ino_t> seen;
  std::error_code error;
  fs::recursive_directory_iterator it(root, fs::directory_options::skip_permission_denied, error);
  for (const fs::recursive_directory_iterator end; !error && it != end && total <= enough;
       it.increment(error)) {
    struct stat info{};
    if (::lstat(it->path().c_str(), &info) != 0) continue;
    if (!S_ISDIR(info.st_mode) && info.st_nlink > 1 && !seen.insert(info.st_ino).second) continue;
    total += static_cast<std::uint64_t>(info.st_blocks) * 512;
  }
  return total;
}

Result<TempDir> TempDir::create(const fs::path& parent, std::string_view prefix) {
  std::string name = (parent / (std::string(prefix) + "XXXXXX")).string();
  if (::mkdtemp(name.data()) == nullptr)
    return fail_errno(errno, "create a directory in " + parent.string());
  return TempDir(fs::path(name));
}

TempDir::~TempDir() {
  // Best effort: what stays behind is found by the garbage collector at the next start.
  if (!path_.empty()) std::ignore = remove_tree(path_);
}

}  // namespace slipway
