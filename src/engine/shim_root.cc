#include "engine/shim_root.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/text.h"
#include "engine/disk_image.h"
#include "sys/files.h"
#include "sys/mounts.h"
#include "sys/netns.h"

namespace slipway {
namespace fs = std::filesystem;
namespace {

// Host files that programs under /usr need. Patterns of glob(3); absent ones are skipped. Nothing
// here may hold a secret, and what only root may read stays so (no id map).
constexpr const char* host_files[] = {
    "/etc/ssl/certs",      "/etc/ssl/openssl.cnf", "/etc/ca-certificates", "/etc/alternatives",
    "/etc/ld.so.cache",    "/etc/ld.so.conf",      "/etc/ld.so.conf.d",    "/etc/localtime",
    "/etc/mime.types",     "/etc/services",        "/etc/protocols",       "/etc/java-*",
    "/etc/fonts",          "/etc/magic",           "/etc/python3*",        "/etc/perl",
    "/etc/maven/m2.conf",  "/etc/maven/logging",   "/etc/pki/tls/certs",   "/etc/pki/ca-trust",
    "/etc/debian_version", "/etc/os-release",      "/etc/gai.conf",        "/etc/inputrc",
};

constexpr const char* top_level_links[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};

// Which of a layer's directories are shown, and where.
constexpr const char* shown[] = {"app", "home/app"};

class RootBuilder {
 public:
  RootBuilder(const ShimJob& job, Fd image) : job_(job), upper_parent_(std::move(image)) {}

  Status build() {
    SLIPWAY_TRY(id_map_, make_id_map(job_.id_base, 65536));
    if (job_.root.base == SandboxRoot::Base::layers) return build_on_layers();
    // Host paths first: the stage may hide some of them.
    SLIPWAY_CHECK(clone_layers());
    SLIPWAY_CHECK(clone_host());
    for (const BindMount& bind : job_.root.binds) SLIPWAY_CHECK(clone_bind(bind));
    SLIPWAY_CHECK(make_stage());
    SLIPWAY_CHECK(make_own_root());
    SLIPWAY_CHECK(write_own_files());
    SLIPWAY_CHECK(attach_host());
    SLIPWAY_CHECK(attach_overlay());
    for (const auto& [bind, mount] : binds_) SLIPWAY_CHECK(attach_bind(*bind, mount));
    // The root alone: what is attached below has its own say. (The runtime's "readonly" would take
    // /app along.)
    return make_read_only(root_path_);
  }

 private:
  // The overlay is the root; nothing of the host's is shown.
  Status build_on_layers() {
    SLIPWAY_CHECK(clone_layers());
    for (const BindMount& bind : job_.root.binds) SLIPWAY_CHECK(clone_bind(bind));
    SLIPWAY_CHECK(make_stage());
    SLIPWAY_TRY(const Fd overlay, make_overlay());
    root_path_ = job_.stage + "/root";
    SLIPWAY_CHECK(attach_mount(overlay, root_path_));
    SLIPWAY_TRY(root_, open_file(root_path_, O_PATH | O_DIRECTORY));
    // What the runtime mounts on must be no link of the image's.
    for (const char* name : {"proc", "sys", "dev"})
      SLIPWAY_CHECK(make_real(root_, name, Entry::directory));
    SLIPWAY_CHECK(place_own_files());
    for (const auto& [bind, mount] : binds_) SLIPWAY_CHECK(attach_bind(*bind, mount));
    return {};
  }

