#pragma once

#include <cstddef>
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
};
// Newest first, `limit` in all.
struct WaitingPage {
  std::vector<ApprovalRequest> approvals;
  std::vector<Waiver> waivers;
  std::vector<BreakGlass> emergencies;
  std::string next;  // "": no more
};

}  // namespace slipway
