#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace slipway {

// Who asks. Filled from the token that was used; never from what a request says of itself.
struct Actor {
  std::string kind = "human";  // human | agent | system
  std::string name;
  std::string on_behalf_of;  // for an agent: the human at the root of its delegation
  std::vector<std::string>
      chain;          // delegation, root first, this actor last: "human:ann", "agent:ci"
  std::string token;  // id of the token; it is no secret
  std::string path;   // "tok_a/tok_b": all that the token came from, itself last; "" in old records
  std::string session, task;  // an agent's own names for what it is doing
  bool operator==(const Actor&) const = default;
};

// Slipway itself, in the person of one of its parts: "pipeline", "housekeeping", "fleet".
[[nodiscard]] Actor system_actor(std::string_view part);

}  // namespace slipway
