#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "model/manifest.h"
#include "sys/fd.h"

namespace slipway {

// Content-addressed store of blobs: "<root>/blobs/ab/<hex>" (mode 0644) and, for executables linked
// into trees, "<hex>.x" (0755). A blob is visible only after fsync + rename, so readers never see
// part of one. Thread-safe, also between processes. `root` must exist.
class BlobStore {
 public:
  [[nodiscard]] static Result<BlobStore> open(std::filesystem::path root);

  // Stores `bytes`; the same bytes twice is a no-op. Errors: disk_full, io.
  [[nodiscard]] Result<Digest> put(std::string_view bytes);
  // Takes a file over by hard link or copy, hashing it on the way.
  [[nodiscard]] Result<Digest> put_file(const std::filesystem::path& file);
  [[nodiscard]] bool contains(const Digest& digest) const;
  // Absent is an error here: not_found.
  [[nodiscard]] Result<Fd> open_blob(const Digest& digest) const;
  [[nodiscard]] Result<std::string> read(const Digest& digest,
                                         std::size_t limit = static_cast<std::size_t>(-1)) const;
  [[nodiscard]] std::filesystem::path path_of(const Digest& digest,
                                              FileMode mode = FileMode::regular) const;
  // Those of `digests` that are not here, in their order, each once.
  [[nodiscard]] std::vector<Digest> missing(std::span<const Digest> digests) const;

  // Reads a pack (docs/formats.md: one zstd frame of records "<hex digest> <size>\n<bytes>") from
  // `read`, verifies each digest and stores what verifies; all blobs become visible together, after
  // one batched fsync. `wanted` limits what is accepted. Errors: corrupt, too_large, disk_full.
  struct PackStats {
    std::uint64_t files = 0, bytes = 0;
  };
  using Reader = std::function<Result<std::size_t>(std::span<char>)>;  // 0 at the end
  [[nodiscard]] Result<PackStats> unpack(const Reader& read, std::span<const Digest> wanted,
                                         std::uint64_t limit_bytes);

  // Removes blobs that `in_use` does not name and that are older than `grace` (a blob uploaded for
  // a deploy that is not recorded yet is young). Returns bytes freed.
  [[nodiscard]] Result<std::uint64_t> collect(const std::function<bool(const Digest&)>& in_use,
                                              std::chrono::seconds grace);

 private:
  explicit BlobStore(std::filesystem::path root) : root_(std::move(root)) {}
  std::filesystem::path root_;
};

// Writes a pack. `write` gets compressed bytes in order.
using ByteSink = std::function<Status(std::string_view)>;
struct PackItem {
  Digest digest;
  std::uint64_t size = 0;
  std::function<Result<std::size_t>(std::span<char>)> read;  // exactly `size` bytes, then 0
};
[[nodiscard]] Status write_pack(std::span<PackItem> items, const ByteSink& write);

}  // namespace slipway
