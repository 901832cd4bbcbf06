// What people do to let something pass: approvals, waivers, emergencies.
#include "base/log.h"
#include "base/text.h"
#include "deploy/governance.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

constexpr Duration longest_waiver = std::chrono::days{30};
constexpr Duration emergency_life = 60min;
constexpr std::size_t longest_reason = 1024;

// Separation of duty: whatever a token may do, these are people's decisions.
Status only_people(const AuditContext& by, std::string_view what) {
  if (by.actor.kind == "human") return {};
  return fail(
      Errc::permission_denied,
      fmt::format("{} does not {}: that takes a person",
                  by.actor.kind == "agent" ? "an agent" : "the system", what),
      by.actor.on_behalf_of.empty()
          ? std::string("ask somebody with the role approver")
          : fmt::format("ask {}, or somebody with the role approver", by.actor.on_behalf_of));
}

// The person behind an actor: an agent's is the human it acts for, whatever it is called itself.
const std::string& person_of(const Actor& actor) {
  return actor.kind == "agent" ? actor.on_behalf_of : actor.name;
}
bool same_person(const Actor& a, const Actor& b) {
  return !person_of(a).empty() && person_of(a) == person_of(b);
}

Status check_reason(std::string_view reason) {
  if (trim(reason).empty())
    return fail(Errc::invalid_argument, "it takes a reason", "say why: --reason TEXT");
  if (reason.size() > longest_reason)
    return fail(Errc::too_large, fmt::format("the reason is longer than {} bytes", longest_reason));
  return {};
}

Status check_open(std::string_view noun, std::string_view id, std::string_view state,
                  std::string_view wanted, std::string_view why = {}) {
  if (state == wanted) return {};
  return fail(Errc::failed_precondition, fmt::format("{} {} is {}{}", noun, id, state,
                                                     why.empty() ? "" : fmt::format(": {}", why)));
}

// What to do when nobody could approve: a person does what an agent asked for; or there is
// somebody.
std::vector<NextStep> ways_out(const ApprovalRequest& request, const std::string& team) {
  std::vector<NextStep> out;
  const std::string about = request.resource.substr(request.resource.find('/') + 1);
  const std::string_view action = request.action;
  std::string command;
  if (action.starts_with("promote") && request.resource.starts_with("deployment/")) {
    command = "slipway promote " + about;
    if (constexpr std::string_view to = "promote to "; action.starts_with(to))
      command += fmt::format(" --to {}", action.substr(to.size()));
  } else if (action == "deploy") {
    command = "slipway redeploy " + about;
  } else if (action == "remove") {
    command = "slipway rm " + about;
  } else if (action == "env_write" && request.resource.starts_with("configuration/")) {
    command = fmt::format("slipway env set NAME=VALUE --project {} --env {}", request.project,
                          request.environment);
  }
  if (request.requester.kind == "agent" && !command.empty())
    out.push_back({command, "yourself, as a human"});
  // The least that each of the rules that wait accepts.
  const bool admins_alone = std::ranges::any_of(request.needs, [](const ApprovalNeed& need) {
    return need.have < need.need && !among(need.roles, "approver");
  });
  out.push_back(
      {fmt::format("slipway team add {} NAME --role {}", team, admins_alone ? "admin" : "approver"),
       "so that there is somebody who can approve it"});
  return out;
}

// Whether too few people have a role that a rule wants, whoever they are.
bool nobody_could(const ApprovalRequest& request, const std::string& team,
                  const std::vector<std::string>& people, const Standing& standing) {
  return std::ranges::any_of(request.needs, [&](const ApprovalNeed& need) {
    const auto counts = std::ranges::count_if(people, [&](const std::string& name) {
      const Actor& asked = request.requester;
      if (name == asked.on_behalf_of || (asked.kind != "agent" && name == asked.name)) return false;
      if (!need.people.empty() && !among(need.people, name)) return false;
      const Actor person{.kind = "human", .name = name};
      return std::ranges::any_of(need.roles, [&](const std::string& role) {
        const auto now = standing(person, team, role);
        return now && among(need.roles, *now);
      });
    });
    return counts < need.need - need.have;
  });
}

// From still_agrees(). That it could not be looked up ends nothing.
Result<bool> has_left(const Status& agrees) {
  if (agrees) return false;
  if (agrees.error().code == Errc::failed_precondition) return true;
  return fail(agrees.error());
}

