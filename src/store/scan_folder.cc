#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <optional>
#include <thread>
#include <utility>

#include "base/text.h"
#include "store/env_values.h"
#include "store/folder_walk.h"
#include "store/stat_cache.h"
#include "store/threads.h"
#include "store/workspace.h"
#include "sys/files.h"

namespace slipway {
namespace fs = std::filesystem;
namespace {

constexpr int read_attempts = 5;
constexpr std::size_t chunk_bytes = 128 * 1024;
// Two changes within this time may leave the same time stamp: a few ticks of the kernel's coarse
// clock, or the resolution of file systems that store whole seconds.
constexpr std::int64_t clock_slack_ns = 50'000'000, coarse_clock_slack_ns = 2'100'000'000;

std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Whether a change after `scan_start` would surely show in the stamp. Only ctime counts: programs
// may set mtime as they like.
bool is_settled(const FileStamp& stamp, std::int64_t scan_start) {
  const bool coarse = stamp.ctime_ns % 1'000'000'000 == 0;
  return stamp.ctime_ns + (coarse ? coarse_clock_slack_ns : clock_slack_ns) < scan_start;
}

struct Hashed {
  FileStamp stamp;
  Digest digest;
};

// The digest of a file as it was at one moment. Nothing when the file is gone.
Result<std::optional<Hashed>> hash_file(int root, const std::string& path,
                                        std::vector<char>& buffer) {
  for (int attempt = 0; attempt < read_attempts; ++attempt) {
    Result<Fd> fd = open_below(root, path);
    if (!fd && fd.error().code == Errc::not_found) return std::nullopt;
    if (!fd)
      return fail(std::move(fd).error().with_hint("make it readable, or add it to .slipwayignore"));
    struct stat before{}, after{};
    if (::fstat(fd->get(), &before) != 0)
      return fail_errno(errno, fmt::format("look at {}", sanitize_line(path)));
    if (!S_ISREG(before.st_mode)) continue;
    Sha256 hash;
    std::uint64_t bytes = 0;
    for (;;) {
      const ssize_t got = ::read(fd->get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail_errno(errno, fmt::format("read {}", sanitize_line(path)));
      if (got == 0) break;
      bytes += static_cast<std::uint64_t>(got);
      hash.update(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
      if (bytes > static_cast<std::uint64_t>(before.st_size)) break;  // it grows
    }
    if (::fstat(fd->get(), &after) == 0 && stamp_of(before) == stamp_of(after) &&
        bytes == static_cast<std::uint64_t>(after.st_size))
      return Hashed{.stamp = stamp_of(after), .digest = hash.finish()};
  }
  return fail(Errc::failed_precondition,
              fmt::format("{} keeps changing while it is read", sanitize_line(path)),
              "stop what writes it, or add it to .slipwayignore");
}

// What of a file of variables is to be uploaded; nothing when it is gone or has nothing public. One
// that is too large to be such a file is none.
Result<std::optional<ScannedFolder::Variables>> read_variables(int root, const std::string& path) {
  constexpr std::size_t most = 1u << 20;
  Result<Fd> fd = open_below(root, path);
  if (!fd && fd.error().code == Errc::not_found) return std::nullopt;
  // Of no use to the build: no reason not to deploy.
  if (!fd) return std::nullopt;
  std::string text(most + 1, '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t got = ::read(fd->get(), text.data() + have, text.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, fmt::format("read {}", sanitize_line(path)));
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  if (have > most) return std::nullopt;
  text.resize(have);
  PublicValues values = public_values(text);
  if (values.kept.empty() && values.left.empty()) return std::nullopt;
  return ScannedFolder::Variables{.path = path,
                                  .text = std::move(values.text),
                                  .kept = std::move(values.kept),
                                  .left = std::move(values.left)};
}

// "sends VITE_A, VITE_B (.env) to the build: public by their names"; "" when there are none.
std::string note_of(const std::vector<ScannedFolder::Variables>& variables) {
  std::vector<std::string> parts;
  for (const ScannedFolder::Variables& file : variables)
    if (!file.kept.empty())
      parts.push_back(sanitize_line(fmt::format("{} ({})", join(file.kept, ", "), file.path)));
  if (parts.empty()) return {};
  return fmt::format("sends {} to the build: public by name; nothing else of such files",
                     join(parts, ", "));
}

// "left 3 values of .env here (…)"; "" when none were.
std::string left_note_of(const std::vector<ScannedFolder::Variables>& variables) {
  std::size_t count = 0;
  std::vector<std::string> files;
  for (const ScannedFolder::Variables& file : variables) {
    count += file.left.size();
    if (!file.left.empty()) files.push_back(sanitize_line(file.path));
  }
  if (count == 0) return {};
  return fmt::format(
      "left {} value{} of {} here (give the app what it needs: `slipway env import -s "
      "{}`)",
      count, count == 1 ? "" : "s", join(files, ", "), files.front());
}

struct HashJob {
  const FoundFile* file;
  Result<std::optional<Hashed>> outcome = std::nullopt;
};

void run_jobs(int root, std::vector<HashJob>& jobs) {
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    std::vector<char> buffer(chunk_bytes);
    for (std::size_t i = next++; i < jobs.size(); i = next++) {
      jobs[i].outcome = hash_file(root, jobs[i].file->path, buffer);
      if (!jobs[i].outcome) next = jobs.size();
    }
  };
  constexpr std::size_t jobs_a_thread = 16;
  const std::size_t threads =
      std::min<std::size_t>({4, std::thread::hardware_concurrency(), jobs.size() / jobs_a_thread});
  run_on_threads(threads, work);
}

// Whether reading the changed files again next time would cost more than writing the cache now.
bool is_worth_saving(std::size_t known_files, std::size_t changed_files,
                     std::uint64_t changed_bytes) {
  constexpr std::size_t many_files = 64;
  constexpr std::uint64_t many_bytes = 1 << 20;
  return changed_files > 0 &&
         (known_files == 0 || changed_files > many_files || changed_bytes > many_bytes);
}

}  // namespace

Result<ScannedFolder> scan_folder(const fs::path& folder, const fs::path& cache_file,
                                  const ScanLimits& limits) {
  const std::int64_t scan_start = now_ns();
  Result<Fd> root = open_file(folder, O_RDONLY | O_DIRECTORY);
  if (!root && errno == ENOTDIR)
    return fail(Errc::invalid_argument, fmt::format("{} is not a folder", folder.string()));
  if (!root) return fail(root.error());
  SLIPWAY_TRY(FoundFiles found, walk_folder(root->get(), limits));
  StatCache cache = StatCache::load(cache_file);

  ScannedFolder out{
      .manifest = {}, .hashed_files = 0, .notes = std::move(found.notes), .variables = {}};
  StatCache fresh;
  std::vector<ManifestEntry> entries;
  std::vector<HashJob> jobs;
  entries.reserve(found.files.size());
  fresh.entries.reserve(found.files.size());
  auto known = cache.entries.begin();
  for (FoundFile& file : found.files) {
    if (file.part == FoundFile::Part::public_values && file.mode != FileMode::symlink) {
      SLIPWAY_TRY(auto variables, read_variables(root->get(), file.path));
      if (!variables) continue;
      if (!variables->kept.empty())
        entries.push_back({.path = file.path,
                           .mode = FileMode::regular,
                           .size = variables->text.size(),
                           .digest = sha256(variables->text)});
      out.variables.push_back(*std::move(variables));
      continue;
    }
    if (file.mode == FileMode::symlink) {
      entries.push_back({.path = std::move(file.path),
                         .mode = file.mode,
                         .size = file.link_target.size(),
                         .digest = sha256(file.link_target)});
      continue;
    }
    while (known != cache.entries.end() && known->path < file.path) ++known;
    if (known != cache.entries.end() && known->path == file.path && known->stamp == file.stamp) {
      entries.push_back({.path = std::move(file.path),
                         .mode = file.mode,
                         .size = file.stamp.size,
                         .digest = known->digest});
      fresh.entries.push_back(std::move(*known++));
    } else {
      jobs.push_back({.file = &file});
    }
  }
  const std::size_t reused = fresh.entries.size();
  std::uint64_t changed_bytes = 0;

  if (std::string note = note_of(out.variables); !note.empty())
    out.notes.push_back(std::move(note));
  if (std::string note = left_note_of(out.variables); !note.empty())
    out.notes.push_back(std::move(note));

  run_jobs(root->get(), jobs);
  for (const HashJob& job : jobs) {
    if (!job.outcome) return fail(job.outcome.error());
  }
  for (const HashJob& job : jobs) {
    if (!*job.outcome) continue;  // gone
    const auto& [stamp, digest] = **job.outcome;
    ++out.hashed_files;
    if (is_settled(stamp, scan_start)) {
      changed_bytes += stamp.size;
      fresh.entries.push_back({.path = job.file->path, .stamp = stamp, .digest = digest});
    }
    entries.push_back({.path = job.file->path,
                       .mode = stamp.executable != 0 ? FileMode::executable : FileMode::regular,
                       .size = stamp.size,
                       .digest = digest});
  }
  SLIPWAY_TRY(out.manifest, Manifest::from_entries(std::move(entries)));

  const std::size_t changed_files = fresh.entries.size() - reused + cache.entries.size() - reused;
  if (is_worth_saving(cache.entries.size(), changed_files, changed_bytes)) {
    std::ranges::sort(fresh.entries, {}, &StatCache::Entry::path);
    if (Status saved = replace_file(cache_file, fresh.to_bytes()); !saved)
      out.notes.push_back(fmt::format("no stat cache, deploys take longer: {}",
                                      sanitize_line(saved.error().message)));
  }
  return out;
}

}  // namespace slipway
