#pragma once

#include <functional>
#include <optional>
#include <string>

#include "db/governance_store.h"
#include "db/repository.h"
#include "deploy/names.h"
#include "deploy/settings.h"
#include "model/audit_event.h"
#include "model/deployment.h"
#include "policy/policy_set.h"
#include "store/blob_store.h"

namespace slipway {

// What the policies are asked: may `by` do this? Pointers live as long as the call.
struct Asked {
  DecisionPoint point = DecisionPoint::build;
  AuditContext by;
  std::string project;               // "" for a request about none
  std::string environment = "none";  // production | staging | preview | none
  std::string resource;              // "deployment/dpl_…": what approvals and the audit name it by
  std::string action;                // what approvals are given for: "deploy", "remove", ...
  std::string change;  // ChangeDigest of what is asked for; "" when `resource` is what approvals
                       // are given for
  // Whether approvals are used up by what they allow, or count as long as they are young enough:
  // building a deployment and showing it are one thing.
  enum class Approvals { once, again } approvals = Approvals::once;
  const Deployment* deployment = nullptr;
  const Manifest* source = nullptr;      // of the deployment; without it, sizes of files are 0
  std::vector<AskedVariable> variables;  // of a change of a configuration, for those who approve it
  json::object about;  // what else approvers are shown of it: ApprovalRequest::about
  // Rows that only the caller knows: config_change, token_request, release, canary, budget, ...
  std::function<void(Facts&)> more;
};

// The usual question about a deployment, which must outlive the answer.
[[nodiscard]] Asked asked_about(const AuditContext& by, DecisionPoint point, std::string action,
                                const Deployment& deployment);

// The role that an actor has now in a team, whose role was `then` when they asked or agreed.
// Errors: permission_denied, with the reason: they left, were killed, or the role is smaller. Null:
// it is as it was (tests).
using Standing = std::function<Result<std::string>(const Actor& actor, const std::string& team,
                                                   const std::string& then)>;
// The role that what a person agreed to as `then` counts with now: that of then, or what is left of
// it. Nothing when they left or may agree to nothing any more.
[[nodiscard]] std::optional<std::string> counted_role(const Standing& standing, const Actor& actor,
                                                      const std::string& team,
                                                      const std::string& then);

// Fills the snapshot for a decision. Tables that nothing can fill yet are known to be empty, with
// two exceptions that a promotion must not pass over: `scan` says "none" while nothing was
// scanned, and `file` is unknown when very many files differ and no rule in `set` reads it.
struct FactSources {
  const Settings& settings;
  const Clock& clock;
  GovernanceStore& store;
  Repository& repository;
  const Names& names;
  // Names of the humans who could approve something of a team; null: they are not counted.
  const std::function<std::vector<std::string>(const std::string& team)>& approvers;
  const Standing& standing;
  const BlobStore* blobs = nullptr;  // null: files are judged by their names alone
};
[[nodiscard]] Result<Facts> gather_facts(const Asked& asked, const FactSources& sources,
                                         const PolicySet& set);
// The requests whose votes are among the facts of the same question.
[[nodiscard]] Result<std::vector<ApprovalRequest>> approvals_for(const Asked& asked,
                                                                 GovernanceStore& store);

// std::ranges::contains of a later library.
template <class Range, class Value>
[[nodiscard]] bool among(const Range& range, const Value& value) {
  return std::ranges::find(range, value) != std::ranges::end(range);
}

// Whether a rule of the set that applies at `point` reads the table.
[[nodiscard]] bool reads(const PolicySet& set, DecisionPoint point, std::string_view table);

}  // namespace slipway
