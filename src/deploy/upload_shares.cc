#include "deploy/upload_shares.h"

#include <fmt/format.h>

#include "base/text.h"

namespace slipway {

void UploadShares::forget(State& state, std::map<Ticket, Taken>::iterator taken) {
  const auto held = state.held.find(taken->second.holder);
  held->second -= taken->second.bytes;
  if (held->second == 0) state.held.erase(held);
  state.taken.erase(taken);
}

Result<UploadShares::Ticket> UploadShares::take(const std::string& holder, std::uint64_t bytes,
                                                std::uint64_t room) {
  return state_.with([&](State& state) -> Result<Ticket> {
    const Timestamp now = clock_.now();
    while (!state.taken.empty() && state.taken.begin()->second.at + lately_ <= now)
      forget(state, state.taken.begin());
    const auto known = state.held.find(holder);
    const std::uint64_t held = known == state.held.end() ? 0 : known->second;
    if (held + bytes > (room + held) / 2)
      return fail(
          Errc::over_budget,
          fmt::format("what {} uploaded in the last {} holds {}, and {} more would be over half of "
                      "what there is for all uploads",
                      holder, format_duration(lately_), format_bytes(held), format_bytes(bytes)),
          "wait a while, or free some disk space: slipway rm, slipway gc");
    const Ticket ticket{state.tickets++};
    state.taken.emplace(ticket, Taken{.holder = holder, .bytes = bytes, .at = now});
    state.held[holder] += bytes;
    return ticket;
  });
}

void UploadShares::settle(Ticket ticket, std::uint64_t bytes) {
  state_.with([&](State& state) {
    const auto taken = state.taken.find(ticket);
    if (taken == state.taken.end()) return;
    state.held[taken->second.holder] += bytes;
    state.held[taken->second.holder] -= taken->second.bytes;
    taken->second.bytes = bytes;
    if (bytes == 0) forget(state, taken);
  });
}

}  // namespace slipway
