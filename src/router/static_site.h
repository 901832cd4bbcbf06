#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "model/deployment.h"
#include "model/manifest.h"
#include "model/wires.h"
#include "store/blob_store.h"

namespace slipway {

// How a file's bytes may be packed on the wire. In the order of preference.
enum class Coding : std::uint8_t { brotli, zstd, gzip };
inline constexpr std::size_t coding_count = 3;
// As in Content-Encoding: br, zstd, gzip.
[[nodiscard]] std::string_view to_string(Coding coding);

// What is published at a static site: files by path, fallback page, clean URLs. Immutable (but for
// what is known about compressed variants) and shared. Thread-safe. A file's pointer lives as long
// as its index.
class SiteIndex {
 public:
  // `manifest`'s files become the site's, below "/". Keeps what it needs of it, and `blobs`'s
  // paths: the store must outlive it.
  [[nodiscard]] static std::shared_ptr<const SiteIndex> create(const Manifest& manifest,
                                                               StaticFallback fallback,
                                                               const BlobStore& blobs,
                                                               const FilledWires& wires = {});

  struct File {
    std::string path;
    Digest digest;
    std::uint64_t size = 0;
    // Instead of the blob's bytes, where addresses were filled in; `digest` and `size` are its own.
    std::shared_ptr<const std::string> content;
    // Bytes of the variant beside the blob, by coding; or one of the three below.
    mutable std::array<std::atomic<std::int64_t>, coding_count> variants{};

    File() = default;
    File(std::string file_path, const Digest& blob, std::uint64_t bytes)
        : path(std::move(file_path)), digest(blob), size(bytes) {}
    File(File&& other) noexcept
        : path(std::move(other.path)),
          digest(other.digest),
          size(other.size),
          content(std::move(other.content)) {}
  };
  static constexpr std::int64_t variant_unknown = 0, variant_being_made = -1, variant_useless = -2;

  // What a request for a path (decoded, starting with '/') gets.
  struct Found {
    int status = 404;            // 200, 404, or 307 with a location
    const File* file = nullptr;  // none with 307, and with 404 when the site has no 404.html
    std::string location;        // decoded path
  };
  [[nodiscard]] Found find(std::string_view path) const;

  [[nodiscard]] Result<Fd> open_file(const File& file) const;
  [[nodiscard]] std::filesystem::path blob_path(const File& file) const;
  [[nodiscard]] std::filesystem::path variant_path(const File& file, Coding coding) const;

 private:
  SiteIndex(StaticFallback fallback, const BlobStore& blobs) : fallback_(fallback), blobs_(blobs) {}
  [[nodiscard]] const File* lookup(std::string_view path) const;
  void fill(const FilledWires& wires);

  StaticFallback fallback_;
  const BlobStore& blobs_;
  std::vector<File> files_;  // sorted by path
};

// A static site served from the store: a name for what is there, and when it was asked for. Its
// index is read from the store at the first request and may be dropped when nobody asks any more,
// so that ten thousand sites that nobody looks at cost next to nothing. Thread-safe.
class StaticSite {
 public:
  // `site` is the blob of its manifest. Counts as asked for at `now` (monotonic). `blobs` must
  // outlive it.
  [[nodiscard]] static std::shared_ptr<const StaticSite> create(
      DeploymentId deployment, const Digest& site, StaticFallback fallback, const BlobStore& blobs,
      Duration now, FilledWires wires = {});
  [[nodiscard]] const DeploymentId& deployment() const { return deployment_; }

  // The index if it is at hand: for event loops, which read no manifests.
  [[nodiscard]] std::shared_ptr<const SiteIndex> ready_index() const;
  // Reads the manifest when it is not at hand: about a millisecond for a thousand files. Blocks.
  // Errors: not_found or io when the store lost it.
  [[nodiscard]] Result<std::shared_ptr<const SiteIndex>> index() const;
  // Frees the index unless a request came since; requests under way keep theirs. Whether it did.
  bool drop_index_unless_used_since(Duration since) const;

  // Set by the router at each request; monotonic.
  void touch(Duration now) const { last_request_.store(now.count(), std::memory_order_relaxed); }
  [[nodiscard]] Duration last_request() const {
    return Duration(last_request_.load(std::memory_order_relaxed));
  }

 private:
  StaticSite(DeploymentId deployment, const Digest& site, StaticFallback fallback,
             const BlobStore& blobs, Duration now, FilledWires wires)
      : wires_(std::move(wires)),
        deployment_(std::move(deployment)),
        site_(site),
        fallback_(fallback),
        blobs_(blobs),
        last_request_(now.count()) {}

  const FilledWires wires_;
  const DeploymentId deployment_;
  const Digest site_;
  const StaticFallback fallback_;
  const BlobStore& blobs_;
  mutable std::atomic<std::int64_t> last_request_;
  mutable Mutex mutex_;  // while reading too: one reads, others wait for it
  mutable std::shared_ptr<const SiteIndex> index_ SLIPWAY_GUARDED_BY(mutex_);
};

}  // namespace slipway
