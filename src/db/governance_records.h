#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/ids.h"
#include "json/json.h"
#include "model/actor.h"
#include "model/environment.h"
#include "policy/decision.h"
#include "policy/policy_set.h"

// Plain values: what governance remembers, and their JSON. None of it is ever a secret, so the form
// that is kept is the form that clients see.
namespace slipway {

struct DecisionTag {
  static constexpr std::string_view prefix = "dec";
};
struct WaiverTag {
  static constexpr std::string_view prefix = "wvr";
};
struct BreakGlassTag {
  static constexpr std::string_view prefix = "brk";
};
using DecisionId = Id<DecisionTag>;
using WaiverId = Id<WaiverTag>;
using BreakGlassId = Id<BreakGlassTag>;

// One version of the rules, as it was activated.
struct StoredPolicySet {
  std::int64_t version = 0;  // from 1, without gaps
  std::string name, text;
  Digest digest;                      // of `text`
  std::vector<std::string> advisory;  // ids of rules that only advise, whatever the text says
  Timestamp created_at{};
  Actor author;
  std::string reason;
  std::string signature, key;  // over policy_statement(), by the server's key; "" when unsigned
  bool operator==(const StoredPolicySet&) const = default;
};
// What is signed: "slipway policy set\n<version>\n<digest>\n<advisory rules, by comma>\n".
[[nodiscard]] std::string policy_statement(const StoredPolicySet& set);

// A decision with what it was about. `facts` is the digest of the snapshot kept beside it.
struct StoredDecision {
  DecisionId id;
  Timestamp at{};
  std::string project, environment;
  std::string resource;  // "deployment/dpl_…"; "" when it is about nothing that exists
  Actor actor;
  std::string role = "none";  // of the actor then
  Decision decision;
};

struct Vote {
  enum class Choice { approve, reject };
  Choice choice = Choice::approve;
  Actor actor;
  std::string role;
  Timestamp at{};
  std::string reason;
  bool operator==(const Vote&) const = default;
};

// One variable that a change of a configuration is about, for those who approve it. `value` is what
// it becomes and `before` what it is: of plain variables sealed where they are kept, of secrets a
// fingerprint, which says no more than whether two are the same.
struct AskedVariable {
  std::string name;
  std::string change;  // added | modified | removed
  VarKind kind = VarKind::run;
  Disclosure disclosure = Disclosure::plain;
  std::optional<std::string> value, before;
  bool operator==(const AskedVariable&) const = default;
};

// Something that waits for people: it goes on by itself once enough of them agree.
struct ApprovalRequest {
  ApprovalId id;
  std::string state = "open";  // open | approved | rejected | expired | withdrawn
  std::string action;          // "deploy" | "remove": what happens once it is approved
  std::string resource, project, environment;
  DecisionPoint point = DecisionPoint::build;
  DecisionId decision;
  Actor requester;
  std::string role;    // of the requester then
  std::string change;  // ChangeDigest of what is asked for; "" when `resource` itself says it
  std::string request_id, source_address;
  std::vector<ApprovalNeed> needs;
  std::optional<std::int64_t> approvers;  // people who could give it when it was asked for
  std::vector<NextStep> next;             // the way out when nobody could
  Timestamp created_at{}, expires_at{};
  std::optional<Timestamp> closed_at;
  std::string closed_reason;
  std::optional<Timestamp>
      used_at;  // when the change that was approved was made: it counts no more
  std::vector<Vote> votes;
  std::vector<AskedVariable> variables;  // of a change of a configuration
  // What else approvers are shown of it: `files` that differ from what serves, all that a `token`
  // may do, `rules` of a policy. See docs/governance.md.
  json::object about;
  bool operator==(const ApprovalRequest&) const = default;
};

// Accepts what a soft rule finds, for a time. It counts from its approval on.
struct Waiver {
  WaiverId id;
  std::string state = "requested";  // requested | active | rejected | revoked | expired
  std::string rule, subject;        // subject "": every row of the rule
  std::string project;
  std::string reason;
  Actor author;
  std::optional<Actor> approver;
  Timestamp created_at{}, expires_at{};
  std::optional<Timestamp> closed_at;
  bool operator==(const Waiver&) const = default;
};

// An emergency: everything is allowed to people for an hour from the second one's confirmation.
struct BreakGlass {
  BreakGlassId id;
  std::string state = "requested";  // requested | active | rejected | ended | expired
  std::string project, reason;
  Actor first;
  std::optional<Actor> second;
  Timestamp created_at{};
  std::optional<Timestamp> started_at;
  Timestamp expires_at{};  // while requested: until when it can be confirmed
  std::optional<Timestamp> closed_at;
  bool operator==(const BreakGlass&) const = default;
};

[[nodiscard]] json::value to_json(const FactValue& value);
[[nodiscard]] json::object to_json(const Decision& decision);
[[nodiscard]] json::object to_json(const StoredDecision& decision);
[[nodiscard]] json::object to_json(const PolicyProblem& problem);
// Without the text.
[[nodiscard]] json::object to_json(const StoredPolicySet& set);
[[nodiscard]] json::object to_json(const AskedVariable& variable);
[[nodiscard]] json::object to_json(const ApprovalRequest& request);
[[nodiscard]] json::object to_json(const Waiver& waiver);
[[nodiscard]] json::object to_json(const BreakGlass& emergency);

[[nodiscard]] Result<StoredPolicySet> policy_set_from_json(const json::value& value);
[[nodiscard]] Result<ApprovalRequest> approval_from_json(const json::value& value);
[[nodiscard]] Result<Waiver> waiver_from_json(const json::value& value);
[[nodiscard]] Result<BreakGlass> break_glass_from_json(const json::value& value);

}  // namespace slipway
