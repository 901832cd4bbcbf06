#include "cli/upload.h"

#include <fmt/format.h>

#include <optional>
#include <system_error>
#include <utility>

#include "base/text.h"
#include "cli/pack_stream.h"
#include "cli/view.h"
#include "sys/directory.h"
#include "sys/file_time.h"
#include "sys/files.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

constexpr int attempts = 3;
constexpr auto cache_life = std::chrono::hours{24 * 30};

std::string key_of(std::initializer_list<std::string_view> parts) {
  Sha256 hash;
  for (const std::string_view part : parts) hash.field(part);
  return hash.finish().hex().substr(0, 24);
}

std::filesystem::path base_file(const ApiClient& api, const UploadRequest& request) {
  return request.cache_dir / "manifests" /
         key_of({api.server(), request.folder.string(), request.project});
}

// Caches of folders that nobody deploys any more.
void prune(const std::filesystem::path& directory) {
  std::error_code error;
  const auto now = file_time_now();
  for (const auto& entry : entries_of(directory, error)) {
    const auto written = entry.last_write_time(error);
    if (!error && now - written > cache_life) std::filesystem::remove(entry.path(), error);
  }
}

// Losing the cache only costs bytes on the wire next time.
void save_base(const std::filesystem::path& file, const Manifest& manifest) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) {
    if (!make_directories(file.parent_path(), 0700)) return;
    prune(file.parent_path());
  }
  [[maybe_unused]] const Status saved = save_manifest(file, manifest);
}

Result<json::object> announce(ApiClient& api, const UploadRequest& request,
                              const Manifest& manifest, const std::optional<Manifest>& base) {
  json::object body{{"project", request.project}};
  if (base) {
    body["delta"] = to_json(delta(*base, manifest));
    Result<json::object> accepted = api.post("/v1/uploads", body);
    // The server forgot that manifest, or never had it.
    if (accepted || accepted.error().code != Errc::conflict) return accepted;
    body.erase("delta");
  }
  body["manifest"] = manifest.to_text();
  return api.post("/v1/uploads", body);
}

Result<std::vector<Digest>> missing_digests(const json::object& accepted) {
  std::vector<Digest> out;
  for (const json::value& value : array_at(accepted, "missing")) {
    const std::optional<Digest> digest =
        value.is_string() ? Digest::parse(std::string_view(value.get_string())) : std::nullopt;
    if (!digest) return fail(Errc::internal, "the server asks for something that is no digest");
    out.push_back(*digest);
  }
  return out;
}

Status send_pack(ApiClient& api, std::string_view id, std::vector<PackItem> items,
                 ProgressView& progress, Uploaded& out) {
  const std::size_t count = items.size();
  std::uint64_t total = 0, shown = 0;
  for (const PackItem& item : items) total += item.size;
  PackStream pack(std::move(items));
  const auto produce = [&]() -> Result<std::string_view> {
    if (const std::uint64_t done = pack.bytes_read(); done - shown > (1u << 20)) {
      shown = done;
      progress.detail("upload", fmt::format("{}, {} of {}", count_of(count, "file"),
                                            format_bytes(done), format_bytes(total)));
    }
    return pack.next();
  };
  SLIPWAY_TRY(const json::object stored,
              api.put_pack(fmt::format("/v1/uploads/{}/pack", url_encode(id)), produce));
  out.sent_files = static_cast<std::uint64_t>(number_at(stored, "files"));
  out.sent_bytes = static_cast<std::uint64_t>(number_at(stored, "bytes"));
  return {};
}

Result<Uploaded> upload_once(ApiClient& api, const UploadRequest& request, const Clock& clock,
                             ProgressView& progress, std::vector<std::string>& notes_shown) {
  Uploaded out;
  const Duration began = clock.monotonic();
  progress.start("hash", "");
  SLIPWAY_TRY(const ScannedFolder scanned,
              scan_folder(request.folder, stat_cache_file(request.cache_dir, request.folder)));
  const Manifest& manifest = scanned.manifest;
  if (manifest.entries.empty())
    return fail(Errc::invalid_argument,
                fmt::format("{} has no files to deploy", request.folder.string()),
                scanned.notes.empty() ? "an index.html or an app.py is enough"
                                      : "everything in it is ignored: " + scanned.notes.front());
  for (const ScannedFolder::Variables& file : scanned.variables)
    for (const std::string& name : file.left) out.left_behind.push_back({file.path, name});
  out.source_files = manifest.entries.size();
  out.source_bytes = manifest.total_bytes();
  const Duration hashed = clock.monotonic();
  out.hash = hashed - began;
  progress.end(
      "hash", "done", out.hash,
      fmt::format("{}, {}", count_of(out.source_files, "file"), format_bytes(out.source_bytes)));
  if (notes_shown.empty()) {
    for (const std::string& note : scanned.notes) progress.note(note);
    notes_shown = scanned.notes;
  }

  progress.start("upload", "");
  const std::filesystem::path base_path = base_file(api, request);
  const std::optional<Manifest> base = load_manifest(base_path);
  SLIPWAY_TRY(const json::object accepted, announce(api, request, manifest, base));
  out.id = text_at(accepted, "id");
  SLIPWAY_TRY(const std::vector<Digest> missing, missing_digests(accepted));
  if (!missing.empty()) {
    SLIPWAY_TRY(std::vector<PackItem> items, pack_items(request.folder, scanned, missing));
    SLIPWAY_CHECK(send_pack(api, out.id, std::move(items), progress, out));
  }
  if (!base || *base != manifest) save_base(base_path, manifest);
  out.upload = clock.monotonic() - hashed;
  progress.end("upload", "done", out.upload,
               out.sent_files == 0 ? "nothing new"
                                   : fmt::format("{}, {}", count_of(out.sent_files, "file"),
                                                 format_bytes(out.sent_bytes)));
  return out;
}

}  // namespace

std::filesystem::path stat_cache_file(const std::filesystem::path& cache_dir,
                                      const std::filesystem::path& folder) {
  return cache_dir / "stat" / key_of({folder.string()});
}

json::object to_json(const ManifestDelta& delta) {
  json::array changed, removed;
  for (const ManifestEntry& entry : delta.changed) {
    const std::string_view mode = entry.mode == FileMode::executable ? "x"
                                  : entry.mode == FileMode::symlink  ? "l"
                                                                     : "f";
    changed.push_back(json::object{{"path", entry.path},
                                   {"mode", mode},
                                   {"size", entry.size},
                                   {"digest", entry.digest.str()}});
  }
  for (const std::string& path : delta.removed) removed.push_back(json::value(path));
  return {{"base", delta.base.str()}, {"changed", changed}, {"removed", removed}};
}

Result<Uploaded> upload_folder(ApiClient& api, const UploadRequest& request, const Clock& clock,
                               ProgressView& progress) {
  std::vector<std::string> notes_shown;
  for (int attempt = 1;; ++attempt) {
    Result<Uploaded> uploaded = upload_once(api, request, clock, progress, notes_shown);
    if (uploaded || attempt == attempts) return uploaded;
    // A file was edited under our hands: what was sent is not what was promised.
    const Errc code = uploaded.error().code;
    if (code != Errc::corrupt && code != Errc::conflict) return uploaded;
    progress.note("a file changed while it was sent; reading the folder again");
  }
}

}  // namespace slipway::cli