  // Our answers to who and where the sandbox is, over whatever an image has there.
  Status place_own_files() {
    struct stat info{};
    if (::fstatat(root_.get(), "etc", &info, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(info.st_mode))
      return fail(Errc::invalid_argument, "/etc of the image is not a directory");
    SLIPWAY_TRY(const Fd etc, make_beneath("/etc", Entry::directory));
    for (const auto& [name, text] :
         {std::pair<const char*, std::string>{"hosts", hosts_text()},
          std::pair<const char*, std::string>{"hostname", job_.hostname + "\n"},
          std::pair<const char*, std::string>{"resolv.conf", resolv_text()}}) {
      const std::string own = fmt::format("{}/own-{}", job_.stage, name);
      SLIPWAY_TRY(const Fd file, open_file(own, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW));
      SLIPWAY_CHECK(write_all(file.get(), text));
      SLIPWAY_CHECK(give(own));
      SLIPWAY_TRY(const Fd mount, clone_mount(own, MountAccess::read_only, nullptr));
      SLIPWAY_CHECK(make_real(etc, name, Entry::file));
      SLIPWAY_TRY(const Fd target, open_beneath(etc, name));
      SLIPWAY_CHECK(attach_mount_at(mount, target));
    }
    return {};
  }

  std::string hosts_text() const {
    return fmt::format("127.0.0.1 localhost {0}\n::1 localhost ip6-localhost\n", job_.hostname);
  }
  std::string resolv_text() const {
    return job_.network ? fmt::format("nameserver {}\noptions timeout:3 attempts:3\n",
                                      format_ipv4(job_.network->gateway))
                        : std::string("# no network\n");
  }

  Status clone_layers() {
    for (const fs::path& lower : job_.root.lowers) {
      SLIPWAY_TRY(Fd mount, clone_mount(lower, MountAccess::read_only, &id_map_));
      lowers_.push_back(std::move(mount));
    }
    // Upper and work must lie on one mount: their common parent's.
    if (!upper_parent_.valid()) {
      SLIPWAY_TRY(upper_parent_,
                  clone_mount(job_.root.upper.parent_path(), MountAccess::read_write, &id_map_));
      return {};
    }
    SLIPWAY_CHECK(make_upper(upper_parent_, job_.root.upper.filename(),
                             fs::path(job_.work).filename(), job_.root.base));
    return map_mount_ids(upper_parent_, id_map_);
  }

  Status clone_host() {
    SLIPWAY_CHECK(clone_host_path("/usr"));
    for (const char* name : top_level_links) {
      const fs::path path = fs::path("/") / name;
      struct stat info{};
      if (::lstat(path.c_str(), &info) != 0) continue;
      if (!S_ISLNK(info.st_mode)) SLIPWAY_CHECK(clone_host_path(path));
    }
    for (const char* pattern : host_files) {
      glob_t found{};
      if (::glob(pattern, GLOB_NOSORT, nullptr, &found) == 0)
        for (std::size_t i = 0; i < found.gl_pathc; ++i)
          if (Status done = clone_host_path(found.gl_pathv[i]); !done) {
            ::globfree(&found);
            return done;
          }
      ::globfree(&found);
    }
    return {};
  }

  Status clone_host_path(const fs::path& path) {
    std::error_code error;
    const fs::path real = fs::canonical(path, error);
    if (error) return {};
    // "/etc/os-release" may lead to /usr, "/etc/localtime" to wherever: but not out of those two.
    if (!real.string().starts_with("/usr/") && !real.string().starts_with("/etc/") &&
        real != "/usr" && path.string().starts_with("/etc/"))
      return {};
    SLIPWAY_TRY(Fd mount, clone_mount(real, MountAccess::read_only, nullptr));
    host_.emplace_back(path, std::move(mount));
    return {};
  }

  Status clone_bind(const BindMount& bind) {
    const bool writes = bind.access == BindMount::Access::read_write;
    const bool maps = bind.access != BindMount::Access::read_only;
    SLIPWAY_TRY(Fd mount,
                clone_mount(bind.source, writes ? MountAccess::read_write : MountAccess::read_only,
                            maps ? &id_map_ : nullptr));
    binds_.emplace_back(&bind, std::move(mount));
    return {};
  }

  Status make_stage() {
    SLIPWAY_TRY(const Fd stage, new_tmpfs({{"size", "16m"}, {"mode", "0755"}}));
    SLIPWAY_CHECK(attach_mount(stage, job_.stage));
    for (const char* name : {"/root", "/bundle", "/merged", "/none"})
      SLIPWAY_CHECK(make_directories(job_.stage + name));
    return {};
  }

  Status make_own_root() {
    root_path_ = job_.stage + "/root";
    SLIPWAY_TRY(const Fd root, new_tmpfs({{"size", "4m"}, {"mode", "0755"}}));
    SLIPWAY_CHECK(attach_mount(root, root_path_));
    SLIPWAY_TRY(root_, open_file(root_path_, O_PATH | O_DIRECTORY));
    return {};
  }

  // A file of the root, owned by the sandbox's user 0.
  Status write_file(const std::string& name, std::string_view text) {
    const std::string path = root_path_ + name;
    SLIPWAY_TRY(const Fd fd, open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW));
    SLIPWAY_CHECK(write_all(fd.get(), text));
    return give(path);
  }
  Status make_directory(const std::string& name, unsigned mode = 0755) {
    const std::string path = root_path_ + name;
    if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST)
      return fail_errno(errno, "mkdir " + path);
    return give(path);
  }
  Status give(const std::string& path) {
    if (::lchown(path.c_str(), job_.id_base, job_.id_base) != 0)
      return fail_errno(errno, "chown " + path);
    return {};
  }

