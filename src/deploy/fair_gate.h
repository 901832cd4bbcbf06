#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <stop_token>
#include <string>

#include "base/mutex.h"
#include "base/result.h"
#include "engine/engine.h"

namespace slipway {

// Lets at most `slots` holders in at once; those who wait are served in turn between keys
// (projects), and in order within a key, so that one project's fifty builds cannot keep another's
// single one waiting. Thread-safe.
class FairGate {
 public:
  explicit FairGate(std::uint32_t slots) : free_(slots) {}

  class Slot {
   public:
    Slot(Slot&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Slot& operator=(Slot&&) = delete;
    ~Slot() {
      if (gate_ != nullptr) gate_->leave();
    }

   private:
    friend class FairGate;
    explicit Slot(FairGate* gate) : gate_(gate) {}
    FairGate* gate_;
  };
  // Waits for a slot. Errors: canceled when `stop` is requested first.
  [[nodiscard]] Result<Slot> enter(const std::string& key, std::stop_token stop);
  [[nodiscard]] std::size_t waiting() const;

 private:
  struct Ticket {
    bool admitted = false;
  };
  void leave();
  void admit_next() SLIPWAY_REQUIRES(mutex_);

  mutable Mutex mutex_;
  CondVar changed_;
  std::uint32_t free_ SLIPWAY_GUARDED_BY(mutex_);
  std::map<std::string, std::list<Ticket*>> waiting_ SLIPWAY_GUARDED_BY(mutex_);
  std::string last_key_ SLIPWAY_GUARDED_BY(mutex_);  // served most recently
};

// Runs steps of another runner, holding a slot of the gate meanwhile; the key is the label
// "project".
class GatedRunner final : public StepRunner {
 public:
  GatedRunner(StepRunner& runner, FairGate& gate) : runner_(runner), gate_(gate) {}
  [[nodiscard]] Result<Outcome> run(const SandboxSpec& spec, Duration time_limit,
                                    std::uint64_t output_limit_bytes, const OutputSink& output,
                                    std::stop_token stop) override;

 private:
  StepRunner& runner_;
  FairGate& gate_;
};

}  // namespace slipway
