#pragma once

// For tests: what the governance of a server should say, in a few plain values and without a look
// at how the server does it. Written from docs/identity.md, docs/policy.md and docs/governance.md.

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "identity/permission.h"

namespace slipway::testing {

enum class Said {
  ok,
  waits,       // until people agree
  denied,      // by a rule
  refused,     // this token may not
  unknown,     // no such token, or no more
  impossible,  // not as things are
};

struct Person {
  std::string team, name;
  auto operator<=>(const Person&) const = default;
  [[nodiscard]] std::string called() const { return team == "default" ? name : team + "/" + name; }
};

// Roles as docs/identity.md has them, by hand.
inline bool role_has(const std::string& role, Permission permission) {
  using enum Permission;
  static const std::set<Permission> viewer{read,       env_read,     policy_read,
                                           audit_read, token_create, token_revoke};
  static const std::set<Permission> deployer{deploy,   remove,    promote,
                                             rollback, env_write, secret_write};
  static const std::set<Permission> approver{approve, waive, rollback, kill_agent, break_glass};
  if (role == "admin" || viewer.contains(permission)) return true;
  return (role == "deployer" && deployer.contains(permission)) ||
         (role == "approver" && approver.contains(permission));
}
inline bool for_people_alone(Permission permission) {
  using enum Permission;
  static const std::set<Permission> never{approve,      waive,       policy_write,
                                          budget_write, break_glass, team_manage};
  return never.contains(permission);
}

struct Narrowing {
  std::string agent, project;  // "": none
  bool previews_only = false;
  std::optional<PermissionSet> actions;
};

struct ModelToken {
  std::string text;
  std::vector<std::string> ids;  // the member's own first
  Person of;
  std::vector<Narrowing> narrowings;
  std::optional<Timestamp> expires;

  [[nodiscard]] std::vector<std::string> agents() const {
    std::vector<std::string> out;
    for (const Narrowing& each : narrowings)
      if (!each.agent.empty()) out.push_back(Person{of.team, each.agent}.called());
    return out;
  }
  [[nodiscard]] bool is_agent() const { return !agents().empty(); }
};

struct ModelActor {
  std::string name, behalf;         // behalf: the human behind an agent
  std::vector<std::string> agents;  // each on the way
  std::string role;                 // then
  std::vector<std::string> tokens;  // an agent's, root first
  [[nodiscard]] bool is_agent() const { return !behalf.empty(); }
  [[nodiscard]] const std::string& person() const { return is_agent() ? behalf : name; }
  [[nodiscard]] bool is(const ModelActor& other) const {
    return name == other.name && behalf == other.behalf;
  }
};

struct ModelVote {
  std::string by, role;
};
// Somebody's wish that waits, or waited, for people.
struct ModelRequest {
  std::string id, action, project, environment, change, resource, point;
  ModelActor by;
  std::vector<std::string> rules;
  std::vector<ModelVote> votes;
  std::string state = "open";
  bool used = false;
};
struct ModelWaiver {
  std::string id, rule, project, author, approver, state = "requested";
};
struct ModelEmergency {
  std::string id, project, first, second, state = "requested";
  Timestamp until{};
};

// What a rule of the test's policy found in something.
struct Finding {
  std::string rule;
  bool soft = false, asks = false;
};

class GovernanceModel {
 public:
  std::map<Person, std::string> members;
  std::set<std::string> revoked, killed;
  std::map<std::string, std::string> team_of{{"shop", "default"}, {"site", "makers"}};
  std::vector<ModelRequest> requests;
  std::vector<ModelWaiver> waivers;
  std::vector<ModelEmergency> emergencies;
  Timestamp now{};

