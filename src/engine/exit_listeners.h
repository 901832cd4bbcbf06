#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"

namespace slipway {

struct SandboxExit;

// Called with the id of a sandbox that ended by itself.
using ExitHandler = std::function<void(const std::string& id, const SandboxExit& exit)>;

// Listens for as long as it lives. Its destruction waits for a call that is under way, so it must
// not happen inside the handler. It may outlive the engine. Move-only.
class ExitListener {
 public:
  ExitListener() = default;
  ExitListener(ExitListener&&) = default;
  ExitListener& operator=(ExitListener&& other) noexcept;
  ~ExitListener() { end(); }

 private:
  friend class ExitListeners;
  struct Slot;
  explicit ExitListener(std::shared_ptr<Slot> slot) : slot_(std::move(slot)) {}
  void end();
  std::shared_ptr<Slot> slot_;
};

// Who listens to an engine; for engines. Thread-safe.
class ExitListeners {
 public:
  [[nodiscard]] ExitListener add(ExitHandler handler);
  // Whether anybody listens.
  [[nodiscard]] bool any() const;
  // Calls each, in the order in which they were added.
  void tell(const std::string& id, const SandboxExit& exit) const;

 private:
  [[nodiscard]] std::vector<std::shared_ptr<ExitListener::Slot>> listening() const;

  mutable Mutex mutex_;
  mutable std::vector<std::weak_ptr<ExitListener::Slot>> slots_ SLIPWAY_GUARDED_BY(mutex_);
};

}  // namespace slipway