// Whose approval would count.
std::string who(const ApprovalRequest& request) {
  const ApprovalNeed& need = request.needs.front();
  return need.people.empty()
             ? join(need.roles, " or ")
             : fmt::format("{} ({})", join(need.people, " or "), join(need.roles, " or "));
}

}  // namespace

std::string waiting_reason(const ApprovalId& id) { return "waiting for approval " + id.str(); }

ApprovalRequest GovernanceService::request_approval(Ruling& ruling, std::string_view action) const {
  const StoredDecision& stored = ruling.stored;
  ApprovalRequest request{.id = ApprovalId::random(),
                          .action = std::string(action),
                          .resource = stored.resource,
                          .project = stored.project,
                          .environment = stored.environment,
                          .point = stored.decision.point,
                          .decision = stored.id,
                          .requester = stored.actor,
                          .role = stored.role,
                          .change = ruling.change,
                          .request_id = ruling.by.request_id,
                          .source_address = ruling.by.source_address,
                          .created_at = stored.at,
                          .expires_at = stored.at + parts_.settings.policy.approval_timeout,
                          .about = ruling.about};
  for (const ApprovalNeed& need : stored.decision.approvals)
    if (need.have < need.need) request.needs.push_back(need);
  request.approvers = ruling.approvers;
  const std::string team = parts_.repository.team_of(request.project).value_or("default");
  if (request.approvers == 0 ||
      (parts_.approvers && parts_.standing &&
       nobody_could(request, team, parts_.approvers(team), parts_.standing)))
    request.next = ways_out(request, team);
  name_approval(ruling.stored.decision, request.id.str());
  return request;
}

Result<AuditContext> GovernanceService::requester_of(const ApprovalRequest& request) {
  AuditContext by{.actor = request.requester,
                  .request_id = request.request_id,
                  .source_address = request.source_address,
                  .role = request.role};
  if (by.role.empty()) {  // recorded by an older Slipway
    SLIPWAY_TRY(by.role, parts_.store.role_about(request.resource));
  }
  SLIPWAY_TRY(const std::string team, parts_.repository.team_of(request.project));
  SLIPWAY_TRY(by.role, role_now(request.requester, team, by.role));
  return by;
}

Result<std::string> GovernanceService::role_now(const Actor& actor, const std::string& team,
                                                const std::string& then) const {
  if (!parts_.standing || actor.kind == "system") return then;
  return parts_.standing(actor, team, then);
}

Result<ApprovalRequest> GovernanceService::vote(const AuditContext& by, const ApprovalId& id,
                                                Vote::Choice choice, std::string reason) {
  const bool approves = choice == Vote::Choice::approve;
  SLIPWAY_CHECK(only_people(by, approves ? "approve" : "reject"));
  if (reason.size() > longest_reason)
    return fail(Errc::too_large, fmt::format("the reason is longer than {} bytes", longest_reason));
  const Timestamp now = parts_.clock.now();
  if (approves) SLIPWAY_CHECK(check_requester(id));
  SLIPWAY_TRY(
      const ApprovalRequest request,
      parts_.store.change(
          by, id, approves ? "approval.given" : "approval.rejected",
          [&](ApprovalRequest& change) -> Status {
            SLIPWAY_CHECK(
                check_open("approval", id.str(), change.state, "open", change.closed_reason));
            if (change.expires_at <= now)
              return fail(Errc::failed_precondition, "approval " + id.str() + " has expired");
            if (approves && same_person(by.actor, change.requester))
              return fail(Errc::permission_denied, "the author of a change does not approve it",
                          "ask somebody else");
            const bool counts = std::ranges::any_of(change.needs, [&](const ApprovalNeed& need) {
              return among(need.roles, by.role) &&
                     (need.people.empty() || among(need.people, by.actor.name));
            });
            if (!counts)
              return fail(Errc::permission_denied,
                          fmt::format("your approval would not count: you are {}", by.role),
                          change.needs.empty() ? std::string() : "it takes " + who(change));
            const bool again = std::ranges::any_of(change.votes, [&](const Vote& vote) {
              return vote.actor.name == by.actor.name && vote.choice == Vote::Choice::approve;
            });
            if (approves && again)
              return fail(Errc::failed_precondition, "you have approved it already");
            change.votes.push_back({.choice = choice,
                                    .actor = by.actor,
                                    .role = by.role,
                                    .at = now,
                                    .reason = reason});
            for (ApprovalNeed& need : change.needs)
              if (approves && among(need.roles, by.role) &&
                  (need.people.empty() || among(need.people, by.actor.name))) {
                ++need.have;
                need.given_by.push_back(by.actor.name);
              }
            if (!approves) {
              change.state = "rejected";
              change.closed_at = now;
              change.closed_reason = reason.empty()
                                         ? "rejected by " + by.actor.name
                                         : fmt::format("rejected by {}: {}", by.actor.name, reason);
            }
            return {};
          }));
  // The vote stands, whatever becomes of what waited for it.
  if (Status went_on = reconsider(request); !went_on)
    log_warn("what waited for an approval did not go on",
             {{"approval", id.str()}, {"error", went_on.error().message}});
  return parts_.store.approval(id);
}

