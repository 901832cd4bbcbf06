#include "store/manifest_cache.h"

#include <algorithm>

namespace slipway {
namespace {

constexpr std::size_t most_bytes = 12u << 20;  // some 80,000 files
constexpr std::size_t most_manifests = 64;

std::size_t size_of(const Manifest& manifest) {
  std::size_t bytes = sizeof manifest;
  for (const ManifestEntry& entry : manifest.entries) bytes += sizeof entry + entry.path.capacity();
  return bytes;
}

}  // namespace

std::shared_ptr<const Manifest> ManifestCache::find(const Digest& digest) {
  const MutexLock lock(mutex_);
  const auto at = std::ranges::find(kept_, digest, &Kept::digest);
  if (at == kept_.end()) return nullptr;
  kept_.splice(kept_.begin(), kept_, at);
  return at->manifest;
}

std::shared_ptr<const Manifest> ManifestCache::keep(const Digest& digest, Manifest manifest) {
  const std::size_t bytes = size_of(manifest);
  auto shared = std::make_shared<const Manifest>(std::move(manifest));
  if (bytes > most_bytes) return shared;
  const MutexLock lock(mutex_);
  if (std::ranges::find(kept_, digest, &Kept::digest) != kept_.end()) return shared;
  kept_.push_front({.digest = digest, .manifest = shared, .bytes = bytes});
  bytes_ += bytes;
  while (bytes_ > most_bytes || kept_.size() > most_manifests) {
    bytes_ -= kept_.back().bytes;
    kept_.pop_back();
  }
  return shared;
}

}  // namespace slipway
