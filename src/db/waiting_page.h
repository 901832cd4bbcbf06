#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "db/governance_records.h"

namespace slipway {

// Which of the things that wait, or waited, for people to list. "" means any.
struct WaitingFilter {
  enum class Kind { any, approvals, waivers, emergencies } kind = Kind::any;
  // Of approvals; a waiver or an emergency that is "open" is called "requested".
  std::string state, project;
  std::string cursor;  // WaitingPage::next, to continue; "": from the newest
  std::size_t limit = 50;
  // Of approvals alone: about what; who asked, as "agent:coder"; for whom an agent asked; none that
  // was closed before.
  std::string resource, asker, asker_for;
  std::optional<Timestamp> closed_since;
  // Which of them whoever asks may see, by project and environment ("*": every one of them, "":
  // none in particular); null: all. The others are on no page and end none.
  std::function<bool(std::string_view project, std::string_view environment)> visible;
};
// Where an approval takes effect, for who may see it: in every environment when it names none.
[[nodiscard]] std::string_view environment_of(const ApprovalRequest& request);
// Newest first, `limit` in all.
struct WaitingPage {
  std::vector<ApprovalRequest> approvals;
  std::vector<Waiver> waivers;
  std::vector<BreakGlass> emergencies;
  std::string next;  // "": no more
};

}  // namespace slipway
