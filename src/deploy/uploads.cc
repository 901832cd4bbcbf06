#include "deploy/uploads.h"

#include <algorithm>

#include "base/at_end.h"
#include "base/text.h"
#include "sys/files.h"

namespace slipway {
namespace {

constexpr std::size_t most_open = 4096, most_files = 2'000'000;
// Deployments whose sources are looked through for files that the newest does not have.
constexpr std::size_t sources_looked_at = 16;
constexpr std::uint64_t record_overhead = 128, pack_overhead = 1u << 20;
// Of a manifest's line beside the path: mode, size, digest.
constexpr std::uint64_t entry_overhead = 90;
// A file system that has hardly any left for files refuses uploads, as one without bytes does.
constexpr std::uint64_t least_inodes = 5000;

}  // namespace

bool Uploads::Open::complete() const { return std::ranges::all_of(wanted, &Wanted::came); }

std::vector<Digest> Uploads::complete_lately(const std::string& project) const {
  return state_.with([&](const State& state) {
    std::vector<Digest> out;
    for (auto age = state.ages.rbegin(); age != state.ages.rend() && out.size() < sources_looked_at;
         ++age)
      if (const Open& open = state.open.at(*age); open.project == project && open.complete())
        out.push_back(open.manifest);
    return out;
  });
}

Result<std::vector<Uploads::Wanted>> Uploads::not_sent(const std::string& project,
                                                       const Manifest& manifest) const {
  std::unordered_map<Digest, std::uint64_t> left;
  for (const ManifestEntry& entry : manifest.entries)
    if (const auto [known, fresh] = left.try_emplace(entry.digest, entry.size);
        !fresh && known->second != entry.size)
      return fail(Errc::invalid_argument,
                  fmt::format("the manifest gives {} two sizes", entry.digest.str()));
  std::vector<Wanted> wanted;
  // What is not in the store, nobody sent.
  std::vector<Digest> digests;
  digests.reserve(left.size());
  for (const auto& [digest, size] : left) digests.push_back(digest);
  for (const Digest& digest : parts_.blobs.missing(digests)) {
    wanted.push_back({digest, left.at(digest)});
    left.erase(digest);
  }
  const auto strike_out = [&](const std::vector<Digest>& sources) -> Status {
    for (const Digest& source : sources) {
      if (left.empty()) break;
      const auto known = parts_.blobs.read_manifest(source);
      if (!known) continue;
      for (const ManifestEntry& entry : (*known)->entries) {
        const auto mine = left.find(entry.digest);
        if (mine == left.end()) continue;
        if (mine->second != entry.size)
          return fail(
              Errc::invalid_argument,
              fmt::format("{} has {} bytes, not {}", entry.digest.str(), entry.size, mine->second),
              "read the folder again");
        left.erase(mine);
      }
    }
    return {};
  };
  SLIPWAY_CHECK(strike_out(complete_lately(project)));
  if (!left.empty()) {
    SLIPWAY_TRY(const std::vector<Digest> recorded,
                parts_.repository.sources(project, sources_looked_at));
    SLIPWAY_CHECK(strike_out(recorded));
  }
  for (const auto& [digest, size] : left) wanted.push_back({digest, size});
  std::ranges::sort(wanted, {}, &Wanted::digest);
  return wanted;
}

void Uploads::remember(const UploadId& id, Open open) {
  state_.with([&](State& state) {
    if (state.open.contains(id.str())) return;  // two packs of it came at once
    state.files += open.wanted.size();
    open.age = state.ages.insert(state.ages.end(), id.str());
    state.open.emplace(id.str(), std::move(open));
    while (state.ages.size() > 1 && (state.ages.size() > most_open || state.files > most_files)) {
      const auto oldest = state.open.find(state.ages.front());
      state.files -= oldest->second.wanted.size();
      state.ages.pop_front();
      state.open.erase(oldest);
    }
  });
}

Result<Uploads::Opened> Uploads::open(const std::string& holder, const std::string& project,
                                      Manifest manifest) {
  if (manifest.entries.empty())
    return fail(
        Errc::invalid_argument, "the folder has no files to deploy",
        "add an index.html or an app, and see what .gitignore and .slipwayignore leave out");
  SLIPWAY_TRY(std::vector<Wanted> wanted, not_sent(project, manifest));
  SLIPWAY_CHECK(check_room(0));
  std::uint64_t length = 0;
  for (const ManifestEntry& entry : manifest.entries) length += entry.path.size() + entry_overhead;
  SLIPWAY_CHECK(take_share(holder, length));
  Opened opened{.id = UploadId::random()};
  for (const Wanted& each : wanted) opened.missing.push_back(each.digest);
  SLIPWAY_TRY(opened.manifest, parts_.blobs.put_manifest(std::move(manifest)));
  SLIPWAY_CHECK(parts_.repository.add_upload({.id = opened.id,
                                              .project = project,
                                              .manifest = opened.manifest,
                                              .created_at = parts_.clock.now()}));
  remember(opened.id,
           {.project = project, .manifest = opened.manifest, .wanted = std::move(wanted)});
  return opened;
}

Result<Uploads::Opened> Uploads::open(const std::string& holder, const std::string& project,
                                      const ManifestDelta& delta) {
  std::vector<Digest> known = complete_lately(project);
  if (std::ranges::find(known, delta.base) == known.end()) {
    SLIPWAY_TRY(known, parts_.repository.sources(project, sources_looked_at));
  }
  Result<std::shared_ptr<const Manifest>> base = fail(Errc::not_found, "");
  if (std::ranges::find(known, delta.base) != known.end())
    base = parts_.blobs.read_manifest(delta.base);
  if (!base)
    return fail(Errc::conflict, "the manifest to compare with is not known here",
                "send the full manifest");
  SLIPWAY_TRY(Manifest manifest, apply(**base, delta));
  return open(holder, project, std::move(manifest));
}

Status Uploads::check_room(std::uint64_t more) const {
  SLIPWAY_TRY(const FreeSpace free, free_space(parts_.settings.data));
  const std::uint64_t kept = parts_.settings.gc.min_free_disk;
  const bool inodes_left =
      free.inodes_total == 0 || free.inodes >= std::min(least_inodes, free.inodes_total / 20);
  if (free.bytes >= kept && free.bytes - kept >= more && inodes_left) return {};
  return fail(Errc::disk_full,
              inodes_left
                  ? fmt::format("{} are free, of which {} are kept; an upload of {} more "
                                "does not fit",
                                format_bytes(free.bytes), format_bytes(kept), format_bytes(more))
                  : fmt::format("the file system has room for only {} more files", free.inodes),
              "free some disk space (`slipway rm` old deployments), or lower gc.min_free_disk");
}

Result<UploadShares::Ticket> Uploads::take_share(const std::string& holder, std::uint64_t bytes) {
  SLIPWAY_TRY(const FreeSpace free, free_space(parts_.settings.data));
  const std::uint64_t kept = parts_.settings.gc.min_free_disk;
  return shares_.take(holder, bytes, free.bytes > kept ? free.bytes - kept : 0);
}

Result<BlobStore::PackStats> Uploads::receive(const std::string& holder, const UploadId& id,
                                              std::uint64_t announced,
                                              const BlobStore::Reader& body) {
  SLIPWAY_TRY(const Upload upload, parts_.repository.get_upload(id));
  auto known = state_.with([&](const State& state) -> std::optional<std::vector<Wanted>> {
    const auto open = state.open.find(id.str());
    return open == state.open.end() ? std::nullopt : std::optional(open->second.wanted);
  });
  if (!known) {
    // The server restarted since.
    SLIPWAY_TRY(const std::shared_ptr<const Manifest> manifest,
                parts_.blobs.read_manifest(upload.manifest));
    SLIPWAY_TRY(known, not_sent(upload.project, *manifest));
    remember(id, {.project = upload.project, .manifest = upload.manifest, .wanted = *known});
  }
  std::vector<Digest> digests;
  std::uint64_t limit = pack_overhead, lacking = 0;
  for (const Wanted& each : *known) {
    digests.push_back(each.digest);
    limit += each.size + record_overhead;
    if (!each.came) lacking += each.size;
  }
  const auto too_large = [&] {
    return fail(Errc::too_large, fmt::format("the pack is larger than the {} that the upload lacks",
                                             format_bytes(limit)));
  };
  if (announced > limit) return too_large();
  SLIPWAY_CHECK(check_room(lacking));
  SLIPWAY_TRY(const UploadShares::Ticket share, take_share(holder, lacking));
  std::uint64_t stored = 0;
  const AtEnd settled([&] { shares_.settle(share, std::min(stored, lacking)); });
  // On the wire it is smaller than what it holds, or nearly so.
  std::uint64_t wire = 0;
  const BlobStore::Reader bounded = [&](std::span<char> out) -> Result<std::size_t> {
    SLIPWAY_TRY(const std::size_t n, body(out));
    wire += n;
    if (wire > limit + limit / 16) return too_large();
    return n;
  };
  SLIPWAY_TRY(BlobStore::PackStats stats,
              parts_.blobs.unpack(bounded, digests, limit,
                                  [this](std::uint64_t more) { return check_room(more); }));
  stored = stats.bytes;
  SLIPWAY_CHECK(state_.with([&](State& state) -> Status {
    const auto open = state.open.find(id.str());
    if (open == state.open.end()) return {};  // forgotten meanwhile: complete() says so
    for (const auto& [digest, size] : stats.stored) {
      const auto wanted =
          std::ranges::lower_bound(open->second.wanted, digest, {}, &Wanted::digest);
      if (wanted->size != size)
        return fail(Errc::invalid_argument,
                    fmt::format("{} has {} bytes, not the {} of the manifest", digest.str(), size,
                                wanted->size));
      wanted->came = true;
    }
    return {};
  }));
  return stats;
}

Result<Uploads::Complete> Uploads::complete(const UploadId& id) {
  SLIPWAY_TRY(Upload upload, parts_.repository.get_upload(id));
  SLIPWAY_TRY(std::shared_ptr<const Manifest> manifest,
              parts_.blobs.read_manifest(upload.manifest));
  auto lacks = state_.with([&](const State& state) -> std::optional<std::size_t> {
    const auto open = state.open.find(id.str());
    if (open == state.open.end()) return std::nullopt;
    return static_cast<std::size_t>(std::ranges::count(open->second.wanted, false, &Wanted::came));
  });
  if (!lacks) {
    SLIPWAY_TRY(const std::vector<Wanted> wanted, not_sent(upload.project, *manifest));
    lacks = wanted.size();
  }
  if (*lacks == 0) {
    std::vector<Digest> digests;
    for (const ManifestEntry& entry : manifest->entries) digests.push_back(entry.digest);
    lacks = parts_.blobs.missing(digests).size();
  }
  if (*lacks > 0)
    return fail(Errc::failed_precondition,
                fmt::format("{} of the upload's {} files have not arrived", *lacks,
                            manifest->entries.size()),
                "send them to the upload's pack first");
  return Complete{.upload = std::move(upload), .manifest = std::move(manifest)};
}

}  // namespace slipway
