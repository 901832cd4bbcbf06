#include "store/source_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/text.h"
#include "sys/files.h"

namespace slipway {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t key_digits = 40;
constexpr std::size_t small_delta_files = 500;
constexpr std::string_view full_prefix = "source-", delta_prefix = "delta-";

// Makes paths below a directory that nobody else writes, never through a link. Fast for paths in
// sorted order: the directories of the last one stay open.
class TreeBuilder {
 public:
  explicit TreeBuilder(Fd root) : root_(std::move(root)) {}

  // A descriptor of the directory that is to hold `path`, made as needed; valid until the next
  // call.
  Result<int> parent_of(std::string_view path) {
    std::size_t depth = 0, start = 0;
    for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
         start = slash + 1, slash = path.find('/', start), ++depth) {
      const std::string_view name = path.substr(start, slash - start);
      if (depth < open_.size() && open_[depth].name == name) continue;
      open_.resize(depth);
      SLIPWAY_TRY(Fd made, make_directory(depth == 0 ? root_.get() : open_.back().fd.get(),
                                          std::string(name), path));
      open_.push_back({std::string(name), std::move(made)});
    }
    open_.resize(depth);
    return depth == 0 ? root_.get() : open_.back().fd.get();
  }

 private:
  struct Open {
    std::string name;
    Fd fd;
  };

  static Result<Fd> make_directory(int parent, const std::string& name, std::string_view path) {
    const bool made = ::mkdirat(parent, name.c_str(), 0755) == 0;
    if (!made && errno != EEXIST) return fail_errno(errno, fmt::format("mkdir for {}", path));
    Fd fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid()) return fail_errno(errno, fmt::format("open the directory of {}", path));
    // Whatever the umask.
    if (made && ::fchmod(fd.get(), 0755) != 0)
      return fail_errno(errno, fmt::format("chmod the directory of {}", path));
    return fd;
  }

  Fd root_;
  std::vector<Open> open_;
};

std::string last_name(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));  // npos + 1 is 0
}

// A builder whose root is "<directory>/<prefix>".
Result<TreeBuilder> builder_at(const fs::path& directory, std::string_view prefix) {
  if (!prefix.empty()) SLIPWAY_CHECK(check_manifest_path(prefix));
  SLIPWAY_TRY(Fd root, open_file(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  if (prefix.empty()) return TreeBuilder(std::move(root));
  TreeBuilder above(std::move(root));
  SLIPWAY_TRY(const int fd, above.parent_of(std::string(prefix) + "/"));
  Fd own(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!own.valid()) return fail_errno(errno, "duplicate a descriptor");
  return TreeBuilder(std::move(own));
}

Status add_file(TreeBuilder& builder, const ManifestEntry& entry, const BlobStore& blobs) {
  SLIPWAY_TRY(const int parent, builder.parent_of(entry.path));
  if (entry.mode == FileMode::symlink) {
    SLIPWAY_TRY(const std::string target, blobs.read(entry.digest, max_link_target_bytes + 1));
    SLIPWAY_CHECK(check_link_target(entry.path, target));
  }
  Status linked = blobs.link_to(entry.digest, entry.mode, parent, last_name(entry.path));
  if (!linked) linked.error().message += fmt::format(" (for {})", sanitize_line(entry.path));
  return linked;
}

bool has_below(const Manifest& manifest, std::string_view directory) {
  const std::string prefix = std::string(directory) + "/";
  const auto at = std::ranges::lower_bound(manifest.entries, prefix, {}, &ManifestEntry::path);
  return at != manifest.entries.end() && at->path.starts_with(prefix);
}

// What hides `removed` of the tree below; empty when something in `after` does already.
std::string_view whiteout_for(std::string_view removed, const Manifest& after) {
  for (auto slash = removed.find('/'); slash != std::string_view::npos;
       slash = removed.find('/', slash + 1)) {
    const std::string_view directory = removed.substr(0, slash);
    if (after.find(directory) != nullptr) return {};
    if (!has_below(after, directory)) return directory;
  }
  return has_below(after, removed) ? std::string_view{} : removed;
}

Status add_whiteout(TreeBuilder& builder, std::string_view path) {
  SLIPWAY_TRY(const int parent, builder.parent_of(path));
  if (::mknodat(parent, last_name(path).c_str(), S_IFCHR | 0600, ::makedev(0, 0)) != 0)
    return fail_errno(errno, fmt::format("make a whiteout for {}", sanitize_line(path)));
  return {};
}

}  // namespace

std::string source_key(const Manifest& manifest, std::string_view prefix) {
  // The first field changes whenever the same tree would be laid out in another way.
  return Sha256{}
      .field("slipway source tree 1")
      .field(manifest.digest().hex())
      .field(prefix)
      .finish()
      .hex()
      .substr(0, key_digits);
}

std::string full_layer_id(std::string_view key) { return fmt::format("{}{}", full_prefix, key); }

std::string delta_layer_id(std::string_view base_key, std::string_view key) {
  return fmt::format("{}{}-{}", delta_prefix, base_key, key);
}

DeltaKeys parse_delta_layer_id(std::string_view id) {
  if (id.size() != delta_prefix.size() + 2 * key_digits + 1 || !id.starts_with(delta_prefix))
    return {};
  id.remove_prefix(delta_prefix.size());
  if (id[key_digits] != '-') return {};
  return {.base = id.substr(0, key_digits), .key = id.substr(key_digits + 1)};
}

bool delta_is_small(const ManifestDiff& change, std::size_t files) {
  const std::size_t changed = change.added.size() + change.modified.size() + change.removed.size();
  return changed < files && changed <= std::max(small_delta_files, files / 10);
}

Status fill_full_layer(const fs::path& directory, const Manifest& manifest, std::string_view prefix,
                       const BlobStore& blobs) {
  SLIPWAY_TRY(TreeBuilder builder, builder_at(directory, prefix));
  for (const ManifestEntry& entry : manifest.entries)
    SLIPWAY_CHECK(add_file(builder, entry, blobs));
  return {};
}

Status fill_delta_layer(const fs::path& directory, const ManifestDiff& change,
                        const Manifest& manifest, std::string_view prefix, const BlobStore& blobs) {
  SLIPWAY_TRY(TreeBuilder builder, builder_at(directory, prefix));
  for (const auto* paths : {&change.added, &change.modified})
    for (const std::string& path : *paths)
      SLIPWAY_CHECK(add_file(builder, *manifest.find(path), blobs));
  std::string_view last;
  for (const std::string& removed : change.removed) {
    const std::string_view path = whiteout_for(removed, manifest);
    if (path.empty() || path == last) continue;
    SLIPWAY_CHECK(add_whiteout(builder, path));
    last = path;
  }
  return {};
}

}  // namespace slipway
