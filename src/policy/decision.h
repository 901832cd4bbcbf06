#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "policy/facts.h"

// Plain values: what was asked, what the policies said, and what would change their mind.
namespace slipway {

// Where the pipeline asks. The names are those of rules' `on`.
enum class DecisionPoint {
  build,
  preview,
  promote,
  canary_step,
  rollback,
  config,
  secret,
  domain,
  policy,
  budget,
  token,
  exec,
  remove,
};
[[nodiscard]] std::string_view to_string(DecisionPoint point);
[[nodiscard]] std::optional<DecisionPoint> parse_decision_point(std::string_view text);
[[nodiscard]] std::span<const DecisionPoint> decision_points();

enum class Enforcement {
  advisory,  // tells, never blocks
  soft,      // blocks; a waiver lifts it
  hard,      // blocks; only a change of the policy lifts it
};
[[nodiscard]] std::string_view to_string(Enforcement enforcement);
[[nodiscard]] std::optional<Enforcement> parse_enforcement(std::string_view text);

enum class Verdict { allow, deny, pending /* approvals are all that is missing */ };
[[nodiscard]] std::string_view to_string(Verdict verdict);
[[nodiscard]] std::optional<Verdict> parse_verdict(std::string_view text);

// What became of one violating row.
enum class ViolationState {
  blocks,    // of a soft or hard rule, and nothing lifts it
  pending,   // the rule asks for approvals, and some are missing
  advises,   // of an advisory rule
  waived,    // `lifted_by` is the waiver
  approved,  // the rule asked for approvals and has them
  broken,    // break-glass: `lifted_by` is its id
};
[[nodiscard]] std::string_view to_string(ViolationState state);

struct Violation {
  std::string rule;
  Enforcement enforcement = Enforcement::hard;
  ViolationState state = ViolationState::blocks;
  std::string message;  // the rule's, filled in from the row; safe for a terminal
  std::string subject;  // the row's column `subject`; "" when there is none. Waivers name it
  std::vector<std::pair<std::string, FactValue>> row;  // result column, value
  std::string lifted_by;
  // Set when the rule could not be evaluated (an error, a limit, an unknown fact): it denies
  // whatever its level. `message` says why.
  bool is_error = false;

  bool operator==(const Violation&) const = default;
};

// The built-in reasons, in place of a rule's id.
inline constexpr std::string_view no_matching_rule = "no-matching-rule";
inline constexpr std::string_view facts_are_unknown = "facts-are-unknown";
inline constexpr std::string_view second_opinion_rule = "second-opinion";

// Approvals that one rule waits for.
struct ApprovalNeed {
  std::string rule;
  int need = 0, have = 0;           // distinct people
  std::vector<std::string> roles;   // any of these
  std::vector<std::string> people;  // only these; empty: everybody with the role
  Duration valid_for{};             // an approval older than this does not count
  std::vector<std::string> given_by;
  bool operator==(const ApprovalNeed&) const = default;
};

enum class RemedyKind { fix, wait, approve, waive, raise_budget, change_policy };
[[nodiscard]] std::string_view to_string(RemedyKind kind);

struct Remedy {
  RemedyKind kind = RemedyKind::fix;
  std::string rule;
  std::string subject;
  std::string description;  // one sentence
  // As one would type it; "" when there is none (waiting). Words in capitals are for the reader to
  // fill in; APPROVAL is the id of the request for approval: see name_approval().
  std::string command;
  std::optional<std::int64_t> until;  // of `wait`: Unix seconds
  // Whether the actor of this request may carry it out, and if not, who may.
  bool actor_may = false;
  std::string who;

  bool operator==(const Remedy&) const = default;
};

struct Decision {
  DecisionPoint point = DecisionPoint::build;
  Verdict verdict = Verdict::deny;
  std::int64_t policy_version = 0;
  Digest policy_digest;
  Digest facts_digest;
  Duration took{};

  std::vector<std::string> rules;    // evaluated, in the set's order
  std::vector<std::string> skipped;  // scanning rules, on a rollback to a once approved release
  std::vector<Violation> violations;
  std::vector<ApprovalNeed> approvals;  // of rules that were violated, met or not
  std::string break_glass;              // the id, when that is why it is allowed
  // Smallest set of changes that makes it pass, verified by re-evaluation; empty for allow, and
  // when remedies were not asked for. `alternatives` are other ways for single rules.
  std::vector<Remedy> remedies;
  std::vector<Remedy> alternatives;

  bool operator==(const Decision&) const = default;
  // One line: "denied by prod-no-critical: left-pad: remote code execution (and 2 more)".
  [[nodiscard]] std::string summary() const;
};

// Puts the id of the approval that was asked for in place of the word APPROVAL.
void name_approval(Decision& decision, std::string_view id);

}  // namespace slipway
