#include "api/environment_work.h"

#include <fmt/format.h>

#include "base/ids.h"

namespace slipway {
namespace {

constexpr std::size_t most_at_once = 256;

}  // namespace

EnvironmentWork::EnvironmentWork(TaskGroup::Gate gate)
    : tasks_("environment", most_at_once, std::move(gate)) {}

Result<std::optional<EnvironmentWork::Item>> EnvironmentWork::take(const Place& place,
                                                                   const Item& item) {
  const MutexLock lock(mutex_);
  std::optional<Item> before;
  if (const auto known = items_.find(place); known != items_.end()) {
    if (known->second.running)
      return fail(
          Errc::conflict,
          fmt::format("a {} of {} {} is under way", known->second.what, place.first, place.second),
          "try again when it is over");
    before = known->second;
  }
  items_[place] = item;
  return before;
}

Result<EnvironmentWork::Item> EnvironmentWork::start(std::string_view project,
                                                     std::string_view environment,
                                                     std::string_view what,
                                                     const std::function<Status()>& first,
                                                     std::function<Status(std::stop_token)> task) {
  const Place place(project, environment);
  const Item item{.id = "wrk_" + random_id(), .what = std::string(what)};
  SLIPWAY_TRY(const std::optional<Item> before, take(place, item));
  const auto give_back = [&] {
    const MutexLock lock(mutex_);
    if (before)
      items_[place] = *before;
    else
      items_.erase(place);
  };
  Status begun;
  try {
    if (first) begun = first();
  } catch (...) {
    give_back();
    throw;
  }
  if (begun)
    begun = tasks_.start(
        [this, place, task = std::move(task)](const std::stop_token& stop) {
          Status done = task(stop);
          ended(place, done ? std::nullopt : std::optional(std::move(done).error()));
        },
        [this, place](const Error& error) { ended(place, error); });
  if (begun) return item;
  give_back();
  return fail(std::move(begun).error());
}

void EnvironmentWork::ended(const Place& place, std::optional<Error> error) {
  const MutexLock lock(mutex_);
  Item& item = items_[place];
  item.error = std::move(error);
  item.running = false;
}

std::optional<EnvironmentWork::Item> EnvironmentWork::last(std::string_view project,
                                                           std::string_view environment) const {
  const MutexLock lock(mutex_);
  const auto found = items_.find(Place(project, environment));
  if (found == items_.end()) return std::nullopt;
  return found->second;
}

void EnvironmentWork::stop() { tasks_.stop(); }

}  // namespace slipway
