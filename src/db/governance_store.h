#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "db/audit_store.h"
#include "db/beside.h"
#include "db/database.h"
#include "db/governance_records.h"
#include "db/waiting_page.h"
#include "policy/engine.h"

namespace slipway {

struct DecisionFilter {
  std::string project, resource, verdict;  // "" means any
  std::int64_t before = 0;                 // sequence number to continue below; 0: from the newest
  std::size_t limit = 50;
  // Which of them whoever asks may see; null: all. The others are on no page and end none.
  std::function<bool(const json::object& decision)> visible;
};
struct DecisionPage {
  std::vector<json::object> decisions;  // as to_json(StoredDecision), newest first
  std::int64_t next = 0;                // 0: no more
};

// Who asked for how much lately: one row of the facts' table `velocity`.
struct Velocity {
  std::int64_t deploys_minute = 0, deploys_hour = 0, deploys_day = 0, denials_hour = 0;
  std::int64_t failures_in_row = 0, same_failure = 0;
  std::optional<Timestamp> oldest_in_hour;
};
enum class VelocityScope { actor, top_agent, agent_of, project };
// The agent that an agent came from, whatever it calls itself now: the human and the first agent of
// its chain. "" for others.
[[nodiscard]] std::string top_agent(const Actor& actor);

struct PreviewCounts {
  std::int64_t project = 0, team = 0, actor = 0, total = 0;
};

// What governance remembers, in SQLite: policy sets, decisions with their snapshots, approvals,
// waivers, emergencies. Each change and its audit record are one transaction, durable when the call
// returns. Thread-safe. What it is given must outlive it.
class GovernanceStore {
 public:
  GovernanceStore(Database& database, AuditStore& audit) : database_(database), audit_(audit) {}

  // A decision by itself, or the approval that its subject waits for: what changes nothing else.
  [[nodiscard]] Status keep(const Beside& beside);
  [[nodiscard]] Status keep(std::span<const Beside> together);

  // -- policy sets: the newest version is the active one
  [[nodiscard]] Result<std::optional<StoredPolicySet>> active_set();
  // Errors: not_found.
  [[nodiscard]] Result<StoredPolicySet> policy_set(std::int64_t version);
  // Newest first, without their texts.
  [[nodiscard]] Result<std::vector<StoredPolicySet>> policy_sets();
  // Audited as "policy.changed". Errors: conflict unless `set` is the next version.
  [[nodiscard]] Status activate(const AuditContext& by, const StoredPolicySet& set);

  // -- decisions
  // Within the transaction of what was decided about. `facts` is the snapshot's canonical JSON.
  [[nodiscard]] static Status put(Database::Transaction& session, const StoredDecision& decision,
                                  std::string_view facts);
  // For a refusal, which changes nothing else; audited as "request.denied".
  [[nodiscard]] Status put_refusal(const AuditContext& by, const StoredDecision& decision,
                                   std::string_view facts);
  // As to_json(StoredDecision). Errors: not_found.
  [[nodiscard]] Result<json::object> decision(const DecisionId& id);
  [[nodiscard]] Result<DecisionPage> decisions(const DecisionFilter& filter);
  // The role of whoever the newest decision about `resource` was made for; "none" without one.
  [[nodiscard]] Result<std::string> role_about(std::string_view resource);
  // The snapshot that a decision was made on. Errors: not_found.
  [[nodiscard]] Result<Facts> facts_of(const DecisionId& id);
  // The last `count` decisions with their facts, newest first.
  [[nodiscard]] Result<std::vector<PastDecision>> past(std::size_t count);
  // Forgets all but the newest `keep` decisions, and snapshots that no decision is left for.
  [[nodiscard]] Status prune(std::size_t keep);

  // -- what lifts a denial. change() reads, lets `edit` edit and writes, with the audit record of
  // `event`; `edit` may be called again, as Repository::update() says, and an error of it leaves
  // the item as it was. Errors of get() and change(): not_found.
  template <class Item>
  using Edit = std::function<Status(Item&)>;

  // Within the transaction of what waits for it.
  [[nodiscard]] static Status add(Database::Transaction& session, AuditStore& audit,
                                  const AuditContext& by, const ApprovalRequest& request);
  [[nodiscard]] Status add(const AuditContext& by, const ApprovalRequest& request);
  // Within the transaction of the change that it was given for: it counts for no other. One that is
  // open is approved by that.
  [[nodiscard]] static Status use(Database::Transaction& session, AuditStore& audit,
                                  const AuditContext& by, const ApprovalId& id, Timestamp now);
  [[nodiscard]] Status add(const AuditContext& by, const Waiver& waiver);
  [[nodiscard]] Status add(const AuditContext& by, const BreakGlass& emergency);
  [[nodiscard]] Result<ApprovalRequest> approval(const ApprovalId& id);
  [[nodiscard]] Result<Waiver> waiver(const WaiverId& id);
  [[nodiscard]] Result<BreakGlass> break_glass(const BreakGlassId& id);
  [[nodiscard]] Result<ApprovalRequest> change(const AuditContext& by, const ApprovalId& id,
                                               std::string_view event,
                                               const Edit<ApprovalRequest>& edit);
  [[nodiscard]] Result<Waiver> change(const AuditContext& by, const WaiverId& id,
                                      std::string_view event, const Edit<Waiver>& edit);
  [[nodiscard]] Result<BreakGlass> change(const AuditContext& by, const BreakGlassId& id,
                                          std::string_view event, const Edit<BreakGlass>& edit);
  // A page of them, for people.
  [[nodiscard]] Result<WaitingPage> waiting(const WaitingFilter& filter);
  // All of them, newest first; `state` and `project` "" mean any.
  [[nodiscard]] Result<std::vector<ApprovalRequest>> approvals(std::string_view state,
                                                               std::string_view project);
  [[nodiscard]] Result<std::vector<Waiver>> waivers(std::string_view state,
                                                    std::string_view project);
  [[nodiscard]] Result<std::vector<BreakGlass>> emergencies(std::string_view state,
                                                            std::string_view project);
  [[nodiscard]] Result<std::vector<ApprovalRequest>> approvals_of(std::string_view resource);

  // -- counted for decisions
  [[nodiscard]] Result<Velocity> velocity(VelocityScope scope, std::string_view name,
                                          Timestamp now);
  // `actor` counts what it made itself, or with `top_agent` what all made that came from that one.
  [[nodiscard]] Result<PreviewCounts> preview_counts(std::string_view project,
                                                     std::string_view actor,
                                                     std::string_view top_agent = {});

 private:
  Database& database_;
  AuditStore& audit_;
};

}  // namespace slipway
