#pragma once

#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "base/result.h"

namespace slipway {

// What takes longer than a request may: restarting and scaling the instances of an environment. One
// at a time in each; the last one is remembered until the next, for who asked. Not durable: after a
// restart of the server nobody knows of it, and `slipway ls` shows what runs. Thread-safe.
class EnvironmentWork {
 public:
  EnvironmentWork() = default;
  ~EnvironmentWork();  // stops what runs and waits for it
  EnvironmentWork(const EnvironmentWork&) = delete;
  EnvironmentWork& operator=(const EnvironmentWork&) = delete;

  struct Item {
    std::string id, what;  // "restart"
    bool running = true;
    std::optional<Error> error;
  };
  // Runs `task` on a thread of its own. Errors: conflict while something runs there.
  [[nodiscard]] Result<Item> start(std::string_view project, std::string_view environment,
                                   std::string_view what,
                                   std::function<Status(std::stop_token)> task);
  // The last one there; nothing when there was none.
  [[nodiscard]] std::optional<Item> last(std::string_view project,
                                         std::string_view environment) const;
  // Asks all to stop, waits, and takes no more.
  void stop();

 private:
  using Place = std::pair<std::string, std::string>;
  struct Entry {
    Item item;
    std::jthread thread;
  };

  mutable Mutex mutex_;
  bool stopped_ SLIPWAY_GUARDED_BY(mutex_) = false;
  std::map<Place, Entry> entries_ SLIPWAY_GUARDED_BY(mutex_);
};

}  // namespace slipway
