#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/guarded.h"

namespace slipway {

// How many client connections there may be with so many descriptors: each may need another one,
// towards an app, and the server's own files, sandboxes and database keep a part.
[[nodiscard]] std::uint32_t connections_for(std::uint64_t descriptors);

// Counts the client connections of all lanes, in all and by address. Thread-safe.
class Connections {
 public:
  // `per_address` 0: any number.
  Connections(std::uint32_t most, std::uint32_t per_address)
      : most_(most), per_address_(per_address) {}

  enum class Verdict { welcome, too_many_of_address };
  // Counts one more of this address; "" is one whose number has no limit. `too_many` counts none.
  [[nodiscard]] Verdict enter(const std::string& address);
  void leave(const std::string& address);

  [[nodiscard]] std::uint32_t open() const { return state_.lock()->open; }
  // No more can be taken.
  [[nodiscard]] bool full() const { return open() >= most_; }
  // Those that rest should make room.
  [[nodiscard]] bool tight() const { return open() >= most_ - most_ / 8; }

 private:
  struct State {
    std::uint32_t open = 0;
    std::unordered_map<std::string, std::uint32_t> by_address;
  };
  const std::uint32_t most_, per_address_;
  Guarded<State> state_;
};

// What connections of one client are counted under: its IPv4 address, or the network that its IPv6
// address is likely to be one of (/64). "" for this machine's own.
[[nodiscard]] std::string connection_key(std::string_view address);

}  // namespace slipway
