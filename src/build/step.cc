#include "build/step.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <set>

#include "base/text.h"
#include "build/failure.h"
#include "sys/directory.h"
#include "sys/files.h"

namespace slipway {
namespace fs = std::filesystem;

void LogTail::append(std::string_view bytes) {
  if (bytes.size() >= most_) {
    bytes_ = bytes.substr(bytes.size() - most_);
    return;
  }
  bytes_ += bytes;
  if (bytes_.size() > 2 * most_)
    bytes_.erase(0, bytes_.size() - most_);  // now and then, not always
}

std::string_view LogTail::text() const {
  const std::string_view all = bytes_;
  return all.size() > most_ ? all.substr(all.size() - most_) : all;
}

Status run_step(const StepJob& job, StepRunner& runner, BuildObserver& observer,
                std::stop_token stop) {
  LogTail tail(256u << 10);
  const auto sink = [&](std::string_view bytes) {
    tail.append(bytes);
    if (job.log != nullptr) job.log->append(bytes);
    observer.output(bytes);
  };
  SLIPWAY_TRY(const StepRunner::Outcome outcome,
              runner.run(job.spec, job.limits.step_time, job.limits.output_bytes, sink, stop));
  if (stop.stop_requested()) return fail(Errc::canceled, "the build was canceled");
  if (outcome.host_full && !outcome.timed_out && !outcome.output_limit && !outcome.disk_limit) {
    Error full{.code = Errc::disk_full,
               .message = fmt::format("{} had no room left on the server's disk", job.name),
               .hint = "free some: `slipway gc` removes what nothing uses; then try again"};
    full.phase = job.name;
    full.command = job.command;
    full.cause = "server_disk_full";
    return fail(std::move(full));
  }
  if (outcome.exit == SandboxExit{} && !outcome.timed_out && !outcome.output_limit &&
      !outcome.disk_limit)
    return {};
  // Hidden before it is cut into lines of an excerpt, so that no half of a secret is left.
  const std::string log = observer.quotable(tail.text());
  return fail(explain_failure({.phase = job.name,
                               .command = job.command,
                               .exit = outcome.exit,
                               .timed_out = outcome.timed_out,
                               .output_limit = outcome.output_limit,
                               .disk_limit = outcome.disk_limit,
                               .log = log},
                              *job.service));
}

Status keep_app_only(const fs::path& upper) {
  std::error_code error;
  std::vector<fs::path> others;
  for (const auto& entry : entries_of(upper, error))
    if (entry.path().filename() != "app") others.push_back(entry.path());
  if (error) return fail(Errc::io, "read " + upper.string() + ": " + error.message());
  for (const fs::path& other : others) SLIPWAY_CHECK(remove_tree(other));
  return {};
}

void open_directories(const fs::path& upper, const Manifest& inputs, std::string_view prefix) {
  std::set<std::string> parents = {std::string(prefix)};
  for (const ManifestEntry& entry : inputs.entries)
    for (auto slash = entry.path.find('/'); slash != std::string::npos;
         slash = entry.path.find('/', slash + 1))
      parents.insert(fmt::format("{}/{}", prefix, entry.path.substr(0, slash)));
  const auto open = [](const fs::path& directory) {
    for (const char* name : {"trusted.overlay.opaque", "user.overlay.opaque"})
      ::lremovexattr(directory.c_str(), name);
  };
  std::set<std::string> real;  // no link on the way: the set is sorted, parents come first
  for (const std::string& parent : parents) {
    struct stat info{};
    const fs::path directory = upper / parent;
    const auto slash = parent.rfind('/');
    if (slash != std::string::npos && !real.contains(parent.substr(0, slash))) continue;
    if (::lstat(directory.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) continue;
    real.insert(parent);
    open(directory);
    std::error_code error;
    for (const auto& child : entries_of(directory, error))
      if (child.is_directory(error) && !child.is_symlink(error)) open(child.path());
  }
}

}  // namespace slipway
