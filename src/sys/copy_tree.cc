#include "sys/copy_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "sys/files.h"

namespace slipway {
namespace fs = std::filesystem;
namespace {

constexpr int max_depth = 200;

class TreeCopier {
 public:
  TreeCopier(const CopyTreeOptions& options, dev_t device) : options_(options), device_(device) {}

  Status directory(const Fd& from, const Fd& to, const fs::path& relative, int depth) {
    if (depth > max_depth) return fail(Errc::too_large, "folders are nested too deeply");
    SLIPWAY_TRY(const std::vector<std::string> names, names_in(from));
    for (const std::string& name : names)
      SLIPWAY_CHECK(entry(from, to, name, relative / name, depth));
    return {};
  }

  // Owner, mode and times; times last.
  static Status give(const Fd& to, const struct stat& as) {
    if (::fchown(to.get(), as.st_uid, as.st_gid) != 0 && errno != EPERM)
      return fail_errno(errno, "set the owner of a copy");
    if (::fchmod(to.get(), as.st_mode & 07777) != 0)
      return fail_errno(errno, "set the mode of a copy");
    const std::array times{as.st_atim, as.st_mtim};
    if (::futimens(to.get(), times.data()) != 0)
      return fail_errno(errno, "set the times of a copy");
    return {};
  }

  CopiedTree copied;

 private:
  static Result<std::vector<std::string>> names_in(const Fd& directory) {
    Fd again(::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!again.valid()) return fail_errno(errno, "open a directory");
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(again.get()), &::closedir);
    if (!stream) return fail_errno(errno, "read a directory");
    std::ignore = again.release();
    std::vector<std::string> names;
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(stream.get());
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
      if (names.size() > 1'000'000) return fail(Errc::too_large, "a folder has too many entries");
    }
    if (errno != 0) return fail_errno(errno, "read a directory");
    return names;
  }

  Status entry(const Fd& from, const Fd& to, const std::string& name, const fs::path& relative,
               int depth) {
    if (options_.only && !options_.only(relative)) return {};
    struct stat info{};
    if (::fstatat(from.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return {};
      return fail_errno(errno, "stat " + relative.string());
    }
    if (++copied.entries > options_.max_entries)
      return fail(Errc::too_large, fmt::format("more than {} files", options_.max_entries));
    if (S_ISLNK(info.st_mode)) return link(from, to, name, relative, info);
    if (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode)) return {};
    const int kind = S_ISDIR(info.st_mode) ? O_DIRECTORY : O_NONBLOCK;
    const Fd source(::openat(from.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | kind));
    if (!source.valid()) {
      // Another thing by now: whoever writes there changed it under us.
      if (errno == ENOENT || errno == ELOOP || errno == ENOTDIR || errno == ENXIO) return {};
      return fail_errno(errno, "open " + relative.string());
    }
    if (::fstat(source.get(), &info) != 0) return fail_errno(errno, "stat " + relative.string());
    if (S_ISDIR(info.st_mode)) {
      if (info.st_dev != device_) return {};
      return below(source, to, name, relative, info, depth);
    }
    return S_ISREG(info.st_mode) ? file(source, to, name, relative, info) : Status();
  }