  Status write_own_files() {
    SLIPWAY_CHECK(give(root_path_));
    for (const char* name :
         {"/usr", "/etc", "/etc/ssl", "/etc/maven", "/etc/pki", "/etc/pki/tls", "/proc", "/dev",
          "/tmp", "/var", "/var/tmp", "/run", "/app", "/home", "/home/app", "/opt", "/sys", "/mnt"})
      SLIPWAY_CHECK(make_directory(name));
    for (const char* name : top_level_links) {
      std::array<char, 256> target{};
      const std::string path = std::string("/") + name;
      const ssize_t n = ::readlink(path.c_str(), target.data(), target.size() - 1);
      if (n > 0 && ::symlink(target.data(), (root_path_ + path).c_str()) != 0)
        return fail_errno(errno, "link " + path);
      if (n > 0) SLIPWAY_CHECK(give(root_path_ + path));
    }
    for (const char* link : {"/var/run", "/var/lock"})
      if (::symlink("/run", (root_path_ + link).c_str()) != 0)
        return fail_errno(errno, std::string("link ") + link);
    SLIPWAY_CHECK(write_file("/etc/passwd",
                             "root:x:0:0:app:/home/app:/bin/sh\n"
                             "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"));
    SLIPWAY_CHECK(write_file("/etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"));
    SLIPWAY_CHECK(write_file("/etc/nsswitch.conf",
                             "passwd: files\ngroup: files\nhosts: files dns\nnetworks: files\n"
                             "protocols: files\nservices: files\n"));
    SLIPWAY_CHECK(write_file("/etc/hosts", hosts_text()));
    SLIPWAY_CHECK(write_file("/etc/hostname", job_.hostname + "\n"));
    return write_file("/etc/resolv.conf", resolv_text());
  }

  Status attach_host() {
    for (const auto& [path, mount] : host_) SLIPWAY_CHECK(attach_beneath(path.string(), mount));
    return {};
  }

  Result<Fd> make_overlay() {
    // The kernel wants the topmost first.
    std::vector<std::string> lowers;
    for (std::size_t i = lowers_.size(); i-- > 0;) {
      const std::string at = fmt::format("{}/l{}", job_.stage, i);
      SLIPWAY_CHECK(make_directories(at));
      SLIPWAY_CHECK(attach_mount(lowers_[i], at));
      lowers.push_back(at);
    }
    if (lowers.empty()) lowers.push_back(job_.stage + "/none");
    const std::string parent = job_.stage + "/u";
    SLIPWAY_CHECK(make_directories(parent));
    SLIPWAY_CHECK(attach_mount(upper_parent_, parent));
    return new_overlay(lowers, parent + "/" + job_.root.upper.filename().string(),
                       parent + "/" + fs::path(job_.work).filename().string(), job_.id_base);
  }

  Status attach_overlay() {
    SLIPWAY_TRY(const Fd overlay, make_overlay());
    SLIPWAY_CHECK(attach_mount(overlay, job_.stage + "/merged"));
    SLIPWAY_TRY(const Fd merged, open_file(job_.stage + "/merged", O_PATH | O_DIRECTORY));
    for (const char* name : shown) {
      SLIPWAY_TRY(const Fd directory, open_beneath(merged, name));
      struct stat info{};
      if (::fstat(directory.get(), &info) != 0 || !S_ISDIR(info.st_mode))
        return fail(Errc::invalid_argument, fmt::format("{} of a layer is not a directory", name));
      SLIPWAY_TRY(const Fd mount, clone_mount_at(directory, MountAccess::read_write, nullptr));
      SLIPWAY_CHECK(attach_beneath(std::string("/") + name, mount));
    }
    return {};
  }

  Status attach_bind(const BindMount& bind, const Fd& mount) {
    for (const std::string_view reserved : {"/proc", "/dev", "/sys", "/etc/passwd", "/etc/group"})
      if (bind.target == reserved || bind.target.starts_with(std::string(reserved) + "/"))
        return fail(Errc::invalid_argument, "nothing can be mounted at " + bind.target);
    SLIPWAY_CHECK(attach_beneath(bind.target, mount));
    return bind.link.empty() ? Status() : place_link(bind.link, bind.link_to);
  }

