#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/manifest.h"
#include "model/tree.h"
#include "store/blob_store.h"

namespace slipway {

// The client's side of an upload: a folder as a manifest.
//
// Honours .gitignore (nested, negation, "**", gitignore(5)) and .slipwayignore (same syntax, wins).
// Never includes .git, dependency folders (node_modules, .venv, target of cargo, ...) or .env
// files; what was left out by name is in `skipped`. Files that vanish or change while being read
// are read again; unreadable ones are errors that name the path. Links that leave the folder are
// skipped with a note.
struct ScanLimits {
  std::uint64_t max_files = 200'000;
  std::uint64_t max_file_bytes = 1ull << 30;
  std::uint64_t max_total_bytes = 4ull << 30;
};
struct ScannedFolder {
  Manifest manifest;
  std::uint64_t hashed_files = 0;  // the others came from the stat cache
  std::vector<std::string> notes;  // "skipped .env (secrets are set with `slipway env`)"
};
// `cache_file` holds the stat cache (path, size, mtime ns, ctime ns, inode -> digest); absent or
// damaged, it is made anew; written atomically. Entries whose mtime is too close to the scan to be
// trusted are not cached.
[[nodiscard]] Result<ScannedFolder> scan_folder(const std::filesystem::path& folder,
                                                const std::filesystem::path& cache_file,
                                                const ScanLimits& limits = {});

// A manifest's files, read from the store. For detection and scanning on the server.
class ManifestTree final : public Tree {
 public:
  ManifestTree(const Manifest& manifest, const BlobStore& blobs);
  [[nodiscard]] const std::vector<File>& files() const override { return files_; }
  [[nodiscard]] Result<std::string> read(std::string_view path, std::size_t limit) const override;

 private:
  const Manifest& manifest_;
  const BlobStore& blobs_;
  std::vector<File> files_;
};

}  // namespace slipway