  Status below(const Fd& source, const Fd& to, const std::string& name, const fs::path& relative,
               const struct stat& info, int depth) {
    if (::mkdirat(to.get(), name.c_str(), 0700) != 0 && errno != EEXIST)
      return fail_errno(errno, "make " + relative.string());
    const Fd target(
        ::openat(to.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!target.valid()) return fail_errno(errno, "open the copy of " + relative.string());
    SLIPWAY_CHECK(directory(source, target, relative, depth + 1));
    return give(target, info);
  }

  static Status link(const Fd& from, const Fd& to, const std::string& name,
                     const fs::path& relative, const struct stat& info) {
    std::string target(4096, '\0');
    const ssize_t n = ::readlinkat(from.get(), name.c_str(), target.data(), target.size());
    if (n < 0)
      return errno == EINVAL || errno == ENOENT
                 ? Status()
                 : Status(fail_errno(errno, "read " + relative.string()));
    target.resize(static_cast<std::size_t>(n));
    if (::symlinkat(target.c_str(), to.get(), name.c_str()) != 0)
      return fail_errno(errno, "link " + relative.string());
    if (::fchownat(to.get(), name.c_str(), info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) != 0 &&
        errno != EPERM)
      return fail_errno(errno, "set the owner of " + relative.string());
    return {};
  }

  Status file(const Fd& source, const Fd& to, const std::string& name, const fs::path& relative,
              const struct stat& info) {
    if (options_.before_file) {
      SLIPWAY_TRY(const CopyTreeOptions::What what, options_.before_file(source, relative));
      if (what == CopyTreeOptions::What::skip) return {};
    }
    const Fd target(::openat(to.get(), name.c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!target.valid()) return fail_errno(errno, "make " + relative.string());
    const auto blocks = static_cast<std::uint64_t>(info.st_blocks) * 512;
    SLIPWAY_CHECK(count(std::min(blocks, static_cast<std::uint64_t>(info.st_size))));
    if (::ioctl(target.get(), FICLONE, source.get()) != 0)
      if (Status done = data(source, target); !done)
        return fail(done.error().code,
                    fmt::format("{}: {}", relative.string(), done.error().message));
    return give(target, info);
  }

  Status count(std::uint64_t bytes) {
    copied.bytes += bytes;
    if (copied.bytes > options_.max_bytes)
      return fail(Errc::too_large, fmt::format("more than {} bytes", options_.max_bytes));
    return {};
  }

  // The parts that are not holes.
  Status data(const Fd& source, const Fd& target) {
    off_t at = 0;
    const off_t size = ::lseek(source.get(), 0, SEEK_END);
    const std::uint64_t before = copied.bytes;
    std::uint64_t moved = 0;
    while (at < size) {
      const off_t begin = ::lseek(source.get(), at, SEEK_DATA);
      if (begin < 0) break;  // a hole until the end
      off_t end = ::lseek(source.get(), begin, SEEK_HOLE);
      if (end < 0) end = size;
      for (off_t from = begin, to = begin; from < end;) {
        const ssize_t n =
            ::copy_file_range(source.get(), &from, target.get(), &to,
                              static_cast<std::size_t>(std::min<off_t>(end - from, 64 << 20)), 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 &&
            (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) {
          SLIPWAY_TRY(const ssize_t by_hand, move_block(source, target, from, end));
          from += by_hand;
          to = from;
          if (by_hand == 0) break;
          moved += static_cast<std::uint64_t>(by_hand);
        } else if (n < 0) {
          return fail_errno(errno, "copy");
        } else {
          if (n == 0) break;  // it shrank
          moved += static_cast<std::uint64_t>(n);
        }
        // It may have grown since it was counted.
        if (before + moved > options_.max_bytes && moved > (1u << 20))
          return fail(Errc::too_large, fmt::format("more than {} bytes", options_.max_bytes));
      }
      at = end;
    }
    if (::ftruncate(target.get(), size) != 0) return fail_errno(errno, "set the size");
    return {};
  }

  static Result<ssize_t> move_block(const Fd& source, const Fd& target, off_t at, off_t end) {
    std::array<char, 65536> block;
    const auto want = static_cast<std::size_t>(std::min<off_t>(end - at, block.size()));
    const ssize_t n = ::pread(source.get(), block.data(), want, at);
    if (n < 0) return fail_errno(errno, "read");
    for (ssize_t done = 0; done < n;) {
      const ssize_t put = ::pwrite(target.get(), block.data() + done,
                                   static_cast<std::size_t>(n - done), at + done);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return fail_errno(errno, "write");
      done += put;
    }
    return n;
  }

  const CopyTreeOptions& options_;
  dev_t device_;
};

}  // namespace

Result<CopiedTree> copy_tree(const Fd& from, const Fd& to, const CopyTreeOptions& options) {
  struct stat info{};
  if (::fstat(from.get(), &info) != 0) return fail_errno(errno, "stat a directory");
  TreeCopier copier(options, info.st_dev);
  SLIPWAY_CHECK(copier.directory(from, to, {}, 0));
  SLIPWAY_CHECK(TreeCopier::give(to, info));
  return copier.copied;
}

}  // namespace slipway
