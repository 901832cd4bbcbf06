#include "deploy/governance.h"

#include <boost/json/serialize.hpp>

#include "base/log.h"
#include "base/text.h"
#include "policy/lifts.h"

namespace slipway {
namespace {

constexpr std::size_t rows_in_error = 10, rejections_looked_at = 200, files_named = 20;
constexpr std::ptrdiff_t most_open_requests = 50;  // of the agents of one person, in one project

std::string_view who_may(const Remedy& remedy) {
  return remedy.actor_may ? std::string_view("you may do this") : std::string_view(remedy.who);
}

// The refusal as an error: the rule, its rows, and what to do, the caller's own ways first.
Error denial(const StoredDecision& stored) {
  const Decision& decision = stored.decision;
  Error error{.code = Errc::denied_by_policy, .message = decision.summary(), .phase = "policy"};
  for (const Violation& violation : decision.violations) {
    if (violation.state != ViolationState::blocks && violation.state != ViolationState::pending)
      continue;
    if (error.cause.empty()) error.cause = violation.rule;
    if (error.excerpt.size() < rows_in_error)
      error.excerpt.push_back(fmt::format("{}: {}", violation.rule, violation.message));
  }
  const auto tell = [&](const Remedy& remedy) {
    if (error.hint.empty()) error.hint = remedy.description;
    if (!remedy.command.empty())
      error.next.push_back(
          {remedy.command, fmt::format("{} ({})", remedy.description, who_may(remedy))});
  };
  for (const bool own : {true, false})
    for (const Remedy& remedy : decision.remedies)
      if (remedy.actor_may == own) tell(remedy);
  error.next.push_back({"slipway why " + stored.id.str(), "for everything about this decision"});
  error.decision = json::serialize(to_json(stored));
  return error;
}

// What a program reads: the same names at the same place as in what waits by itself.
void say_what_it_waits_for(const Ruling& ruling, Error& error) {
  auto decision = parse_json(error.decision);
  if (!decision || !decision->is_object()) return;
  decision->as_object()["waits_for"] = "approval";
  decision->as_object()["approval"] = ruling.approval;
  error.decision = json::serialize(*decision);
}

// How many files differ from what serves or was shown last, and the names of the first: enough to
// see whether they are what one expects. `slipway inspect` has all of them.
json::object files_shown(const Deployment& deployment) {
  const ManifestDiff& changed = deployment.changed;
  json::array names;
  const auto add = [&](const std::vector<std::string>& paths, std::string_view change) {
    for (const std::string& path : paths) {
      if (names.size() == files_named) return;
      names.push_back(json::object{{"path", path}, {"change", change}});
    }
  };
  // Those first that a rule or a reader looks for: what is gone is not hidden behind what came.
  add(changed.removed, "removed");
  add(changed.modified, "modified");
  add(changed.added, "added");
  const std::size_t all = changed.added.size() + changed.modified.size() + changed.removed.size();
  return {
      {"base", deployment.base.empty() ? json::value(nullptr) : json::value(deployment.base.str())},
      {"added", changed.added.size()},
      {"modified", changed.modified.size()},
      {"removed", changed.removed.size()},
      {"left_out", all - names.size()},
      {"names", std::move(names)}};
}

}  // namespace

Result<std::unique_ptr<GovernanceService>> GovernanceService::open(Parts parts) {
  std::unique_ptr<GovernanceService> service(new GovernanceService(std::move(parts)));
  Parts& p = service->parts_;
  SLIPWAY_TRY(std::optional<StoredPolicySet> stored, p.store.active_set());
  const bool first = !stored.has_value();
  if (first) {
    stored.emplace();
    stored->version = 1;
    stored->text = default_policy_text();
    stored->digest = sha256(stored->text);
    stored->created_at = p.clock.now();
    stored->author = system_actor("policy");
    stored->reason = "the set that ships with Slipway";
  }
  auto parsed = parse_policy_set(stored->text);
  if (!parsed) {
    // A set that was right once and is not for this Slipway must not open the doors.
    std::string why = parsed.error().empty() ? "" : to_string(parsed.error().front());
    return fail(Errc::failed_precondition,
                fmt::format("version {} of the policy cannot be read: {}", stored->version, why),
                "start the Slipway that activated it, or restore its database");
  }
  if (first) {
    stored->name = parsed->name;
    if (p.key) {
      SLIPWAY_TRY(stored->signature, p.key->sign(policy_statement(*stored)));
      stored->key = p.key->public_key();
    }
    SLIPWAY_CHECK(p.store.activate(by_system("policy"), *stored));
  } else if (!stored->signature.empty() &&
             !verify_signature(stored->key, policy_statement(*stored), stored->signature)) {
    return fail(
        Errc::corrupt,
        fmt::format("version {} of the policy does not match its signature", stored->version),
        "somebody changed it behind Slipway's back; restore the database from a backup");
  }
  service->activate(*std::move(parsed), *stored);
  return service;
}

void GovernanceService::activate(PolicySet set, const StoredPolicySet& stored) {
  set.version = stored.version;
  for (PolicyRule& rule : set.rules)
    if (among(stored.advisory, rule.id)) rule.enforce = Enforcement::advisory;
  auto next = std::make_shared<const PolicySet>(std::move(set));
  const MutexLock lock(mutex_);
  active_ = std::move(next);
}

std::shared_ptr<const PolicySet> GovernanceService::active() const {
  const MutexLock lock(mutex_);
  return active_;
}

Decision GovernanceService::judge(const PolicySet& set, const Facts& facts,
                                  const std::string& snapshot) {
  Decision decision = evaluate(set, facts, sha256(snapshot), *parts_.evaluator, parts_.clock);
  if (decision.verdict != Verdict::allow) find_remedies(decision, set, facts, *parts_.evaluator);
  if (parts_.second_opinion) ask_second_opinion(decision, facts, *parts_.second_opinion);
  return decision;
}

Ruling GovernanceService::ruling_of(const Asked& asked, Decision decision,
                                    std::string facts) const {
  Ruling ruling{.stored = {.id = DecisionId::random(),
                           .at = parts_.clock.now(),
                           .project = asked.project,
                           .environment = asked.environment,
                           .resource = asked.resource,
                           .actor = asked.by.actor,
                           .role = asked.by.role,
                           .decision = std::move(decision)},
                .facts = std::move(facts),
                .by = asked.by,
                .change = asked.change,
                .uses = {}};
  const Decision& made = ruling.stored.decision;
  ruling.by.decision = ruling.stored.id.str();
  ruling.by.policy_set = made.policy_digest.str();
  ruling.by.facts = made.facts_digest.str();
  for (const Violation& violation : made.violations)
    if (violation.state == ViolationState::waived || violation.state == ViolationState::broken) {
      ruling.by.waiver = violation.lifted_by;
      break;
    }
  return ruling;
}

Result<Ruling> GovernanceService::decide(const Asked& asked) {
  const std::shared_ptr<const PolicySet> set = active();
  SLIPWAY_TRY(const Facts facts,
              gather_facts(asked,
                           {parts_.settings, parts_.clock, parts_.store, parts_.repository,
                            parts_.names, parts_.approvers, parts_.standing, parts_.blobs},
                           *set));
  std::string snapshot = facts.canonical_json();
  Decision decision = judge(*set, facts, snapshot);
  Ruling ruling = ruling_of(asked, std::move(decision), std::move(snapshot));
  // Whatever is done during an emergency says so, also what no rule would have stopped.
  if (ruling.by.waiver.empty()) ruling.by.waiver = holding_break_glass(facts);
  if (const auto* count = std::get_if<std::int64_t>(&facts.first("request", "approvers")))
    ruling.approvers = *count;
  if (ruling.waits()) {
    ruling.about = asked.about;
    if (asked.deployment) ruling.about["files"] = files_shown(*asked.deployment);
  }
  const auto& violations = ruling.stored.decision.violations;
  const bool rests_on_people = std::ranges::find(violations, ViolationState::approved,
                                                 &Violation::state) != violations.end();
  if (ruling.allows() && rests_on_people && asked.approvals == Asked::Approvals::once) {
    SLIPWAY_TRY(const auto requests, approvals_for(asked, parts_.store));
    for (const ApprovalRequest& request : requests) ruling.uses.push_back(request.id);
  }
  return ruling;
}

Beside GovernanceService::keep(const Ruling& ruling) {
  return {.decision = &ruling.stored,
          .facts = ruling.facts,
          .decided_by = &ruling.by,
          .uses = ruling.uses};
}

Error GovernanceService::refuse(const Ruling& ruling) {
  if (Status kept = parts_.store.put_refusal(ruling.by, ruling.stored, ruling.facts); !kept)
    return kept.error();
  return denial(ruling.stored);
}

Status GovernanceService::check_open_requests(const Actor& actor,
                                              const std::string& project) const {
  if (actor.kind != "agent") return {};
  SLIPWAY_TRY(const auto open, parts_.store.approvals("open", project));
  const auto alike = std::ranges::count_if(open, [&](const ApprovalRequest& request) {
    return request.requester.kind == "agent" &&
           request.requester.on_behalf_of == actor.on_behalf_of;
  });
  if (alike < most_open_requests) return {};
  return fail(
      Errc::over_budget,
      fmt::format("{} requests of agents of {} wait for people already", alike, actor.on_behalf_of),
      "have some of them approved or rejected first: slipway approvals");
}

Result<std::optional<ApprovalRequest>> GovernanceService::new_request(const Asked& asked,
                                                                      Ruling& ruling) {
  if (asked.resource.empty()) return std::nullopt;
  // The same request passes once it is approved, so one open request for it is enough.
  SLIPWAY_TRY(const auto known, approvals_for(asked, parts_.store));
  const auto open = std::ranges::find(known, "open", &ApprovalRequest::state);
  if (open == known.end()) {
    SLIPWAY_CHECK(check_open_requests(asked.by.actor, asked.project));
    ApprovalRequest request = request_approval(ruling, asked.action);
    request.variables = asked.variables;
    ruling.approval = request.id.str();
    return request;
  }
  ruling.approval = open->id.str();
  name_approval(ruling.stored.decision, open->id.str());
  return std::nullopt;
}

// Whoever asks again for what was rejected is told so: nobody else tells them.
Status GovernanceService::tell_rejection(const Asked& asked, Error& error) const {
  if (asked.change.empty()) return {};
  SLIPWAY_TRY(const WaitingPage page,
              parts_.store.waiting({.kind = WaitingFilter::Kind::approvals,
                                    .state = "rejected",
                                    .project = asked.project,
                                    .limit = rejections_looked_at,
                                    .resource = asked.resource,
                                    .asker = asked.by.actor.kind + ":" + asked.by.actor.name}));
  const std::vector<ApprovalRequest>& rejected = page.approvals;
  const auto same = std::ranges::find_if(rejected, [&](const ApprovalRequest& request) {
    return request.resource == asked.resource && request.action == asked.action &&
           request.point == asked.point && request.change == asked.change;
  });
  if (same == rejected.end()) return {};
  const auto vote = std::ranges::find(same->votes, Vote::Choice::reject, &Vote::choice);
  if (vote == same->votes.end()) return {};
  error.excerpt.push_back(fmt::format("exactly this was {} ({}, {})", same->closed_reason,
                                      same->id.str(), to_rfc3339(vote->at)));
  SLIPWAY_TRY(json::value decision, parse_json(error.decision));
  decision.as_object()["rejected"] = json::object{{"approval", same->id.str()},
                                                  {"by", vote->actor.name},
                                                  {"reason", vote->reason},
                                                  {"at", to_rfc3339(vote->at)}};
  error.decision = json::serialize(decision);
  return {};
}

Result<AuditContext> GovernanceService::require(Asked asked, const ChangeDigest& change) {
  std::vector<Asked> one;
  one.push_back(std::move(asked));
  return require_all(std::move(one), change);
}

Result<AuditContext> GovernanceService::require_all(std::vector<Asked> asked,
                                                    const ChangeDigest& change) {
  std::vector<Ruling> rulings;
  for (Asked& each : asked) {
    each.change = change.str();
    SLIPWAY_TRY(Ruling ruling, decide(each));
    // A denial is the end of it, whatever the others say.
    if (!ruling.allows() && !ruling.waits()) return fail(refuse(ruling));
    rulings.push_back(std::move(ruling));
  }
  std::optional<Error> waits;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (!rulings[i].waits()) continue;
    SLIPWAY_TRY(const std::optional<ApprovalRequest> request, new_request(asked[i], rulings[i]));
    Error error = refuse(rulings[i]);
    if (error.code != Errc::denied_by_policy) return fail(std::move(error));
    if (!rulings[i].approval.empty()) say_what_it_waits_for(rulings[i], error);
    SLIPWAY_CHECK(tell_rejection(asked[i], error));
    if (request) {
      SLIPWAY_CHECK(parts_.store.add(asked[i].by, *request));
    }
    if (const auto id = ApprovalId::parse(rulings[i].approval)) {
      error.hint = fmt::format(
          "it waits for approval {}; once approved, ask for exactly this again", id->str());
      // Asked for again, it waits as it did: the way out is said again, too.
      SLIPWAY_TRY(const ApprovalRequest waiting, parts_.store.approval(*id));
      if (!waiting.next.empty()) {
        error.hint = "nobody here could approve it; " + error.hint;
        error.next.insert(error.next.begin(), waiting.next.begin(), waiting.next.end());
      }
    }
    if (!waits) waits = std::move(error);
  }
  if (waits) return fail(*std::move(waits));
  std::vector<Beside> kept;
  for (const Ruling& ruling : rulings) kept.push_back(keep(ruling));
  SLIPWAY_CHECK(parts_.store.keep(kept));
  return rulings.back().by;
}

