#include "build/cargo_times.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <unordered_map>

#include "base/text.h"
#include "sys/files.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t record_limit = 256u << 20;

struct Seen {
  std::string digest;
  std::int64_t since = 0;  // ns since 1970; 0: since the first build
};
using Record = std::unordered_map<std::string, Seen>;

// One line a path: "<since> <digest> <path>".
Record parse(std::string_view text) {
  Record record;
  for (std::string_view line : lines(text)) {
    std::int64_t since = 0;
    const auto end = std::from_chars(line.data(), line.data() + line.size(), since).ptr;
    line.remove_prefix(static_cast<std::size_t>(end - line.data()));
    if (line.size() < 67) continue;
    record[std::string(line.substr(66))] = {.digest = std::string(line.substr(1, 64)),
                                            .since = since};
  }
  return record;
}

Status put_copy(const ManifestEntry& entry, const BlobStore& blobs, const fs::path& upper,
                std::int64_t time) {
  SLIPWAY_TRY(const Fd blob, blobs.open_blob(entry.digest));
  const fs::path place = upper / entry.path;
  SLIPWAY_CHECK(make_directories(place.parent_path()));
  SLIPWAY_TRY(const Fd file, open_file(place, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
                                       entry.mode == FileMode::executable ? 0755 : 0644));
  // In pieces: a source may hold a file of any size.
  for (char piece[64 << 10];;) {
    const ssize_t got = ::read(blob.get(), piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "read " + entry.path);
    if (got == 0) break;
    SLIPWAY_CHECK(write_all(file.get(), {piece, static_cast<std::size_t>(got)}));
  }
  constexpr std::int64_t second = 1'000'000'000;
  const timespec at{.tv_sec = time / second, .tv_nsec = time % second};
  const timespec times[2] = {at, at};
  if (::futimens(file.get(), times) != 0)
    return fail_errno(errno, "set the time of " + place.string());
  return {};
}

}  // namespace

Status renew_times(const Manifest& source, const BlobStore& blobs, const fs::path& target,
                   const fs::path& upper, Timestamp now) {
  // Beside the directory, where no build can reach it.
  const fs::path record_file = target.parent_path() / (target.filename().string() + ".times");
  const auto time =
      std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
  const auto text = read_file(record_file, record_limit);
  const Record before = text ? parse(*text) : Record{};
  std::string after = "\n";
  for (const ManifestEntry& entry : source.entries) {
    if (entry.mode == FileMode::symlink) continue;
    Seen seen{.digest = entry.digest.hex(), .since = text ? time : 0};
    if (const auto known = before.find(entry.path);
        known != before.end() && known->second.digest == seen.digest)
      seen.since = known->second.since;
    if (seen.since != 0) SLIPWAY_CHECK(put_copy(entry, blobs, upper, seen.since));
    after += fmt::format("{} {} {}\n", seen.since, seen.digest, entry.path);
  }
  return write_file_atomic(record_file, after);
}

}  // namespace slipway
