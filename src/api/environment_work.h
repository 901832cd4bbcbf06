#pragma once

#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/task_group.h"

namespace slipway {

// What takes longer than a request may: restarting and scaling the instances of an environment. One
// at a time in each; the last one is remembered until the next, for who asked. Not durable: after a
// restart of the server nobody knows of it, and `slipway ls` shows what runs. Thread-safe.
class EnvironmentWork {
 public:
  explicit EnvironmentWork(TaskGroup::Gate gate = {});
  ~EnvironmentWork() = default;  // stops what runs and waits for it
  EnvironmentWork(const EnvironmentWork&) = delete;
  EnvironmentWork& operator=(const EnvironmentWork&) = delete;

  struct Item {
    std::string id, what;  // "restart"
    bool running = true;
    std::optional<Error> error;
  };
  // Runs `first` here and then `task` on a thread of its own; nothing else begins there meanwhile.
  // Errors: those of `first`; conflict while something runs there, and then `first` is not run;
  // unavailable when there is no thread. A task that throws has failed: `last` says so.
  [[nodiscard]] Result<Item> start(std::string_view project, std::string_view environment,
                                   std::string_view what, const std::function<Status()>& first,
                                   std::function<Status(std::stop_token)> task);
  // The last one there; nothing when there was none.
  [[nodiscard]] std::optional<Item> last(std::string_view project,
                                         std::string_view environment) const;
  // Asks all to stop, waits, and takes no more.
  void stop();

 private:
  using Place = std::pair<std::string, std::string>;
  // The item is the last one there from now on. Errors: conflict.
  [[nodiscard]] Result<std::optional<Item>> take(const Place& place, const Item& item);
  void ended(const Place& place, std::optional<Error> error);

  mutable Mutex mutex_;
  std::map<Place, Item> items_ SLIPWAY_GUARDED_BY(mutex_);
  TaskGroup tasks_;  // last: they use the others
};

}  // namespace slipway
