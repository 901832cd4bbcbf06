#include "build/merged_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <optional>

#include "base/text.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;
using Entry = MergedTree::Entry;

// The directories that are merged at one place, topmost first.
using Stack = std::vector<fs::path>;

bool is_opaque(const fs::path& directory) {
  char value = 0;
  for (const char* name : {"trusted.overlay.opaque", "user.overlay.opaque"})
    if (::lgetxattr(directory.c_str(), name, &value, 1) == 1 && value == 'y') return true;
  return false;
}

struct Merged {
  Entry entry;
  Stack directories;    // of a directory: those it is made of
  bool hidden = false;  // by a whiteout
  bool closed = false;  // lower layers add nothing
};

Status add_layer(const fs::path& directory, std::map<std::string, Merged>& merged) {
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(directory.c_str()), ::closedir);
  if (!open) return errno == ENOENT ? Status{} : fail_errno(errno, "open " + directory.string());
  while (const dirent* item = ::readdir(open.get())) {
    const std::string name = item->d_name;
    if (name == "." || name == "..") continue;
    struct stat info{};
    if (::fstatat(::dirfd(open.get()), item->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
      return fail_errno(errno, "stat " + (directory / name).string());
    Merged& at = merged[name];
    if (at.closed) continue;
    const bool known = !at.directories.empty();
    if (S_ISDIR(info.st_mode)) {
      at.entry.kind = Entry::Kind::directory;
      at.directories.push_back(directory / name);
      at.closed = is_opaque(directory / name);
    } else {
      at.closed = true;
      if (known) continue;  // a directory above it hides it
      at.hidden = S_ISCHR(info.st_mode) && info.st_rdev == 0;
      at.entry.kind = S_ISREG(info.st_mode)   ? Entry::Kind::file
                      : S_ISLNK(info.st_mode) ? Entry::Kind::symlink
                                              : Entry::Kind::other;
      at.entry.size = static_cast<std::uint64_t>(info.st_size);
    }
    if (!known) at.entry.file = directory / name;
  }
  return {};
}

Result<std::map<std::string, Merged>> merge(const Stack& stack) {
  std::map<std::string, Merged> merged;
  for (const fs::path& directory : stack) SLIPWAY_CHECK(add_layer(directory, merged));
  std::erase_if(merged, [](const auto& item) { return item.second.hidden; });
  return merged;
}

// The directories that make up `path`; nothing when it is no directory.
std::optional<Stack> descend(Stack stack, std::string_view path) {
  for (std::string_view part : split(path, '/')) {
    if (part.empty()) continue;
    if (part == "." || part == "..") return std::nullopt;
    Stack next;
    for (const fs::path& directory : stack) {
      const fs::path child = directory / part;
      struct stat info{};
      if (::lstat(child.c_str(), &info) != 0) continue;
      if (!S_ISDIR(info.st_mode)) break;
      next.push_back(child);
      if (is_opaque(child)) break;
    }
    if (next.empty()) return std::nullopt;
    stack = std::move(next);
  }
  return stack;
}

std::string joined(std::string_view parent, std::string_view name) {
  return parent.empty() ? std::string(name) : std::string(parent) + "/" + std::string(name);
}

}  // namespace

MergedTree::MergedTree(std::vector<fs::path> layers) : layers_(std::move(layers)) {
  std::ranges::reverse(layers_);
}

bool MergedTree::is_directory(std::string_view path) const {
  return descend(layers_, path).has_value();
}

Result<std::vector<Entry>> MergedTree::list(std::string_view path) const {
  std::vector<Entry> out;
  const auto stack = descend(layers_, path);
  if (!stack) return out;
  SLIPWAY_TRY(auto merged, merge(*stack));
  for (auto& [name, item] : merged) {
    item.entry.path = joined(path, name);
    out.push_back(std::move(item.entry));
  }
  return out;
}

Result<std::vector<Entry>> MergedTree::walk(
    std::string_view path, std::size_t limit,
    const std::function<bool(const Entry& directory)>& enter) const {
  std::vector<Entry> out;
  auto first = descend(layers_, path);
  if (!first) return out;
  std::vector<std::pair<std::string, Stack>> open;
  open.emplace_back(path, *std::move(first));
  std::size_t seen = 0;
  while (!open.empty()) {
    const auto [parent, stack] = std::move(open.back());
    open.pop_back();
    SLIPWAY_TRY(auto merged, merge(stack));
    for (auto& [name, item] : merged) {
      if (++seen > limit) return fail(Errc::too_large, "too many files in " + std::string(path));
      item.entry.path = joined(parent, name);
      if (item.entry.kind != Entry::Kind::directory)
        out.push_back(std::move(item.entry));
      else if (enter(item.entry))
        open.emplace_back(item.entry.path, std::move(item.directories));
    }
  }
  std::ranges::sort(out, {}, &Entry::path);
  return out;
}

}  // namespace slipway
