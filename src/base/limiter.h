#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"

namespace slipway {

// Who comes first wherever tenants meet: the upper rows before the lower ones.
enum class WorkClass : std::uint8_t {
  production,  // what serves people, and the brakes: kill, revoke, roll back
  release,     // what promotions and people's own calls wait for
  preview,     // previews and agents
  build,       // what nobody waits for at this very moment
};
inline constexpr std::size_t work_classes = 4;

// The one way to share what is scarce: threads, connections, bytes in memory, questions on the
// way. So many units in all; one key (a project, a principal, an address) holds a share of them at
// the most; a class may keep some for itself that lower ones never get. Who waits is let in by
// class, then in turn between the keys of the class, then in order; a claim that waits for room is
// not overtaken by smaller ones of its class or a lower one. Lines are bounded.
//
// Thread-safe. Must outlive its slots.
class Limiter {
 public:
  static constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();
  struct Limits {
    std::uint64_t units = 1;            // held at once in all
    std::uint64_t per_key = unlimited;  // held at once by one key of one class
    // What each class keeps: so many units stay free of the classes below it.
    std::array<std::uint64_t, work_classes> kept{};
    std::uint64_t waiting = unlimited;  // claims in all lines
    std::uint64_t waiting_per_key = unlimited;
  };
  struct Claim {
    WorkClass work = WorkClass::preview;
    std::string key;
    std::uint64_t units = 1;
  };

  // Held until it is destroyed.
  class Slot {
   public:
    Slot(Slot&& other) noexcept
        : limiter_(std::exchange(other.limiter_, nullptr)), claim_(std::move(other.claim_)) {}
    Slot& operator=(Slot&& other) noexcept {
      std::swap(limiter_, other.limiter_);
      std::swap(claim_, other.claim_);
      return *this;
    }
    ~Slot() {
      if (limiter_ != nullptr) limiter_->leave(claim_);
    }
    // So many units more, if there is room now.
    [[nodiscard]] bool grow(std::uint64_t units);
    [[nodiscard]] std::uint64_t units() const { return claim_.units; }

   private:
    friend class Limiter;
    Slot(Limiter* limiter, Claim claim) : limiter_(limiter), claim_(std::move(claim)) {}
    Limiter* limiter_;
    Claim claim_;
  };

  explicit Limiter(const Limits& limits) : limits_(limits) {}
  Limiter(const Limiter&) = delete;
  Limiter& operator=(const Limiter&) = delete;

  // Without waiting; nothing when there is no room or others wait for it.
  [[nodiscard]] std::optional<Slot> try_enter(const Claim& claim);
  // Waits in line. Errors: canceled when `stop` is requested first, deadline_exceeded after
  // `most_wait`, rate_limited when too many of the key wait already, unavailable when too many of
  // all do, too_large when it could never be let in.
  [[nodiscard]] Result<Slot> enter(const Claim& claim, std::stop_token stop = {},
                                   std::optional<Duration> most_wait = {});
  // Calls `admitted` with the slot: at once on this thread, or later on the one that makes room.
  // It must not block. Errors: as above, and then it is never called.
  using Admitted = std::function<void(Slot)>;
  [[nodiscard]] Status enter_later(const Claim& claim, Admitted admitted);

  [[nodiscard]] std::uint64_t held() const;
  [[nodiscard]] std::size_t waiting() const;

 private:
  struct Ticket {
    Claim claim;
    Admitted admitted;  // none: a thread waits
    bool in = false;    // under the limiter's mutex
  };
  // One class.
  struct Lines {
    std::map<std::string, std::deque<std::shared_ptr<Ticket>>> waiting;
    std::unordered_map<std::string, std::uint64_t> held;
    std::string last_key;  // served most recently
  };
  enum class Room { yes, not_for_key, no };

  [[nodiscard]] Status may_wait(const Claim& claim) const SLIPWAY_REQUIRES(mutex_);
  [[nodiscard]] Room room(const Claim& claim) const SLIPWAY_REQUIRES(mutex_);
  [[nodiscard]] std::shared_ptr<Ticket> stand(const Claim& claim, Admitted admitted)
      SLIPWAY_REQUIRES(mutex_);
  void withdraw(const Ticket& ticket) SLIPWAY_REQUIRES(mutex_);
  void leave(const Claim& claim);
  // Lets in whom there is room for; those with a callback are returned.
  [[nodiscard]] std::vector<std::shared_ptr<Ticket>> admit() SLIPWAY_REQUIRES(mutex_);
  void call(const std::vector<std::shared_ptr<Ticket>>& tickets);

  const Limits limits_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::uint64_t held_ SLIPWAY_GUARDED_BY(mutex_) = 0;
  std::size_t waiting_ SLIPWAY_GUARDED_BY(mutex_) = 0;
  std::array<Lines, work_classes> lines_ SLIPWAY_GUARDED_BY(mutex_);
};

}  // namespace slipway
