#include "api/environment_work.h"

#include <fmt/format.h>

#include "base/ids.h"

namespace slipway {

EnvironmentWork::~EnvironmentWork() { stop(); }

Result<EnvironmentWork::Item> EnvironmentWork::start(std::string_view project,
                                                     std::string_view environment,
                                                     std::string_view what,
                                                     std::function<Status(std::stop_token)> task) {
  const MutexLock lock(mutex_);
  if (stopped_) return fail(Errc::unavailable, "the server is stopping");
  Entry& entry = entries_[Place(project, environment)];
  if (entry.thread.joinable()) {
    if (entry.item.running)
      return fail(Errc::conflict,
                  fmt::format("a {} of {} {} is under way", entry.item.what, project, environment),
                  "try again when it is over");
    entry.thread.join();  // it has nothing left to do but end
  }
  entry.item = {.id = "wrk_" + random_id(), .what = std::string(what)};
  entry.thread = std::jthread([this, &entry, task = std::move(task)](const std::stop_token& stop) {
    Status done = task(stop);
    const MutexLock finishing(mutex_);
    if (!done) entry.item.error = std::move(done).error();
    entry.item.running = false;
  });
  return entry.item;
}

std::optional<EnvironmentWork::Item> EnvironmentWork::last(std::string_view project,
                                                           std::string_view environment) const {
  const MutexLock lock(mutex_);
  const auto found = entries_.find(Place(project, environment));
  if (found == entries_.end()) return std::nullopt;
  return found->second.item;
}

void EnvironmentWork::stop() {
  {
    const MutexLock lock(mutex_);
    stopped_ = true;
    for (auto& [place, entry] : entries_) entry.thread.request_stop();
  }
  // Nothing is added any more, and entries stay where they are.
  for (auto& [place, entry] : entries_)
    if (entry.thread.joinable()) entry.thread.join();
}

}  // namespace slipway
