#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/manifest.h"
#include "model/tree.h"
#include "store/blob_store.h"

namespace slipway {

// The client's side of an upload: a folder as a manifest.
//
// Honours .gitignore (nested, negation, "**", gitignore(5)) and .slipwayignore (same syntax, wins
// over every .gitignore). Never includes version control (.git, .hg, .svn), dependency folders
// (node_modules, any folder with a pyvenv.cfg, target beside a Cargo.toml, _build and deps beside a
// mix.exs) and caches that the build makes again (__pycache__, .next, .nuxt, ...), unless
// .slipwayignore asks them back. Of files of variables (.env, .env.production, ...; env_values.h)
// only what is public by its name is sent, whether git ignores them or not; .slipwayignore decides
// about the whole file. "dist" and "build" are sent unless ignored: many a folder is deployed for
// them alone. Ignore files above the folder do not count.
//
// What was left out by name is in `notes`. Files that vanish or change while being read are read
// again; unreadable ones are errors that name the path. Links that leave the folder, names that no
// manifest can hold, sockets and the like are skipped with a note.
struct ScanLimits {
  std::uint64_t max_files = 200'000;
  std::uint64_t max_file_bytes = 1ull << 30;
  std::uint64_t max_total_bytes = 4ull << 30;
};
struct ScannedFolder {
  Manifest manifest;
  std::uint64_t hashed_files = 0;  // the others came from the stat cache
  std::vector<std::string> notes;  // "skipped node_modules (dependencies are …)"; one line each
  // Files of variables: what of them is in the manifest, and the names of what stays here.
  struct Variables {
    std::string path, text;
    std::vector<std::string> kept, left;
  };
  std::vector<Variables> variables;
};
// `cache_file` holds the stat cache (path, size, mtime ns, ctime ns, inode -> digest); absent or
// damaged, it is made anew, with its directory; written atomically. Files that changed too shortly
// before the scan to tell a later change by the time stamp are not cached. A cache that cannot be
// written is a note, not an error.
[[nodiscard]] Result<ScannedFolder> scan_folder(const std::filesystem::path& folder,
                                                const std::filesystem::path& cache_file,
                                                const ScanLimits& limits = {});

// The pack items for `digests` (what the server said is missing) out of a scanned folder. Reading
// one that changed since the scan ends in write_pack()'s conflict: scan again then. The folder must
// stay for as long as the items are read.
[[nodiscard]] Result<std::vector<PackItem>> pack_items(const std::filesystem::path& folder,
                                                       const ScannedFolder& scanned,
                                                       std::span<const Digest> digests);

// The last manifest that the server accepted from a folder, kept by the client so that it can send
// a ManifestDelta. Absent and damaged files are nothing; saving is atomic.
[[nodiscard]] std::optional<Manifest> load_manifest(const std::filesystem::path& file);
[[nodiscard]] Status save_manifest(const std::filesystem::path& file, const Manifest& manifest);

// A manifest's regular files, read from the store. For detection and scanning on the server. Keeps
// references to both. Thread-safe.
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
