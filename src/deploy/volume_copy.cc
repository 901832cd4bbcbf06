#include "deploy/volume_copy.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>

#include "base/text.h"
#include "db/sqlite_copy.h"
#include "deploy/volume_places.h"
#include "sys/capabilities.h"
#include "sys/copy_tree.h"
#include "sys/files.h"
#include "sys/mounts.h"
#include "sys/process.h"

namespace slipway {
namespace fs = std::filesystem;

using namespace std::chrono_literals;

namespace {

constexpr Duration longest = 30min;

bool is_sqlite_file(const Fd& file) {
  std::array<char, sqlite_magic.size()> head{};
  const ssize_t n = ::pread(file.get(), head.data(), head.size(), 0);
  return n > 0 && begins_sqlite({head.data(), static_cast<std::size_t>(n)});
}

// What lies beside an SQLite database is in its backup already.
bool belongs_to_database(const fs::path& root, const fs::path& relative) {
  const std::string name = relative.filename().string();
  if (!is_beside_database(name)) return false;
  const fs::path database = root / relative.parent_path() / name.substr(0, name.rfind('-'));
  const auto file = open_file(database, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  return file && is_sqlite_file(*file);
}

Status confine(const VolumeCopyRequest& request) {
  SLIPWAY_CHECK(enter_private_mount_namespace());
  SLIPWAY_TRY(const Fd from, clone_mount(request.from, MountAccess::read_write, nullptr));
  SLIPWAY_TRY(const Fd to, clone_mount(request.to, MountAccess::read_write, nullptr));
  SLIPWAY_TRY(const Fd stage, new_tmpfs({{"size", "1m"}, {"mode", "0755"}}));
  // Here it hides the copy's place from this process, which needs it no more.
  SLIPWAY_CHECK(attach_mount(stage, request.to.string()));
  const fs::path root = request.to;
  for (const auto& [mount, name] : {std::pair{&from, "from"}, std::pair{&to, "to"}}) {
    SLIPWAY_CHECK(make_directories(root / name));
    SLIPWAY_CHECK(attach_mount(*mount, (root / name).string()));
  }
  if (::chroot(root.c_str()) != 0) return fail_errno(errno, "confine the copying");
  if (::chdir("/") != 0) return fail_errno(errno, "confine the copying");
  // A database of a stranger's may be made to trip over.
  return keep_only_file_powers();
}

}  // namespace

Result<std::uint64_t> copy_volume(const VolumeCopyRequest& request) {
  SLIPWAY_TRY(const Fd from, open_file(request.from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  SLIPWAY_TRY(const Fd to, open_file(request.to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  std::uint64_t databases = 0;
  CopyTreeOptions options{.max_bytes = request.max_bytes};
  options.before_file = [&](const Fd& file,
                            const fs::path& relative) -> Result<CopyTreeOptions::What> {
    if (belongs_to_database(request.from, relative)) return CopyTreeOptions::What::skip;
    if (!is_sqlite_file(file)) return CopyTreeOptions::What::copy;
    const fs::path target = request.to / relative;
    const Status copied = copy_sqlite(request.from / relative, target);
    if (!copied && copied.error().code != Errc::corrupt && copied.error().code != Errc::io)
      return fail(copied.error().code,
                  fmt::format("{}: {}", sanitize_line(relative.string()), copied.error().message));
    if (!copied) {
      // Not one that SQLite can read: its bytes, as of any other file.
      for (const char* beside : {"", "-wal", "-shm", "-journal"})
        ::unlink((target.string() + beside).c_str());
      return CopyTreeOptions::What::copy;
    }
    struct stat info{};
    if (::fstat(file.get(), &info) == 0) {
      std::ignore = ::lchown(target.c_str(), info.st_uid, info.st_gid);
      std::ignore = ::chmod(target.c_str(), info.st_mode & 0777);
    }
    std::error_code error;
    const std::uint64_t size = fs::file_size(target, error);
    databases += error ? 0 : size;
    if (databases > request.max_bytes)
      return fail(Errc::too_large, fmt::format("more than {} bytes", request.max_bytes));
    return CopyTreeOptions::What::skip;
  };
  SLIPWAY_TRY(const CopiedTree copied, copy_tree(from, to, options));
  // One call for all files; a rename that follows makes them visible.
  if (::syncfs(to.get()) != 0) return fail_errno(errno, "write out the copy");
  return copied.bytes + databases;
}

VolumeCopier confined_copier(fs::path self_exe) {
  return
      [self_exe = std::move(self_exe)](const VolumeCopyRequest& request) -> Result<std::uint64_t> {
        const std::array<std::string, 5> argv{self_exe.string(), volume_copy_command,
                                              request.from.string(), request.to.string(),
                                              std::to_string(request.max_bytes)};
        SLIPWAY_TRY(const CommandOutput ran, run_command(argv, {}, longest));
        const std::string said = sanitize_line(trim(ran.output.substr(0, 2000)));
        if (ran.exit.code == 0) {
          std::uint64_t bytes = 0;
          std::from_chars(said.data(), said.data() + said.size(), bytes);
          return bytes;
        }
        const std::size_t colon = said.find(' ');
        if (ran.exit.signal != 0 || colon == std::string::npos)
          return fail(Errc::io, fmt::format("copying a volume ended with {}", ran.exit.code));
        return fail(errc_from_name(said.substr(0, colon)), said.substr(colon + 1));
      };
}

int volume_copy_main(int argc, char** argv) {
  VolumeCopyRequest request;
  if (argc != 5) return 2;
  request.from = argv[2];
  request.to = argv[3];
  const std::string_view limit = argv[4];
  std::from_chars(limit.data(), limit.data() + limit.size(), request.max_bytes);
  ::setpriority(PRIO_PROCESS, 0, 10);
  ::umask(077);
  const Result<std::uint64_t> copied = [&]() -> Result<std::uint64_t> {
    SLIPWAY_CHECK(confine(request));
    return copy_volume({.from = "/from", .to = "/to", .max_bytes = request.max_bytes});
  }();
  const std::string says =
      copied ? std::to_string(*copied)
             : fmt::format("{} {}", info(copied.error().code).name, copied.error().message);
  std::ignore = std::fwrite(says.data(), 1, says.size(), stdout);
  return copied ? 0 : 1;
}

}  // namespace slipway
