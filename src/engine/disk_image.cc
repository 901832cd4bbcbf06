#include "engine/disk_image.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/text.h"
#include "sys/files.h"
#include "sys/loop_device.h"
#include "sys/mounts.h"
#include "sys/process.h"

namespace slipway {
namespace fs = std::filesystem;
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t bytes_a_file = 8192, fewest_files = 16'384;
constexpr std::uint64_t block = 4096, inode = 256;

// With what ext4 keeps for itself: inode tables, bitmaps, and the blocks (a fiftieth, 16 MiB at the
// most) that it holds back for its own needs.
std::uint64_t image_size(const DiskSpace& room) {
  const std::uint64_t held = std::min<std::uint64_t>(room.bytes / 49, 17u << 20);
  const std::uint64_t size =
      room.bytes + held + room.inodes * inode + room.bytes / 2048 + (std::uint64_t{2} << 20);
  return (size + block - 1) / block * block;
}

// Without a name from the start where the file system can do that.
Result<Fd> unnamed_file(const fs::path& directory) {
  Fd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd.valid()) return fd;
  if (errno != EOPNOTSUPP) return fail_errno(errno, "make a file in " + directory.string());
  std::string name = (directory / "disk-XXXXXX").string();
  Fd named(::mkostemp(name.data(), O_CLOEXEC));
  if (!named.valid()) return fail_errno(errno, "make a file in " + directory.string());
  ::unlink(name.c_str());
  return named;
}

// What `from` holds, and holes where it has them.
Status copy_sparse(const Fd& from, const Fd& to) {
  struct stat info{};
  if (::fstat(from.get(), &info) != 0) return fail_errno(errno, "stat a blank image");
  if (::ftruncate(to.get(), info.st_size) != 0) return fail_errno(errno, "size an image");
  std::array<char, 65536> buffer;
  for (off_t at = 0; at < info.st_size;) {
    const off_t data = ::lseek(from.get(), at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) return {};
    const off_t hole = ::lseek(from.get(), data, SEEK_HOLE);
    if (data < 0 || hole < 0) return fail_errno(errno, "look into a blank image");
    for (at = data; at < hole;) {
      const auto want = std::min(buffer.size(), static_cast<std::size_t>(hole - at));
      const ssize_t got = ::pread(from.get(), buffer.data(), want, at);
      if (got <= 0) return fail_errno(got < 0 ? errno : EIO, "read a blank image");
      if (::pwrite(to.get(), buffer.data(), static_cast<std::size_t>(got), at) != got)
        return fail_errno(errno, "write an image");
      at += got;
    }
  }
  return {};
}

Status make_directory_at(const Fd& parent, const char* name) {
  if (::mkdirat(parent.get(), name, 0755) == 0 || errno == EEXIST) return {};
  return fail_errno(errno, std::string("mkdir ") + name);
}

// A directory beneath an open one; existing is fine, a link is not.
Result<Fd> directory_at(const Fd& parent, const char* name) {
  SLIPWAY_CHECK(make_directory_at(parent, name));
  Fd fd(::openat(parent.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return fail_errno(errno, std::string("open ") + name);
  return fd;
}

}  // namespace

DiskSpace disk_limit(std::uint64_t disk_bytes) {
  return {disk_bytes, std::max(fewest_files, disk_bytes / bytes_a_file)};
}

Status make_blank_image(const fs::path& blank, const DiskSpace& room) {
  std::string mkfs;
  for (const char* path : {"/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4"})
    if (mkfs.empty() && ::access(path, X_OK) == 0) mkfs = path;
  if (mkfs.empty())
    return fail(Errc::failed_precondition, "mkfs.ext4 was not found", "apt-get install e2fsprogs");
  const fs::path made = blank.string() + ".new";
  {
    SLIPWAY_TRY(const Fd file, open_file(made, O_RDWR | O_CREAT | O_TRUNC, 0600));
    if (::ftruncate(file.get(), static_cast<off_t>(image_size(room))) != 0)
      return fail_errno(errno, "size " + made.string());
  }
  // It lives no longer than its sandbox: a journal would be for nothing.
  const std::vector<std::string> argv{mkfs,
                                      "-q",
                                      "-F",
                                      "-b",
                                      std::to_string(block),
                                      "-I",
                                      std::to_string(inode),
                                      "-N",
                                      std::to_string(room.inodes),
                                      "-m",
                                      "0",
                                      "-O",
                                      "^has_journal,^resize_inode,sparse_super2",
                                      "-E",
                                      "lazy_itable_init=1,nodiscard,root_owner=0:0",
                                      made.string()};
  SLIPWAY_TRY(const CommandOutput done, run_command(argv, "", 60s));
  if (done.exit.code != 0) return fail(Errc::io, "mkfs.ext4: " + sanitize_line(trim(done.output)));
  if (::rename(made.c_str(), blank.c_str()) != 0)
    return fail_errno(errno, "rename to " + blank.string());
  return {};
}

Result<Fd> mount_image(const fs::path& blank) {
  SLIPWAY_TRY(const Fd from, open_file(blank, O_RDONLY));
  SLIPWAY_TRY(const Fd file, unnamed_file(blank.parent_path()));
  SLIPWAY_CHECK(copy_sparse(from, file));
  SLIPWAY_TRY(const LoopDevice loop, make_loop_device(file));
  // noinit_itable: the file's holes are zeros already.
  return new_block_mount("ext4", loop.path,
                         {{"noinit_itable", ""}, {"discard", ""}, {"errors", "continue"}});
}

Status make_upper(const Fd& parent, const std::string& upper, const std::string& work,
                  SandboxRoot::Base base) {
  SLIPWAY_CHECK(make_directory_at(parent, work.c_str()));
  SLIPWAY_TRY(const Fd top, directory_at(parent, upper.c_str()));
  if (base == SandboxRoot::Base::layers) return {};
  SLIPWAY_CHECK(make_directory_at(top, "app"));
  SLIPWAY_TRY(const Fd home, directory_at(top, "home"));
  SLIPWAY_TRY(const Fd app, directory_at(top, "app"));
  SLIPWAY_TRY(const Fd home_app, directory_at(home, "app"));
  return {};
}

}  // namespace slipway
