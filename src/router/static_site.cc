#include "router/static_site.h"

#include <algorithm>

#include "base/text.h"

namespace slipway {
namespace {

constexpr int most_links = 8;
constexpr std::size_t most_filled = 16u << 20;

// Where a link at `path` with this target leads, inside the tree.
std::optional<std::string> follow(std::string_view path, std::string_view target) {
  std::vector<std::string> parts;
  for (const std::string_view part : split(path, '/')) parts.emplace_back(part);
  if (!parts.empty()) parts.pop_back();
  for (const std::string_view part : split(target, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.emplace_back(part);
    } else if (parts.empty()) {
      return std::nullopt;
    } else {
      parts.pop_back();
    }
  }
  return join(parts, "/");
}

const ManifestEntry* resolve(const Manifest& manifest, const ManifestEntry& link,
                             const BlobStore& blobs) {
  const ManifestEntry* entry = &link;
  for (int hops = 0; entry != nullptr && entry->mode == FileMode::symlink; ++hops) {
    if (hops == most_links) return nullptr;
    const Result<std::string> target = blobs.read(entry->digest, 4096);
    if (!target || target->starts_with('/')) return nullptr;
    const auto path = follow(entry->path, *target);
    if (!path) return nullptr;
    entry = manifest.find(*path);
  }
  return entry;
}

// "/app.js" names an asset that is missing; "/orders/7" and "/v1.2/intro" are an application's own.
bool looks_like_asset(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return false;
  const std::string extension = to_lower(name.substr(dot + 1));
  constexpr std::array<std::string_view, 27> assets{
      "js",  "mjs",  "css",  "map",  "json", "png", "jpg", "jpeg", "gif",
      "svg", "ico",  "webp", "avif", "woff", "ttf", "otf", "eot",  "woff2",
      "mp4", "webm", "mp3",  "wasm", "txt",  "xml", "pdf", "zip",  "webmanifest"};
  return std::ranges::find(assets, extension) != assets.end();
}

}  // namespace

std::string_view to_string(Coding coding) {
  switch (coding) {
    case Coding::brotli:
      return "br";
    case Coding::zstd:
      return "zstd";
    case Coding::gzip:
      return "gzip";
  }
  return "";
}

std::shared_ptr<const SiteIndex> SiteIndex::create(const Manifest& manifest,
                                                   StaticFallback fallback, const BlobStore& blobs,
                                                   const FilledWires& wires) {
  std::shared_ptr<SiteIndex> index(new SiteIndex(fallback, blobs));
  index->files_.reserve(manifest.entries.size());
  for (const ManifestEntry& entry : manifest.entries)
    if (const ManifestEntry* target = resolve(manifest, entry, blobs))
      index->files_.emplace_back(entry.path, target->digest, target->size);
  index->fill(wires);
  return index;
}

// Few files, and small ones, hold addresses: what a bundler made of the sources.
void SiteIndex::fill(const FilledWires& wires) {
  if (wires.values.empty()) return;
  for (File& file : files_) {
    if (std::ranges::find(wires.files, file.path) == wires.files.end()) continue;
    Result<std::string> text = blobs_.read(file.digest, most_filled);
    if (!text) continue;
    auto filled = std::make_shared<const std::string>(fill_wires(*std::move(text), wires));
    file.digest = sha256(*filled);
    file.size = filled->size();
    file.content = std::move(filled);
  }
}

const SiteIndex::File* SiteIndex::lookup(std::string_view path) const {
  const auto found = std::ranges::lower_bound(
      files_, path, {}, [](const File& file) { return std::string_view(file.path); });
  return found != files_.end() && found->path == path ? &*found : nullptr;
}

SiteIndex::Found SiteIndex::find(std::string_view path) const {
  const std::string rel(path.substr(std::min<std::size_t>(path.size(), 1)));
  if (rel.empty() || rel.ends_with('/')) {
    if (const File* index = lookup(rel + "index.html")) return {.status = 200, .file = index};
    const std::string bare = rel.substr(0, rel.empty() ? 0 : rel.size() - 1);
    if (!bare.empty() && (lookup(bare) != nullptr || lookup(bare + ".html") != nullptr))
      return {.status = 307, .location = "/" + bare};
  } else {
    if (const File* file = lookup(rel)) return {.status = 200, .file = file};
    if (const File* page = lookup(rel + ".html")) return {.status = 200, .file = page};
    if (lookup(rel + "/index.html") != nullptr) return {.status = 307, .location = "/" + rel + "/"};
  }
  if (fallback_ == StaticFallback::single_page_app && !looks_like_asset(path))
    if (const File* index = lookup("index.html")) return {.status = 200, .file = index};
  return {.status = 404, .file = lookup("404.html")};
}

Result<Fd> SiteIndex::open_file(const File& file) const { return blobs_.open_blob(file.digest); }

std::filesystem::path SiteIndex::blob_path(const File& file) const {
  return blobs_.path_of(file.digest);
}

std::filesystem::path SiteIndex::variant_path(const File& file, Coding coding) const {
  constexpr std::array<std::string_view, coding_count> suffixes{".br", ".zst", ".gz"};
  std::filesystem::path path = blobs_.path_of(file.digest);
  path += suffixes[static_cast<std::size_t>(coding)];
  return path;
}

std::shared_ptr<const StaticSite> StaticSite::create(DeploymentId deployment, const Digest& site,
                                                     StaticFallback fallback,
                                                     const BlobStore& blobs, Duration now,
                                                     FilledWires wires) {
  return std::shared_ptr<const StaticSite>(
      new StaticSite(std::move(deployment), site, fallback, blobs, now, std::move(wires)));
}

Result<std::shared_ptr<const SiteIndex>> StaticSite::index() const {
  const MutexLock lock(mutex_);
  if (!index_) {
    SLIPWAY_TRY(const std::shared_ptr<const Manifest> manifest, blobs_.read_manifest(site_));
    index_ = SiteIndex::create(*manifest, fallback_, blobs_, wires_);
  }
  return index_;
}

std::shared_ptr<const SiteIndex> StaticSite::ready_index() const {
  if (!mutex_.try_lock()) return nullptr;  // it is being read
  const MutexLock lock(mutex_, std::adopt_lock);
  return index_;
}

bool StaticSite::drop_index_unless_used_since(Duration since) const {
  if (last_request() >= since) return false;
  std::shared_ptr<const SiteIndex> dropped;  // freed after the lock
  const MutexLock lock(mutex_);
  dropped.swap(index_);
  return dropped != nullptr;
}

}  // namespace slipway
