#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "model/manifest.h"
#include "sys/fd.h"

namespace slipway {

// Content-addressed store of blobs: "<root>/blobs/a/<hex>" (mode 0644) and, for executables linked
// into trees, "<hex>.x" (0755, made on demand). A blob is visible only after fsync + rename, so
// readers never see part of one; what a killed process left half done is removed by the next
// open(). A cheap handle: copies share their state. Thread-safe; other processes may read and write
// the same store, but only one may collect(). `root` must exist.
class BlobStore {
 public:
  [[nodiscard]] static Result<BlobStore> open(std::filesystem::path root);

  // Stores `bytes`; the same bytes twice is a no-op. Errors: disk_full, io.
  [[nodiscard]] Result<Digest> put(std::string_view bytes);
  // Stores a copy of a regular file, so that later changes of it do no harm. Follows no link.
  [[nodiscard]] Result<Digest> put_file(const std::filesystem::path& file);
  // The same for many, in their order, with one batched fsync: several times as fast.
  [[nodiscard]] Result<std::vector<Digest>> put_files(std::span<const std::filesystem::path> files);
  // A manifest as a blob. The last few stay in memory, up to some megabytes: a deploy needs the
  // same ones again and again. From there they are given even when the blob was collected.
  [[nodiscard]] Result<Digest> put_manifest(Manifest manifest);
  // Errors: not_found; too_large for what is longer than any manifest, unread.
  [[nodiscard]] Result<std::shared_ptr<const Manifest>> read_manifest(const Digest& digest) const;
  // Present and, from now on, young again for collect().
  [[nodiscard]] bool contains(const Digest& digest) const;
  // Absent is an error here: not_found.
  [[nodiscard]] Result<Fd> open_blob(const Digest& digest) const;
  [[nodiscard]] Result<std::string> read(const Digest& digest,
                                         std::size_t limit = static_cast<std::size_t>(-1)) const;
  // The file of an executable exists only after link_to() made it.
  [[nodiscard]] std::filesystem::path path_of(const Digest& digest,
                                              FileMode mode = FileMode::regular) const;
  // Makes the blob appear as `name` in `directory`: a hard link (a copy where the file system wants
  // no more links or is another one), for FileMode::symlink a symlink. `name` must not exist.
  [[nodiscard]] Status link_to(const Digest& digest, FileMode mode, int directory,
                               const std::string& name) const;
  // Those of `digests` that are not here, in their order, each once. The others are young again.
  [[nodiscard]] std::vector<Digest> missing(std::span<const Digest> digests) const;

  // Reads a pack (docs/formats.md: one zstd frame of records "<hex digest> <size>\n<bytes>") from
  // `read` and verifies each digest; all blobs become visible together, after one batched fsync,
  // or, when anything is wrong with the pack, none. A pack may hold less than `wanted`; more, a
  // blob twice, or more than `limit_bytes` of content is refused before it is written. Memory is
  // bounded. `room`, when given, is asked before so many more bytes are written, every few
  // megabytes and files. Errors: corrupt, invalid_argument, too_large, disk_full, or what `read` or
  // `room` returned.
  struct PackStats {
    std::uint64_t files = 0, bytes = 0;
    std::vector<std::pair<Digest, std::uint64_t>> stored;  // with their sizes
  };
  using Room = std::function<Status(std::uint64_t more_bytes)>;
  using Reader = std::function<Result<std::size_t>(std::span<char>)>;  // 0 at the end
  [[nodiscard]] Result<PackStats> unpack(const Reader& read, std::span<const Digest> wanted,
                                         std::uint64_t limit_bytes, const Room& room = {});

  // Removes blobs that `in_use` does not name and that are older than `grace` (a blob uploaded for
  // a deploy that is not recorded yet is young; so is one that missing() or contains() has found
  // lately, and link_to() linked). Never less than ten minutes in a server: a find makes a blob
  // young again only once in five. Returns bytes freed.
  [[nodiscard]] Result<std::uint64_t> collect(const std::function<bool(const Digest&)>& in_use,
                                              std::chrono::seconds grace);

 private:
  struct State;
  explicit BlobStore(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

// One blob of a pack to be written. `read` yields exactly `size` bytes, then 0.
struct PackItem {
  Digest digest;
  std::uint64_t size = 0;
  std::function<Result<std::size_t>(std::span<char>)> read;
};
using ByteSink = std::function<Status(std::string_view)>;
// Writes a pack. `write` gets compressed bytes in order. Errors: conflict when an item does not
// yield its bytes (the file changed since it was hashed), else what `read` or `write` returned.
[[nodiscard]] Status write_pack(std::span<PackItem> items, const ByteSink& write);

}  // namespace slipway
