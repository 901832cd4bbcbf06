#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "model/actor.h"

namespace slipway {

struct AlertTag {
  static constexpr std::string_view prefix = "alr";
};
using AlertId = Id<AlertTag>;

// What can be told to the outside world. Names are part of the contract; add, never rename.
inline constexpr std::array<std::string_view, 6> alert_events{
    "rollout.waiting",                        // people must approve
    "rollout.switched",                       // a release serves all traffic
    "rollout.failed",                         // before the switch, or a canary that was taken back
    "release.rolled_back", "release.frozen",  // failing, but rolled back too often by itself
    "alert.test"};                            // asked for by a user; always sent

// A webhook of a project. A plain value.
struct AlertSubscription {
  AlertId id;
  std::string project;
  std::string environment;          // "": all
  std::string url;                  // http:// or https://
  std::vector<std::string> events;  // empty: all
  std::string sealed_secret;        // never leaves the server
  Timestamp created_at{};
  Actor actor;
  // Of its newest delivery.
  std::optional<Timestamp> last_at;
  std::string last_result;  // "delivered (200)", "failed: …"; "" before the first

  [[nodiscard]] bool wants(std::string_view event, std::string_view of_environment) const;
  bool operator==(const AlertSubscription&) const = default;
};

// One message that waits to be delivered.
struct AlertDelivery {
  std::string id;  // "msg_…": the same at every attempt, so that a receiver can drop repeats
  AlertId subscription;
  std::string event, body;
  Timestamp created_at{}, due_at{};
  std::int64_t attempts = 0;
  std::string last_error;
  bool operator==(const AlertDelivery&) const = default;
};

}  // namespace slipway
