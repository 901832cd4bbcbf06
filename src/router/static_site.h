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

#include "model/deployment.h"
#include "model/manifest.h"
#include "store/blob_store.h"

namespace slipway {

// How a file's bytes may be packed on the wire. In the order of preference.
enum class Coding : std::uint8_t { brotli, zstd, gzip };
inline constexpr std::size_t coding_count = 3;
// As in Content-Encoding: br, zstd, gzip.
[[nodiscard]] std::string_view to_string(Coding coding);

// A static site served from the store: published files by path, fallback page, clean URLs.
// Immutable (but for what is known about compressed variants) and shared. Thread-safe.
class StaticSite {
 public:
  // `manifest`'s files become the site's, below "/". Keeps what it needs of it, and `blobs`'s
  // paths: the store must outlive it.
  [[nodiscard]] static std::shared_ptr<const StaticSite> create(DeploymentId deployment,
                                                                const Manifest& manifest,
                                                                StaticFallback fallback,
                                                                const BlobStore& blobs);
  [[nodiscard]] const DeploymentId& deployment() const { return deployment_; }

  struct File {
    std::string path;
    Digest digest;
    std::uint64_t size = 0;
    // Bytes of the variant beside the blob, by coding; or one of the three below.
    mutable std::array<std::atomic<std::int64_t>, coding_count> variants{};

    File() = default;
    File(std::string file_path, const Digest& blob, std::uint64_t bytes)
        : path(std::move(file_path)), digest(blob), size(bytes) {}
    File(File&& other) noexcept
        : path(std::move(other.path)), digest(other.digest), size(other.size) {}
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
  StaticSite(DeploymentId deployment, StaticFallback fallback, const BlobStore& blobs)
      : deployment_(std::move(deployment)), fallback_(fallback), blobs_(blobs) {}
  [[nodiscard]] const File* lookup(std::string_view path) const;

  DeploymentId deployment_;
  StaticFallback fallback_;
  const BlobStore& blobs_;
  std::vector<File> files_;  // sorted by path
};

}  // namespace slipway