  [[nodiscard]] bool works(const ModelToken& token) const {
    const auto agents = token.agents();
    return members.contains(token.of) &&
           std::ranges::none_of(token.ids, [&](auto& id) { return revoked.contains(id); }) &&
           std::ranges::none_of(agents, [&](auto& name) { return killed.contains(name); }) &&
           (!token.expires || now < *token.expires);
  }
  [[nodiscard]] bool has(const ModelToken& token, Permission permission) const {
    if (!role_has(members.at(token.of), permission)) return false;
    if (token.is_agent() && for_people_alone(permission)) return false;
    if (permission == Permission::team_manage && !token.narrowings.empty()) return false;
    return std::ranges::all_of(token.narrowings, [&](const Narrowing& each) {
      return !each.actions || each.actions->contains(permission);
    });
  }
  [[nodiscard]] static bool is_partial(const ModelToken& token) {
    return std::ranges::any_of(token.narrowings, [](const Narrowing& each) {
      return !each.project.empty() || each.previews_only;
    });
  }
  // environment "*": all of them; "": none in particular. project "": the server.
  [[nodiscard]] bool may(const ModelToken& token, Permission permission, const std::string& project,
                         const std::string& environment) const {
    if (!has(token, permission)) return false;
    if (project.empty()) return token.of.team == "default" && !is_partial(token);
    for (const Narrowing& each : token.narrowings) {
      if (!each.project.empty() && each.project != project) return false;
      if (each.previews_only && !environment.empty() && environment != "preview") return false;
    }
    return token.of.team == "default" || team_of.at(project) == token.of.team;
  }
  [[nodiscard]] ModelActor actor(const ModelToken& token) const {
    ModelActor out{.name = token.of.called(),
                   .behalf = {},
                   .agents = token.agents(),
                   .role = members.at(token.of)};
    if (token.is_agent()) {
      out.behalf = out.name;
      out.name = out.agents.back();
      out.tokens = token.ids;
    }
    return out;
  }
  // Whether whoever asked may still ask.
  [[nodiscard]] bool stands(const ModelActor& who) const {
    for (const std::string& agent : who.agents)
      if (killed.contains(agent)) return false;
    for (const std::string& token : who.tokens)
      if (revoked.contains(token)) return false;
    for (const auto& [person, role] : members)
      if (person.called() == who.person()) return has_all(role, who.role);
    return false;
  }
  // Whether what `asked` waits for ends because `by` asks for something else in its place.
  [[nodiscard]] static bool may_replace(const ModelActor& by, const ModelActor& asked) {
    return by.is(asked) || (!by.is_agent() && has_all(by.role, asked.role));
  }
  [[nodiscard]] static bool has_all(const std::string& now, const std::string& then) {
    for (const Permission each : all_permissions)
      if (role_has(then, each) && !role_has(now, each)) return false;
    return true;
  }

  // Whether what a person agreed to counts: while they are one who agrees to such things.
  [[nodiscard]] bool agrees(const std::string& person, Permission permission) const {
    return std::ranges::any_of(members, [&](const auto& each) {
      return each.first.called() == person && role_has(each.second, permission);
    });
  }
  [[nodiscard]] bool counts(const ModelRequest& request, const ModelVote& vote) const {
    return agrees(vote.by,
                  request.action == "policy" ? Permission::policy_write : Permission::approve);
  }
  // Whether people agreed to what a rule asks them; `same` finds the requests for it.
  template <class Same>
  [[nodiscard]] bool agreed(const std::string& rule, const ModelActor& by, const ModelActor* author,
                            Same same) const {
    return std::ranges::any_of(requests, [&](const ModelRequest& one) {
      return !one.used && (one.state == "open" || one.state == "approved") && same(one) &&
             std::ranges::find(one.rules, rule) != one.rules.end() &&
             std::ranges::any_of(one.votes, [&](const ModelVote& vote) {
               // An agent may be called as somebody is.
               return counts(one, vote) && vote.by != by.person() &&
                      (!author || vote.by != author->person());
             });
    });
  }
  template <class Same>
  [[nodiscard]] Said verdict(const std::vector<Finding>& findings, const std::string& project,
                             const ModelActor& by, const ModelActor* author, Same same) const {
    bool denies = false, waits = false;
    for (const Finding& each : findings) {
      if (each.asks && agreed(each.rule, by, author, same)) continue;
      if (each.soft && is_waived(each.rule, project)) continue;
      if (!by.is_agent() && glass_is_broken(project)) continue;
      (each.asks ? waits : denies) = true;
    }
    return denies ? Said::denied : waits ? Said::waits : Said::ok;
  }
  [[nodiscard]] bool is_waived(const std::string& rule, const std::string& project) const {
    return std::ranges::any_of(waivers, [&](const ModelWaiver& each) {
      return each.state == "active" && each.rule == rule && each.project == project &&
             agrees(each.approver, Permission::waive);
    });
  }
  [[nodiscard]] bool glass_is_broken(const std::string& project) const {
    return std::ranges::any_of(emergencies, [&](const ModelEmergency& each) {
      return each.state == "active" && each.project == project && now < each.until &&
             agrees(each.first, Permission::break_glass) &&
             agrees(each.second, Permission::break_glass);
    });
  }
};

}  // namespace slipway::testing
