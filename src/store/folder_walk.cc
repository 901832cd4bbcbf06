#include "store/folder_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/text.h"
#include "store/env_values.h"
#include "store/gitignore.h"

namespace slipway {
namespace {

constexpr std::size_t max_ignore_file_bytes = 1 << 20;

// Folders that are never uploaded, by name; with `beside`, only in a folder that has such a file.
struct ExcludedFolder {
  std::string_view name, beside;
  std::string_view why;  // no note when empty: nobody misses them
};
constexpr std::string_view installed_by_build = "dependencies are installed by the build";
constexpr std::string_view made_by_build = "made again by the build";
constexpr ExcludedFolder excluded_folders[] = {
    {".git", "", ""},
    {".hg", "", ""},
    {".svn", "", ""},
    {"node_modules", "", installed_by_build},
    {"bower_components", "", installed_by_build},
    {".venv", "", installed_by_build},
    {"target", "Cargo.toml", made_by_build},
    {"_build", "mix.exs", made_by_build},
    {"deps", "mix.exs", installed_by_build},
    {".next", "", made_by_build},
    {".nuxt", "", made_by_build},
    {".svelte-kit", "", made_by_build},
    {".astro", "", ""},
    {".turbo", "", ""},
    {".parcel-cache", "", ""},
    {".gradle", "", ""},
    {"__pycache__", "", ""},
    {".pytest_cache", "", ""},
    {".mypy_cache", "", ""},
    {".ruff_cache", "", ""},
    {".tox", "", ""},
};
constexpr std::string_view silent_files[] = {".git", ".DS_Store",
                                             "Thumbs.db"};  // .git: a worktree's
constexpr std::string_view settings_why = "settings of this machine";

// Notes, one a reason, however many paths it concerns.
class Notes {
 public:
  void add(std::string_view why, std::string_view path) {
    const auto at = std::ranges::find(notes_, why, &Note::why);
    if (at != notes_.end())
      ++at->more;
    else
      notes_.push_back({std::string(why), sanitize_line(path)});
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> out;
    for (const Note& note : notes_)
      out.push_back(note.more == 0 ? fmt::format("skipped {} ({})", note.path, note.why)
                                   : fmt::format("skipped {} and {} more ({})", note.path,
                                                 note.more, note.why));
    return out;
  }

 private:
  struct Note {
    std::string why, path;
    std::size_t more = 0;
  };
  std::vector<Note> notes_;
};

struct Child {
  std::string name;
  unsigned char type;  // DT_*
};

// The entries of a directory; takes nothing for one that has vanished.
Result<std::vector<Child>> list(int directory, std::string_view path) {
  Fd own(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own.valid()) return fail_errno(errno, fmt::format("read folder {}", path));
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(own.get()), ::closedir);
  if (stream == nullptr) return fail_errno(errno, fmt::format("read folder {}", path));
  std::ignore = own.release();  // closedir() closes it
  std::vector<Child> out;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") out.push_back({std::string(name), entry->d_type});
  }
  if (errno != 0) return fail_errno(errno, fmt::format("read folder {}", path));
  return out;
}