// What somebody asked for who may no longer ends before anybody agrees to it.
Status GovernanceService::check_requester(const ApprovalId& id) {
  SLIPWAY_TRY(const ApprovalRequest request, parts_.store.approval(id));
  if (request.state != "open") return {};
  const auto requester = requester_of(request);
  if (requester || requester.error().code != Errc::permission_denied) return {};
  const std::string& reason = requester.error().message;
  SLIPWAY_CHECK(close(by_system("policy"), id, "withdrawn", reason));
  SLIPWAY_TRY(const ApprovalRequest closed, parts_.store.approval(id));
  SLIPWAY_CHECK(reconsider(closed));
  return fail(Errc::failed_precondition,
              fmt::format("approval {} is withdrawn: {}", id.str(), reason),
              "somebody else asks for it again");
}

Status GovernanceService::reconsider(const ApprovalRequest& request) {
  const std::string_view action = request.action;
  const auto handler = reconsider_.find(action.substr(0, action.find(' ')));
  if (handler != reconsider_.end()) return handler->second(request);
  SLIPWAY_TRY(const bool complete, is_complete(request));
  if (request.state != "open" || !complete) return {};
  return close(by_system("policy"), request.id, "approved", "enough people agreed");
}

Result<bool> GovernanceService::is_complete(const ApprovalRequest& request) const {
  SLIPWAY_TRY(const std::string team, parts_.repository.team_of(request.project));
  return std::ranges::all_of(request.needs, [&](const ApprovalNeed& need) {
    return std::ranges::count_if(request.votes, [&](const Vote& vote) {
             const auto role = counted_role(parts_.standing, vote.actor, team, vote.role);
             return vote.choice == Vote::Choice::approve && role && among(need.roles, *role) &&
                    (need.people.empty() || among(need.people, vote.actor.name));
           }) >= need.need;
  });
}

Status GovernanceService::still_agrees(const Actor& actor, const std::string& project) const {
  SLIPWAY_TRY(const std::string team, parts_.repository.team_of(project));
  if (counted_role(parts_.standing, actor, team, "approver")) return {};
  return fail(Errc::failed_precondition,
              fmt::format("{}, who asked for it, may no longer: it ends by itself", actor.name),
              "somebody else asks for it again");
}

Status GovernanceService::close(const AuditContext& by, const ApprovalId& id,
                                std::string_view state, std::string reason) {
  SLIPWAY_TRY([[maybe_unused]] const ApprovalRequest closed,
              parts_.store.change(by, id, fmt::format("approval.{}", state),
                                  [&](ApprovalRequest& change) -> Status {
                                    SLIPWAY_CHECK(check_open("approval", id.str(), change.state,
                                                             "open", change.closed_reason));
                                    change.state = state;
                                    change.closed_at = parts_.clock.now();
                                    change.closed_reason = reason;
                                    return {};
                                  }));
  return {};
}

void GovernanceService::withdraw_others(std::string_view resource, std::string_view action,
                                        const std::string& reason) {
  const auto requests = parts_.store.approvals_of(resource);
  if (!requests)
    return log_warn("what waits was not looked at", {{"error", requests.error().message}});
  for (const ApprovalRequest& each : *requests) {
    if (each.state != "open" || each.action != action) continue;
    if (Status closed = close(by_system("policy"), each.id, "withdrawn", reason); !closed)
      log_warn("what cannot be done any more still waits",
               {{"approval", each.id.str()}, {"error", closed.error().message}});
  }
}

