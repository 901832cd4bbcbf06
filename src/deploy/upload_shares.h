#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/result.h"

namespace slipway {

// How much of the disk what each person uploaded lately holds: at most half of what there is for
// uploads, so that a few small packs that unpack to much leave the others room. Agents share with
// whom they act for. In memory: after a restart all begin anew, as far as gc.min_free_disk lets
// them. Thread-safe.
class UploadShares {
 public:
  // `lately`: in so much time; must outlive it, and may change.
  UploadShares(const Clock& clock, const Duration& lately) : clock_(clock), lately_(lately) {}

  // Before as many bytes are written for `holder`, when `room` is left for uploads. Settled once it
  // is known how many were. Errors: over_budget.
  enum class Ticket : std::uint64_t {};
  [[nodiscard]] Result<Ticket> take(const std::string& holder, std::uint64_t bytes,
                                    std::uint64_t room);
  void settle(Ticket ticket, std::uint64_t bytes);

 private:
  struct Taken {
    std::string holder;
    std::uint64_t bytes = 0;
    Timestamp at{};
  };
  struct State {
    std::map<Ticket, Taken> taken;  // the oldest first
    std::uint64_t tickets = 0;
    std::map<std::string, std::uint64_t> held;  // by holder
  };
  static void forget(State& state, std::map<Ticket, Taken>::iterator taken);

  const Clock& clock_;
  const Duration& lately_;
  Guarded<State> state_;
};

}  // namespace slipway
