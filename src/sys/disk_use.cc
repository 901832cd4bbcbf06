#include "sys/disk_use.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <set>

namespace slipway {
namespace fs = std::filesystem;
namespace {

bool before(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

}  // namespace

DiskSpace disk_space_used(const fs::path& root, const DiskSpace& enough, const timespec& since) {
  DiskSpace total;
  std::set<ino_t> seen;
  std::error_code error;
  fs::recursive_directory_iterator it(root, fs::directory_options::skip_permission_denied, error);
  for (const fs::recursive_directory_iterator end; !error && it != end && !total.exceeds(enough);
       it.increment(error)) {
    struct stat info{};
    if (::lstat(it->path().c_str(), &info) != 0 || before(info.st_ctim, since)) continue;
    if (!S_ISDIR(info.st_mode) && info.st_nlink > 1 && !seen.insert(info.st_ino).second) continue;
    total.bytes += static_cast<std::uint64_t>(info.st_blocks) * 512;
    ++total.inodes;
  }
  return total;
}

Result<DiskSpace> disk_space_free(const fs::path& path) {
  struct statvfs info{};
  if (::statvfs(path.c_str(), &info) != 0) return fail_errno(errno, "statvfs " + path.string());
  return DiskSpace{
      .bytes = std::uint64_t{info.f_bavail} * info.f_frsize,
      .inodes = info.f_files == 0 ? std::numeric_limits<std::uint64_t>::max() : info.f_favail};
}

}  // namespace slipway