  // Puts a link at `path` in place of a file or another link. As the sandbox's own user, like
  // make_entry().
  Status place_link(const std::string& path, const std::string& to) {
    const fs::path where(path);
    SLIPWAY_TRY(const Fd parent, make_beneath(where.parent_path().string(), Entry::directory));
    const std::string name = where.filename().string();
    ::setfsuid(job_.id_base);
    ::setfsgid(job_.id_base);
    const bool free = ::unlinkat(parent.get(), name.c_str(), 0) == 0 || errno == ENOENT;
    const bool made = free && ::symlinkat(to.c_str(), parent.get(), name.c_str()) == 0;
    const int saved = errno;
    ::setfsuid(0);
    ::setfsgid(0);
    if (!made) return fail_errno(saved, "put a link at " + path);
    return {};
  }

  // Attaches `mount` at `target` inside the root, making what is missing on the way. Never follows
  // a link: a layer may hold links anywhere below /app.
  Status attach_beneath(std::string_view target, const Fd& mount) {
    struct stat info{};
    if (::fstat(mount.get(), &info) != 0) return fail_errno(errno, "stat a mount");
    SLIPWAY_TRY(const Fd at,
                make_beneath(target, S_ISDIR(info.st_mode) ? Entry::directory : Entry::file));
    if (Status attached = attach_mount_at(mount, at); !attached)
      return fail(attached.error().code, fmt::format("{} at {}", attached.error().message, target));
    return {};
  }

  enum class Entry { directory, file };
  // Opens `target`, made with what is missing on the way.
  Result<Fd> make_beneath(std::string_view target, Entry kind) {
    SLIPWAY_TRY(Fd at, open_beneath(root_, "."));
    const std::vector<std::string_view> parts = split(target, '/');
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].empty()) continue;
      if (parts[i] == "." || parts[i] == "..")
        return fail(Errc::invalid_argument, fmt::format("bad mount target {}", target));
      const bool last = i + 1 == parts.size();
      Result<Fd> next = open_beneath(at, parts[i]);
      if (!next && next.error().code == Errc::not_found) {
        SLIPWAY_CHECK(make_entry(at, std::string(parts[i]), last ? kind : Entry::directory));
        next = open_beneath(at, parts[i]);
      }
      if (!next) return fail(next.error());
      at = std::move(*next);
    }
    return at;
  }

  // As make_entry(); a link or another kind of file in its place goes first.
  Status make_real(const Fd& parent, const char* name, Entry entry) {
    struct stat info{};
    if (::fstatat(parent.get(), name, &info, AT_SYMLINK_NOFOLLOW) == 0) {
      if (entry == Entry::directory ? S_ISDIR(info.st_mode) : S_ISREG(info.st_mode)) return {};
      const FileOwner as_owner(job_.id_base);
      if (::unlinkat(parent.get(), name, S_ISDIR(info.st_mode) ? AT_REMOVEDIR : 0) != 0)
        return fail_errno(errno, fmt::format("replace {} of the image", name));
    }
    return make_entry(parent, name, entry);
  }

  Status make_entry(const Fd& parent, const std::string& name, Entry entry) {
    // As the sandbox's own user: where ids are mapped, files of anybody else cannot be made.
    const FileOwner as_owner(job_.id_base);
    int made = 0;
    if (entry == Entry::directory) {
      made = ::mkdirat(parent.get(), name.c_str(), 0755);
    } else {
      made = ::openat(parent.get(), name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
      if (made >= 0) ::close(made);
    }
    if (made < 0 && errno != EEXIST) return fail_errno(errno, "make the mount point " + name);
    return {};
  }

  const ShimJob& job_;
  Fd id_map_;
  std::vector<Fd> lowers_;  // as in the job, lowest first
  Fd upper_parent_;
  std::vector<std::pair<fs::path, Fd>> host_;
  std::vector<std::pair<const BindMount*, Fd>> binds_;
  std::string root_path_;
  Fd root_;
};

}  // namespace

Status assemble_root(const ShimJob& job, Fd image) {
  return RootBuilder(job, std::move(image)).build();
}

}  // namespace slipway
