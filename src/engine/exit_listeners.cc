#include "engine/exit_listeners.h"

#include "engine/engine.h"

namespace slipway {

struct ExitListener::Slot {
  explicit Slot(ExitHandler told) : handler(std::move(told)) {}
  Mutex mutex;  // held during a call
  ExitHandler handler SLIPWAY_GUARDED_BY(mutex);
};

ExitListener& ExitListener::operator=(ExitListener&& other) noexcept {
  if (this == &other) return *this;
  end();
  slot_ = std::move(other.slot_);
  return *this;
}

void ExitListener::end() {
  if (!slot_) return;
  {
    const MutexLock lock(slot_->mutex);
    slot_->handler = nullptr;
  }
  slot_ = nullptr;
}

ExitListener ExitListeners::add(ExitHandler handler) {
  auto slot = std::make_shared<ExitListener::Slot>(std::move(handler));
  const MutexLock lock(mutex_);
  slots_.emplace_back(slot);
  return ExitListener(std::move(slot));
}

std::vector<std::shared_ptr<ExitListener::Slot>> ExitListeners::listening() const {
  const MutexLock lock(mutex_);
  std::erase_if(slots_, [](const auto& slot) { return slot.expired(); });
  std::vector<std::shared_ptr<ExitListener::Slot>> out;
  for (const auto& slot : slots_)
    if (auto held = slot.lock()) out.push_back(std::move(held));
  return out;
}

bool ExitListeners::any() const { return !listening().empty(); }

void ExitListeners::tell(const std::string& id, const SandboxExit& exit) const {
  for (const auto& slot : listening()) {
    const MutexLock lock(slot->mutex);
    if (slot->handler) slot->handler(id, exit);
  }
}

}  // namespace slipway
