#pragma once

// For tests: a governance service over a real database and the real rules' evaluator.

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "deploy/governance.h"
#include "deploy/testing/world.h"

namespace slipway::testing {

inline AuditContext human(const std::string& name, const std::string& role) {
  AuditContext by{.role = role};
  by.actor = {.kind = "human", .name = name, .chain = {"human:" + name}};
  return by;
}
inline AuditContext agent(const std::string& name, const std::string& behalf) {
  AuditContext by{.role = "admin"};
  by.actor = {.kind = "agent", .name = name, .on_behalf_of = behalf};
  return by;
}

inline constexpr std::string_view asking = R"(
[[rule]]
id = "no-bad-file"
on = ["build"]
enforce = "soft"
violations = "SELECT path AS subject FROM file WHERE path = 'bad.txt' AND change != 'removed'"
message = "{subject} must go"
[[rule.test]]
expect = "deny"
file = [{ path = "bad.txt", change = "added", kind = "source", bytes = 1 }]
[[rule.test]]
expect = "pass"
[[rule]]
id = "ask-two"
on = ["build"]
enforce = "soft"
violations = "SELECT 'change' AS subject, added FROM change WHERE added > 3"
message = "{added} new files"
approvals = { need = 2, roles = ["approver"], valid_for = "24h" }
[[rule.test]]
expect = "deny"
change = { added = 4 }
[[rule.test]]
expect = "pass"
change = { added = 3 }
)";

inline void add_rules(World& w) {
  const std::string text = std::string(default_policy_text()) + std::string(asking);
  GovernanceKey key = GovernanceKey::open(w.directory.path() / "governance.key").value();
  // As an admin's change of a server that signs would be.
  const auto set = parse_policy_set(text);
  ASSERT_TRUE(set.has_value());
  StoredPolicySet stored{.version = 2, .name = set->name, .text = text, .digest = set->digest};
  stored.signature = key.sign(policy_statement(stored)).value();
  stored.key = key.public_key();
  ASSERT_TRUE(w.stores.governance->activate(human("root", "admin"), stored).has_value());
}

// A world whose governance was opened on the rules above.
struct Governed {
  World w;
  std::vector<std::string> people{"bob", "eve"};
  std::map<std::string, std::string>
      roles;  // of those who are something else by now; "": they left
  std::unique_ptr<GovernanceService> governance;
  Governed() {
    add_rules(w);
    governance = GovernanceService::open(
                     {.settings = w.settings,
                      .clock = w.clock,
                      .store = *w.stores.governance,
                      .repository = *w.repository,
                      .names = w.names,
                      .evaluator = make_sql_rule_evaluator(),
                      .approvers = [this](const std::string&) { return people; },
                      .standing = [this](const Actor& actor, const std::string&,
                                         const std::string& then) -> Result<std::string> {
                        const auto now = roles.find(actor.name);
                        if (now == roles.end() || now->second == then) return then;
                        return fail(Errc::permission_denied, "not any more");
                      }})
                     .value();
  }
  Deployment deployment(std::vector<std::string> added) const {
    Deployment d;
    d.id = DeploymentId::random();
    d.project = "shop";
    d.alias = "preview";
    d.actor = human("ann", "deployer").actor;
    d.created_at = w.clock.now();
    d.changed.added = std::move(added);
    return d;
  }
  Ruling decide(const Deployment& d, const AuditContext& by) const {
    return governance->decide(asked_about(by, DecisionPoint::build, "deploy", d)).value();
  }
  ApprovalRequest ask(Ruling ruling) {
    const ApprovalRequest request = governance->request_approval(ruling, "deploy");
    EXPECT_TRUE(governance->store().add(ruling.by, request).has_value());
    return request;
  }
};

}  // namespace slipway::testing