Result<Waiver> GovernanceService::ask_waiver(const AuditContext& by, Waiver wanted, Duration life) {
  SLIPWAY_CHECK(only_people(by, "waive"));
  SLIPWAY_CHECK(check_reason(wanted.reason));
  if (life <= Duration::zero() || life > longest_waiver)
    return fail(Errc::invalid_argument, "a waiver lasts 30 days at the most", "such as --for 7d");
  if (wanted.project.empty())
    return fail(Errc::invalid_argument, "a waiver is for one project", "say which: --project NAME");
  const std::shared_ptr<const PolicySet> set = active();
  const auto rule = std::ranges::find(set->rules, wanted.rule, &PolicyRule::id);
  if (rule == set->rules.end())
    return fail(Errc::not_found, fmt::format("no rule is called '{}'", sanitize_line(wanted.rule)),
                "see `slipway policy show`");
  if (rule->enforce == Enforcement::hard)
    return fail(Errc::failed_precondition,
                fmt::format("rule {} is hard: it cannot be waived", rule->id),
                "only a change of the policy lifts it: slipway policy set FILE");
  wanted.id = WaiverId::random();
  wanted.state = "requested";
  wanted.author = by.actor;
  wanted.approver.reset();
  wanted.created_at = parts_.clock.now();
  wanted.expires_at = wanted.created_at + life;
  SLIPWAY_CHECK(parts_.store.add(by, wanted));
  return wanted;
}

Result<Waiver> GovernanceService::answer_waiver(const AuditContext& by, const WaiverId& id,
                                                Vote::Choice choice) {
  const bool approves = choice == Vote::Choice::approve;
  SLIPWAY_CHECK(only_people(by, approves ? "approve a waiver" : "reject a waiver"));
  return parts_.store.change(
      by, id, approves ? "waiver.approved" : "waiver.rejected", [&](Waiver& change) -> Status {
        SLIPWAY_CHECK(check_open("waiver", id.str(), change.state, "requested"));
        if (change.expires_at <= parts_.clock.now())
          return fail(Errc::failed_precondition, "waiver " + id.str() + " has expired");
        if (approves && same_person(by.actor, change.author))
          return fail(Errc::permission_denied, "whoever asks for a waiver does not approve it",
                      "ask somebody else");
        if (approves) SLIPWAY_CHECK(still_agrees(change.author, change.project));
        if (by.role != "approver" && by.role != "admin")
          return fail(Errc::permission_denied, "it takes the role approver or admin");
        change.state = approves ? "active" : "rejected";
        if (approves)
          change.approver = by.actor;
        else
          change.closed_at = parts_.clock.now();
        return {};
      });
}

Result<Waiver> GovernanceService::revoke_waiver(const AuditContext& by, const WaiverId& id) {
  SLIPWAY_CHECK(only_people(by, "revoke a waiver"));
  return parts_.store.change(by, id, "waiver.revoked", [&](Waiver& change) -> Status {
    if (change.state != "active" && change.state != "requested")
      return fail(Errc::failed_precondition,
                  fmt::format("waiver {} is {}", id.str(), change.state));
    change.state = "revoked";
    change.closed_at = parts_.clock.now();
    return {};
  });
}

Result<BreakGlass> GovernanceService::declare(const AuditContext& by, std::string project,
                                              std::string reason) {
  SLIPWAY_CHECK(only_people(by, "break the glass"));
  SLIPWAY_CHECK(check_reason(reason));
  if (project.empty())
    return fail(Errc::invalid_argument, "an emergency is one project's",
                "say which: --project NAME");
  const Timestamp now = parts_.clock.now();
  BreakGlass emergency{.id = BreakGlassId::random(),
                       .project = std::move(project),
                       .reason = std::move(reason),
                       .first = by.actor,
                       .created_at = now,
                       .expires_at = now + emergency_life};
  SLIPWAY_CHECK(parts_.store.add(by, emergency));
  log_warn("break-glass was asked for",
           {{"id", emergency.id.str()}, {"project", emergency.project}, {"by", by.actor.name}});
  return emergency;
}

