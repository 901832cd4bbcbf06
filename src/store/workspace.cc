#include "store/workspace.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/text.h"
#include "store/folder_walk.h"
#include "store/stat_cache.h"
#include "sys/files.h"

namespace slipway {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t max_manifest_text = 1ull << 30;

// The bytes of one file or link of a folder, opened when the first are wanted.
class FolderFile {
 public:
  FolderFile(std::shared_ptr<const Fd> root, std::string path, FileMode mode)
      : root_(std::move(root)), path_(std::move(path)), mode_(mode) {}

  Result<std::size_t> read(std::span<char> into) {
    if (mode_ == FileMode::symlink) return read_link(into);
    if (!file_.valid()) {
      auto opened = open_below(root_->get(), path_);
      if (!opened && opened.error().code == Errc::not_found) return gone();
      SLIPWAY_TRY(file_, std::move(opened));
    }
    for (;;) {
      const ssize_t got = ::read(file_.get(), into.data(), into.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail_errno(errno, fmt::format("read {}", sanitize_line(path_)));
      if (got == 0) file_.reset();
      return static_cast<std::size_t>(got);
    }
  }

 private:
  std::unexpected<Error> gone() const {
    return fail(Errc::conflict,
                fmt::format("{} was removed since the folder was read", sanitize_line(path_)),
                "deploy again");
  }

  Result<std::size_t> read_link(std::span<char> into) {
    if (std::exchange(link_read_, true)) return std::size_t{0};
    std::string target(max_link_target_bytes + 1, '\0');
    const ssize_t length = ::readlinkat(root_->get(), path_.c_str(), target.data(), target.size());
    if (length < 0 && (errno == ENOENT || errno == EINVAL)) return gone();
    if (length < 0) return fail_errno(errno, fmt::format("read link {}", sanitize_line(path_)));
    const auto size = static_cast<std::size_t>(length);
    if (size > into.size()) return fail(Errc::internal, "too small a buffer for a link's target");
    std::copy_n(target.begin(), size, into.begin());
    return size;
  }

  std::shared_ptr<const Fd> root_;
  std::string path_;
  FileMode mode_;
  Fd file_;
  bool link_read_ = false;
};

}  // namespace

Result<std::vector<PackItem>> pack_items(const fs::path& folder, const ScannedFolder& scanned,
                                         std::span<const Digest> digests) {
  const Manifest& manifest = scanned.manifest;
  SLIPWAY_TRY(Fd fd, open_file(folder, O_RDONLY | O_DIRECTORY));
  const auto root = std::make_shared<const Fd>(std::move(fd));
  std::unordered_map<Digest, const ManifestEntry*> by_digest;
  for (const ManifestEntry& entry : manifest.entries) by_digest.emplace(entry.digest, &entry);
  std::vector<PackItem> items;
  items.reserve(digests.size());
  for (const Digest& digest : digests) {
    const auto at = by_digest.find(digest);
    if (at == by_digest.end())
      return fail(Errc::invalid_argument, fmt::format("no file has {}", digest.str()));
    const ManifestEntry& entry = *at->second;
    const auto variables =
        std::ranges::find(scanned.variables, entry.path, &ScannedFolder::Variables::path);
    if (variables != scanned.variables.end()) {
      items.push_back({.digest = digest,
                       .size = entry.size,
                       .read = [text = variables->text, done = std::size_t{0}](
                                   std::span<char> into) mutable -> Result<std::size_t> {
                         const std::size_t size = std::min(into.size(), text.size() - done);
                         std::copy_n(text.data() + done, size, into.data());
                         done += size;
                         return size;
                       }});
      continue;
    }
    const auto file = std::make_shared<FolderFile>(root, entry.path, entry.mode);
    items.push_back({.digest = digest, .size = entry.size, .read = [file](std::span<char> into) {
                       return file->read(into);
                     }});
  }
  return items;
}

std::optional<Manifest> load_manifest(const fs::path& file) {
  const auto text = read_file(file, max_manifest_text);
  if (!text) return std::nullopt;
  auto manifest = Manifest::parse(*text);
  if (!manifest) return std::nullopt;
  return *std::move(manifest);
}

Status save_manifest(const fs::path& file, const Manifest& manifest) {
  return replace_file(file, manifest.to_text());
}

ManifestTree::ManifestTree(const Manifest& manifest, const BlobStore& blobs)
    : manifest_(manifest), blobs_(blobs) {
  for (const ManifestEntry& entry : manifest.entries)
    if (entry.mode != FileMode::symlink)
      files_.push_back({.path = entry.path,
                        .size = entry.size,
                        .executable = entry.mode == FileMode::executable});
}

Result<std::string> ManifestTree::read(std::string_view path, std::size_t limit) const {
  const ManifestEntry* entry = manifest_.find(path);
  if (entry == nullptr || entry->mode == FileMode::symlink)
    return fail(Errc::not_found, fmt::format("no file {} in the tree", path));
  return blobs_.read(entry->digest, limit);
}

}  // namespace slipway
