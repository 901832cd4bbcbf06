#pragma once

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/guarded.h"

// A disk that fails and loses power, for a test program: the C library's functions that change
// files are replaced by ones that count, fail when told to, and remember what was synced. Include
// it in one file of a program only; the whole program has these functions then, which pass
// everything on as long as nothing is asked of them.
namespace slipway::testing {

// What was last synced, by inode.
struct SyncedFiles {
  bool active = false;
  std::map<ino_t, std::string> files;
  std::map<ino_t, std::set<std::string>> directories;
};

class DiskFaults {
 public:
  // The `number`-th open, write, sync, rename or mkdir of the process from now on, from 1, fails.
  static void fail_at(std::int64_t number, int error) {
    error_ = error;
    failed_ = false;
    left_ = number;
  }
  // Nothing fails any more. Returns whether something did.
  static bool repair() {
    left_ = 0;
    return failed_;
  }
  // What is below `root` now is on the disk; from now on what is synced is remembered.
  static void remember(const std::filesystem::path& root) {
    const Quiet quiet;
    auto disk = disk_.lock();
    disk->files.clear();
    disk->directories.clear();
    disk->active = true;
    keep(*disk, root);
  }
  // The power goes: below `root` each file has what was last synced of it, and each directory the
  // names that it had when it was last synced.
  static void lose_what_was_not_synced(const std::filesystem::path& root) {
    const Quiet quiet;
    auto disk = disk_.lock();
    disk->active = false;
    lose(*disk, root);
  }

  // For the functions below.
  [[nodiscard]] static bool fails() {
    if (quiet_) return false;
    std::int64_t left = left_;
    while (left > 0 && !left_.compare_exchange_weak(left, left - 1)) continue;
    if (left != 1) return false;
    failed_ = true;
    errno = error_;
    return true;
  }
  static void synced(int fd) {
    const Quiet quiet;
    auto disk = disk_.lock();
    struct stat info{};
    if (!disk->active || ::fstat(fd, &info) != 0) return;
    const std::filesystem::path path =
        std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd));
    if (S_ISDIR(info.st_mode))
      disk->directories[info.st_ino] = names(path);
    else
      disk->files[info.st_ino] = content(path);
  }
  static void all_synced(int fd) {
    const Quiet quiet;
    auto disk = disk_.lock();
    if (disk->active)
      keep(*disk, std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd)));
  }

 private:
  // While one lives, what its thread does is the test's own doing.
  struct Quiet {
    Quiet() { quiet_ = true; }
    ~Quiet() { quiet_ = false; }
  };
  using Disk = SyncedFiles;
  static std::string content(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static std::set<std::string> names(const std::filesystem::path& path) {
    std::set<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(path))
      out.insert(entry.path().filename().string());
    return out;
  }
  static ino_t inode(const std::filesystem::path& path) {
    struct stat info{};
    return ::lstat(path.c_str(), &info) == 0 ? info.st_ino : 0;
  }
  static void keep(Disk& disk, const std::filesystem::path& path) {
    if (std::filesystem::is_symlink(path)) return;
    if (std::filesystem::is_regular_file(path)) disk.files[inode(path)] = content(path);
    if (!std::filesystem::is_directory(path)) return;
    disk.directories[inode(path)] = names(path);
    for (const auto& entry : std::filesystem::directory_iterator(path)) keep(disk, entry.path());
  }
  static void lose(Disk& disk, const std::filesystem::path& path) {
    if (std::filesystem::is_symlink(path)) return;
    if (std::filesystem::is_regular_file(path))
      std::ofstream(path, std::ios::binary | std::ios::trunc) << disk.files[inode(path)];
    if (!std::filesystem::is_directory(path)) return;
    const std::set<std::string>& kept = disk.directories[inode(path)];
    for (const std::string& name : names(path))
      if (kept.contains(name))
        lose(disk, path / name);
      else
        std::filesystem::remove_all(path / name);
  }

  inline static std::atomic<std::int64_t> left_ = 0;
  inline static std::atomic<int> error_ = 0;
  inline static std::atomic<bool> failed_ = false;
  inline static thread_local bool quiet_ = false;
  inline static Guarded<Disk> disk_;
};

}  // namespace slipway::testing

// By their names in the object file: the headers' own declarations stay as they are.
extern "C" {
ssize_t slipway_test_write(int fd, const void* bytes, size_t size) asm("write");
int slipway_test_fsync(int fd) asm("fsync");
int slipway_test_syncfs(int fd) asm("syncfs");
int slipway_test_rename(const char* from, const char* to) asm("rename");
int slipway_test_renameat(int at, const char* from, int to_at, const char* to) asm("renameat");
int slipway_test_renameat2(int at, const char* from, int to_at, const char* to,
                           unsigned flags) asm("renameat2");
int slipway_test_mkdir(const char* path, mode_t mode) asm("mkdir");
int slipway_test_mkdirat(int at, const char* path, mode_t mode) asm("mkdirat");
int slipway_test_open(const char* path, int flags, ...) asm("open");
int slipway_test_openat(int at, const char* path, int flags, ...) asm("openat");

ssize_t slipway_test_write(int fd, const void* bytes, size_t size) {
  if (slipway::testing::DiskFaults::fails()) return -1;
  return ::syscall(SYS_write, fd, bytes, size);
}
int slipway_test_fsync(int fd) {
  if (slipway::testing::DiskFaults::fails()) return -1;
  const int outcome = static_cast<int>(::syscall(SYS_fsync, fd));
  if (outcome == 0) slipway::testing::DiskFaults::synced(fd);
  return outcome;
}
int slipway_test_syncfs(int fd) {
  if (slipway::testing::DiskFaults::fails()) return -1;
  const int outcome = static_cast<int>(::syscall(SYS_syncfs, fd));
  if (outcome == 0) slipway::testing::DiskFaults::all_synced(fd);
  return outcome;
}
int slipway_test_renameat2(int at, const char* from, int to_at, const char* to, unsigned flags) {
  if (slipway::testing::DiskFaults::fails()) return -1;
  return static_cast<int>(::syscall(SYS_renameat2, at, from, to_at, to, flags));
}
int slipway_test_renameat(int at, const char* from, int to_at, const char* to) {
  return slipway_test_renameat2(at, from, to_at, to, 0);
}
int slipway_test_rename(const char* from, const char* to) {
  return slipway_test_renameat2(-100, from, -100, to, 0);  // AT_FDCWD
}
int slipway_test_mkdirat(int at, const char* path, mode_t mode) {
  if (slipway::testing::DiskFaults::fails()) return -1;
  return static_cast<int>(::syscall(SYS_mkdirat, at, path, mode));
}
int slipway_test_mkdir(const char* path, mode_t mode) {
  return slipway_test_mkdirat(-100, path, mode);
}
int slipway_test_openat(int at, const char* path, int flags, ...) {
  if (slipway::testing::DiskFaults::fails()) return -1;
  va_list rest;
  va_start(rest, flags);
  const auto mode = va_arg(rest, unsigned);  // whatever lies there when none was given
  va_end(rest);
  return static_cast<int>(::syscall(SYS_openat, at, path, flags, mode));
}
int slipway_test_open(const char* path, int flags, ...) {
  if (slipway::testing::DiskFaults::fails()) return -1;
  va_list rest;
  va_start(rest, flags);
  const auto mode = va_arg(rest, unsigned);
  va_end(rest);
  return static_cast<int>(::syscall(SYS_openat, -100, path, flags, mode));
}
}