Result<BreakGlass> GovernanceService::answer_emergency(const AuditContext& by,
                                                       const BreakGlassId& id,
                                                       Vote::Choice choice) {
  const bool approves = choice == Vote::Choice::approve;
  SLIPWAY_CHECK(only_people(by, approves ? "break the glass" : "reject an emergency"));
  SLIPWAY_TRY(const BreakGlass emergency,
              parts_.store.change(
                  by, id, approves ? "break_glass.started" : "break_glass.rejected",
                  [&](BreakGlass& change) -> Status {
                    SLIPWAY_CHECK(check_open("emergency", id.str(), change.state, "requested"));
                    const Timestamp now = parts_.clock.now();
                    if (change.expires_at <= now)
                      return fail(Errc::failed_precondition,
                                  "emergency " + id.str() + " has expired");
                    if (approves && same_person(by.actor, change.first))
                      return fail(Errc::permission_denied, "breaking the glass takes two people",
                                  "ask somebody else to confirm it");
                    if (approves) SLIPWAY_CHECK(still_agrees(change.first, change.project));
                    if (by.role != "approver" && by.role != "admin")
                      return fail(Errc::permission_denied, "it takes the role approver or admin");
                    change.state = approves ? "active" : "rejected";
                    change.second = by.actor;
                    if (approves) {
                      change.started_at = now;
                      change.expires_at = now + emergency_life;
                    } else {
                      change.closed_at = now;
                    }
                    return {};
                  }));
  if (approves)
    log_warn("the glass is broken: everything passes for people for an hour",
             {{"id", id.str()}, {"project", emergency.project}});
  return emergency;
}

Result<BreakGlass> GovernanceService::end_emergency(const AuditContext& by,
                                                    const BreakGlassId& id) {
  SLIPWAY_CHECK(only_people(by, "end an emergency"));
  return parts_.store.change(by, id, "break_glass.ended", [&](BreakGlass& change) -> Status {
    if (change.state != "active" && change.state != "requested")
      return fail(Errc::failed_precondition,
                  fmt::format("emergency {} is {}", id.str(), change.state));
    change.state = "ended";
    change.closed_at = parts_.clock.now();
    return {};
  });
}

Status GovernanceService::tick() {
  const Timestamp now = parts_.clock.now();
  const AuditContext by = by_system("policy");
  SLIPWAY_TRY(const auto open, parts_.store.approvals("open", ""));
  for (const ApprovalRequest& request : open) {
    const auto requester = requester_of(request);
    const bool gone = !requester && requester.error().code == Errc::permission_denied;
    if (request.expires_at > now && !gone) continue;
    SLIPWAY_CHECK(close(by, request.id, gone ? "withdrawn" : "expired",
                        gone ? requester.error().message : "nobody approved it in time"));
    SLIPWAY_TRY(const ApprovalRequest closed, parts_.store.approval(request.id));
    SLIPWAY_CHECK(reconsider(closed));
  }
  SLIPWAY_CHECK(end_waivers(by, now));
  SLIPWAY_CHECK(end_emergencies(by, now));
  return parts_.store.prune(parts_.settings.policy.keep_decisions);
}

// Those that are over, or whose giver left.
Status GovernanceService::end_waivers(const AuditContext& by, Timestamp now) {
  for (const std::string_view state : {"active", "requested"}) {
    SLIPWAY_TRY(const auto waivers, parts_.store.waivers(state, ""));
    for (const Waiver& waiver : waivers) {
      const bool expired = waiver.expires_at <= now;
      SLIPWAY_TRY(const bool left,
                  has_left(still_agrees(waiver.approver.value_or(waiver.author), waiver.project)));
      if (!expired && !left) continue;
      const std::string ends_as = expired ? "expired" : "revoked";
      SLIPWAY_TRY([[maybe_unused]] const Waiver ended,
                  parts_.store.change(by, waiver.id, "waiver." + ends_as, [&](Waiver& change) {
                    change.state = ends_as;
                    change.closed_at = now;
                    return Status();
                  }));
    }
  }
  return {};
}

// Those that are over, or one of whose people left.
Status GovernanceService::end_emergencies(const AuditContext& by, Timestamp now) {
  for (const std::string_view state : {"active", "requested"}) {
    SLIPWAY_TRY(const auto emergencies, parts_.store.emergencies(state, ""));
    for (const BreakGlass& each : emergencies) {
      const bool expired = each.expires_at <= now;
      SLIPWAY_TRY(bool left, has_left(still_agrees(each.first, each.project)));
      if (!left && each.second) {
        SLIPWAY_TRY(left, has_left(still_agrees(*each.second, each.project)));
      }
      if (!expired && !left) continue;
      const std::string ends_as = expired ? "expired" : "ended";
      SLIPWAY_TRY(
          [[maybe_unused]] const BreakGlass ended,
          parts_.store.change(by, each.id, "break_glass." + ends_as, [&](BreakGlass& change) {
            change.state = ends_as;
            change.closed_at = now;
            return Status();
          }));
    }
  }
  return {};
}

}  // namespace slipway
