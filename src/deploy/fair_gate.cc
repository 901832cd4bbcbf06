#include "deploy/fair_gate.h"

namespace slipway {

Result<FairGate::Slot> FairGate::enter(const std::string& key, std::stop_token stop) {
  MutexLock lock(mutex_);
  Ticket ticket;
  auto& line = waiting_[key];
  const auto place = line.insert(line.end(), &ticket);
  admit_next();
  std::ignore =
      changed_.wait(mutex_, stop, [&]() SLIPWAY_REQUIRES(mutex_) { return ticket.admitted; });
  if (ticket.admitted) return Slot(this);
  // Stopped while waiting.
  auto at = waiting_.find(key);
  at->second.erase(place);
  if (at->second.empty()) waiting_.erase(at);
  return fail(Errc::canceled, "canceled while waiting for a build slot");
}

void FairGate::leave() {
  const MutexLock lock(mutex_);
  ++free_;
  admit_next();
}

void FairGate::admit_next() {
  bool admitted = false;
  while (free_ > 0 && !waiting_.empty()) {
    auto next = waiting_.upper_bound(last_key_);
    if (next == waiting_.end()) next = waiting_.begin();
    last_key_ = next->first;
    next->second.front()->admitted = true;
    next->second.pop_front();
    if (next->second.empty()) waiting_.erase(next);
    --free_;
    admitted = true;
  }
  if (admitted) changed_.notify_all();
}

std::size_t FairGate::waiting() const {
  const MutexLock lock(mutex_);
  std::size_t count = 0;
  for (const auto& [key, line] : waiting_) count += line.size();
  return count;
}

Result<StepRunner::Outcome> GatedRunner::run(const SandboxSpec& spec, Duration time_limit,
                                             std::uint64_t output_limit_bytes,
                                             const OutputSink& output, std::stop_token stop) {
  std::string key;
  for (const auto& [name, value] : spec.labels)
    if (name == "project") key = value;
  SLIPWAY_TRY(const FairGate::Slot slot, gate_.enter(key, stop));
  return runner_.run(spec, time_limit, output_limit_bytes, output, stop);
}

}  // namespace slipway