Result<StoredDecision> GovernanceService::what_if(const Asked& asked,
                                                  const std::vector<std::string>& assumptions) {
  const std::shared_ptr<const PolicySet> set = active();
  SLIPWAY_TRY(Facts facts,
              gather_facts(asked,
                           {parts_.settings, parts_.clock, parts_.store, parts_.repository,
                            parts_.names, parts_.approvers, parts_.standing, parts_.blobs},
                           *set));
  for (const std::string& assumption : assumptions) SLIPWAY_CHECK(assume(facts, assumption));
  return ruling_of(asked, judge(*set, facts, facts.canonical_json()), {}).stored;
}

Result<StoredDecision> GovernanceService::what_if(const DecisionId& past,
                                                  const std::vector<std::string>& assumptions) {
  const std::shared_ptr<const PolicySet> set = active();
  SLIPWAY_TRY(Facts facts, parts_.store.facts_of(past));
  for (const std::string& assumption : assumptions) SLIPWAY_CHECK(assume(facts, assumption));
  Asked asked{.project = facts.text("request", "project"),
              .environment = facts.text("request", "environment")};
  asked.by.actor.kind = facts.text("request", "actor_kind");
  asked.by.actor.name = facts.text("request", "actor_name");
  asked.by.role = facts.text("request", "role");
  return ruling_of(asked, judge(*set, facts, facts.canonical_json()), {}).stored;
}

}  // namespace slipway