Result<std::string> read_ignore_file(int directory, const std::string& name,
                                     std::string_view path) {
  const Fd fd(::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  // git does not follow a linked .gitignore either.
  if (!fd.valid() && (errno == ENOENT || errno == ELOOP)) return std::string{};
  if (!fd.valid()) return fail_errno(errno, fmt::format("read {}", path));
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return std::string{};
  std::string text(max_ignore_file_bytes, '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t got = ::read(fd.get(), text.data() + have, text.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, fmt::format("read {}", path));
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  text.resize(have);
  return text;
}

class Walker {
 public:
  explicit Walker(const ScanLimits& limits) : limits_(limits) {}

  // `base` is the directory's path with a '/' behind it; empty for the root.
  Status walk(int directory, const std::string& base, std::size_t depth) {
    if (depth > max_path_depth)
      return fail(Errc::too_large, fmt::format("{} is nested too deep", sanitize_line(base)));
    SLIPWAY_TRY(const std::vector<Child> children, list(directory, base));
    const auto has = [&](std::string_view name) {
      return std::ranges::find(children, name, &Child::name) != children.end();
    };
    if (depth > 0 && has("pyvenv.cfg")) {
      notes_.add(installed_by_build, base.substr(0, base.size() - 1));
      return {};
    }
    Level level{.base = base.size(), .git = {}, .slipway = {}};
    if (has(".gitignore")) {
      SLIPWAY_TRY(const std::string text,
                  read_ignore_file(directory, ".gitignore", base + ".gitignore"));
      level.git = IgnoreRules::parse(text);
    }
    if (has(".slipwayignore")) {
      SLIPWAY_TRY(const std::string text,
                  read_ignore_file(directory, ".slipwayignore", base + ".slipwayignore"));
      level.slipway = IgnoreRules::parse(text);
    }
    const bool pushed = !level.git.empty() || !level.slipway.empty();
    if (pushed) levels_.push_back(std::move(level));
    const bool above = installs_;
    installs_ = installs_ || has("package.json") || has("pyproject.toml") || has("bower.json");
    for (const Child& child : children) SLIPWAY_CHECK(visit(directory, base, child, depth, has));
    installs_ = above;
    if (pushed) levels_.pop_back();
    return {};
  }

  FoundFiles take() && {
    std::ranges::sort(files_, {}, &FoundFile::path);
    return {.files = std::move(files_), .notes = notes_.lines()};
  }

 private:
  // The rules of one directory.
  struct Level {
    std::size_t base;
    IgnoreRules git, slipway;
  };

  template <class Has>
  Status visit(int directory, const std::string& base, const Child& child, std::size_t depth,
               const Has& has) {
    const std::string path = base + child.name;
    struct stat info{};
    bool have_info = false;
    unsigned char type = child.type;
    const auto look = [&] {
      have_info = ::fstatat(directory, child.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
      return have_info;
    };
    if (type == DT_UNKNOWN) {
      if (!look()) return vanished(path);
      type = static_cast<unsigned char>(IFTODT(info.st_mode));
    }
    const bool is_folder = type == DT_DIR;
    const auto kind = is_folder ? IgnoreRules::Kind::directory : IgnoreRules::Kind::file;
    const std::optional<IgnoreRules::Verdict> owner = opinion(&Level::slipway, path, kind);
    if (is_version_control(child.name)) return {};
    if (owner == IgnoreRules::Verdict::ignore) return {};
    // What .slipwayignore asks back goes up, whatever it is.
    FoundFile::Part part = FoundFile::Part::whole;
    if (!owner) {
      if (is_excluded(path, child.name, type, depth, has)) return {};
      const EnvFile env = is_folder ? EnvFile::none : env_file_of(child.name);
      if (env == EnvFile::values && type == DT_LNK) return {};
      if (env == EnvFile::settings) {
        notes_.add(settings_why, path);
        return {};
      }
      // What is public in it reaches every browser anyway, so that git ignores it does not count.
      if (env == EnvFile::values)
        part = FoundFile::Part::public_values;
      else if (opinion(&Level::git, path, kind) == IgnoreRules::Verdict::ignore)
        return {};
    }
    if (!check_manifest_path(child.name)) {
      notes_.add("the name is not plain UTF-8", path);
      return {};
    }
    if (is_folder) return descend(directory, child.name, path, depth);
    if (type == DT_LNK) return add_link(directory, child.name, path);
    if (!have_info && !look()) return vanished(path);
    if (!S_ISREG(info.st_mode)) {
      notes_.add("neither a file nor a folder nor a link", path);
      return {};
    }
    return add_file(path, info, part);
  }

  static bool is_version_control(std::string_view name) {
    return name == ".git" || name == ".hg" || name == ".svn";
  }

  template <class Has>
  bool is_excluded(const std::string& path, std::string_view name, unsigned char type,
                   std::size_t depth, const Has& has) {
    if (type == DT_REG) return std::ranges::find(silent_files, name) != std::end(silent_files);
    for (const ExcludedFolder& each : excluded_folders) {
      if (name != each.name || (!each.beside.empty() && !has(each.beside))) continue;
      // A finished site's own folder may be called so, too: assets/node_modules.
      if (each.why == installed_by_build && each.beside.empty() && !installs_ && depth > 0)
        continue;
      // A link of that name stands for the folder as much.
      if (!each.why.empty()) notes_.add(each.why, path);
      return true;
    }
    return false;
  }

  // What the ignore files of one kind say of a path; the deepest that says anything decides.
  std::optional<IgnoreRules::Verdict> opinion(IgnoreRules Level::* rules, std::string_view path,
                                              IgnoreRules::Kind kind) const {
    for (auto level = levels_.rbegin(); level != levels_.rend(); ++level)
      if (const auto verdict = ((*level).*rules).match(path.substr(level->base), kind))
        return verdict;
    return std::nullopt;
  }

  // What goes away while we look was not there.
  static Status vanished(const std::string& path) {
    if (errno == ENOENT) return {};
    return fail_errno(errno, fmt::format("look at {}", path));
  }

  Status descend(int directory, const std::string& name, const std::string& path,
                 std::size_t depth) {
    const Fd below(
        ::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!below.valid() && errno == ENOENT) return {};
    if (!below.valid()) {
      auto error = fail_errno(errno, fmt::format("open folder {}", sanitize_line(path)));
      error.error().hint = "make it readable, or add it to .slipwayignore";
      return error;
    }
    return walk(below.get(), path + "/", depth + 1);
  }

  Status count(const std::string& path, std::uint64_t size) {
    if (files_.size() >= limits_.max_files)
      return fail(Errc::too_large,
                  fmt::format("the folder has more than {} files", limits_.max_files),
                  "add what the app does not need to .slipwayignore");
    total_ += size;
    if (size > limits_.max_file_bytes || total_ > limits_.max_total_bytes)
      return fail(
          Errc::too_large,
          size > limits_.max_file_bytes
              ? fmt::format("{} is larger than {}", sanitize_line(path),
                            format_bytes(limits_.max_file_bytes))
              : fmt::format("the folder is larger than {}", format_bytes(limits_.max_total_bytes)),
          "add what the app does not need to .slipwayignore");
    return {};
  }

  Status add_file(const std::string& path, const struct stat& info, FoundFile::Part part) {
    const FileStamp stamp = stamp_of(info);
    SLIPWAY_CHECK(count(path, stamp.size));
    files_.push_back({.path = path,
                      .mode = stamp.executable != 0 ? FileMode::executable : FileMode::regular,
                      .stamp = stamp,
                      .link_target = {},
                      .part = part});
    return {};
  }

  Status add_link(int directory, const std::string& name, const std::string& path) {
    std::string target(max_link_target_bytes + 1, '\0');
    const ssize_t length = ::readlinkat(directory, name.c_str(), target.data(), target.size());
    if (length < 0) return errno == EINVAL ? Status{} : vanished(path);
    target.resize(static_cast<std::size_t>(length));
    if (!check_link_target(path, target)) {
      notes_.add("a link that leaves the folder", path);
      return {};
    }
    SLIPWAY_CHECK(count(path, target.size()));
    files_.push_back({.path = path,
                      .mode = FileMode::symlink,
                      .stamp = {},
                      .link_target = std::move(target),
                      .part = FoundFile::Part::whole});
    return {};
  }

  const ScanLimits& limits_;
  std::vector<Level> levels_;  // of the directories above, outermost first
  bool installs_ = false;      // a manifest of dependencies is in one of them
  std::vector<FoundFile> files_;
  std::uint64_t total_ = 0;
  Notes notes_;
};

}  // namespace

Result<FoundFiles> walk_folder(int root, const ScanLimits& limits) {
  Walker walker(limits);
  SLIPWAY_CHECK(walker.walk(root, "", 0));
  return std::move(walker).take();
}

Result<Fd> open_below(int root, const std::string& path) {
  constexpr int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  const open_how how{.flags = flags, .mode = 0, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
  Fd fd(static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
  if (!fd.valid() && errno == ENOSYS) fd = Fd(::openat(root, path.c_str(), flags));
  if (!fd.valid()) return fail_errno(errno, fmt::format("read {}", sanitize_line(path)));
  return fd;
}

}  // namespace slipway
