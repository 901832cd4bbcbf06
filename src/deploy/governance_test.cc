// Decisions, approvals, waivers and emergencies over a real database and the real rules' evaluator.
#include "deploy/governance.h"

#include <gtest/gtest.h>

#include <map>

#include "deploy/testing/world.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;
using testing::Files;
using testing::World;

AuditContext human(const std::string& name, const std::string& role) {
  AuditContext by{.role = role};
  by.actor = {.kind = "human", .name = name, .chain = {"human:" + name}};
  return by;
}
AuditContext agent(const std::string& name, const std::string& behalf) {
  AuditContext by{.role = "admin"};
  by.actor = {.kind = "agent", .name = name, .on_behalf_of = behalf};
  return by;
}

constexpr std::string_view asking = R"(
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

void add_rules(World& w) {
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

TEST(Deciding, IsKeptWithItsFactsInTheTransactionOfWhatItAllows) {
  World w;
  const Deployment made = w.deploy("shop", {{"index.html", "x"}});
  const DecisionPage page = w.stores.governance->decisions({}).value();
  ASSERT_EQ(page.decisions.size(), 2u);  // build and preview
  for (const json::object& decision : page.decisions) {
    EXPECT_EQ(decision.at("verdict").as_string(), "allow");
    EXPECT_EQ(decision.at("resource").as_string(), "deployment/" + made.id.str());
    const auto id = DecisionId::parse(decision.at("id").as_string());
    const Facts facts = w.stores.governance->facts_of(*id).value();
    EXPECT_EQ(facts.digest().str(), decision.at("facts").as_string());
    EXPECT_EQ(facts.text("deployment", "id"), made.id.str());
  }
}

TEST(Deciding, ARefusalIsAnErrorWithTheDecisionAsData) {
  Governed g;
  const Deployment d = g.deployment({"bad.txt"});
  const Ruling ruling = g.decide(d, human("ann", "deployer"));
  ASSERT_FALSE(ruling.allows());
  const Error error = g.governance->refuse(ruling);
  EXPECT_EQ(error.code, Errc::denied_by_policy);
  EXPECT_EQ(error.cause, "no-bad-file");
  EXPECT_EQ(error.excerpt.at(0), "no-bad-file: bad.txt must go");
  EXPECT_TRUE(parse_json(error.decision).has_value());
  EXPECT_TRUE(g.governance->store().decision(ruling.stored.id).has_value());
}

TEST(Approving, TakesTwoPeopleWithTheRoleNeitherTheAuthorNorAnAgent) {
  Governed g;
  const Deployment d = g.deployment({"a", "b", "c", "d"});
  const Ruling ruling = g.decide(d, human("ann", "approver"));
  ASSERT_TRUE(ruling.waits());
  const ApprovalRequest request = g.ask(ruling);
  const auto vote = [&](const AuditContext& by) {
    return g.governance->vote(by, request.id, Vote::Choice::approve, "");
  };
  EXPECT_EQ(vote(human("ann", "approver")).error().code, Errc::permission_denied);
  EXPECT_EQ(vote(agent("bot", "eve")).error().code, Errc::permission_denied);
  EXPECT_EQ(vote(human("max", "deployer")).error().code, Errc::permission_denied);
  EXPECT_TRUE(vote(human("bob", "approver")).has_value());
  EXPECT_EQ(vote(human("bob", "approver")).error().code, Errc::failed_precondition);
  EXPECT_TRUE(g.decide(d, human("ann", "approver")).waits());
  EXPECT_TRUE(vote(human("eve", "approver")).has_value());
  EXPECT_TRUE(g.decide(d, human("ann", "approver")).allows());
  EXPECT_TRUE(g.decide(g.deployment({"a", "b", "c", "d"}), human("ann", "approver")).waits());
  g.w.clock.advance(25h);
  EXPECT_TRUE(g.decide(d, human("ann", "approver")).waits());
}

TEST(Approving, ThatNobodyCanGiveSaysSoWithTheWayOut) {
  Governed g;
  g.people = {"ann"};  // one human, and their agent
  AuditContext bot = agent("bot", "ann");
  const Deployment d = g.deployment({"a", "b", "c", "d"});
  Ruling ruling = g.decide(d, bot);
  ASSERT_TRUE(ruling.waits());
  const ApprovalRequest request = g.ask(ruling);
  EXPECT_EQ(request.approvers, 0);
  ASSERT_EQ(request.next.size(), 2u);
  EXPECT_EQ(request.next[0].command, "slipway redeploy " + d.id.str());
  EXPECT_EQ(request.next[0].when, "yourself, as a human");
  EXPECT_EQ(request.next[1].command, "slipway team add default NAME --role approver");
  EXPECT_EQ(g.governance->store().approval(request.id).value(), request);
  g.people = {"ann", "bob"};
  EXPECT_TRUE(g.ask(g.decide(g.deployment({"a", "b", "c", "d"}), bot)).next.empty());
}

TEST(Approving, EndsAtItsTime) {
  Governed g;
  const ApprovalRequest request =
      g.ask(g.decide(g.deployment({"a", "b", "c", "d"}), human("ann", "approver")));
  g.w.clock.advance(g.w.settings.policy.approval_timeout + 1s);
  EXPECT_TRUE(g.governance->tick().has_value());
  EXPECT_EQ(g.governance->store().approval(request.id)->state, "expired");
  EXPECT_EQ(g.governance->vote(human("bob", "approver"), request.id, Vote::Choice::approve, "")
                .error()
                .code,
            Errc::failed_precondition);
}

constexpr std::string_view asking_about_config = R"(
[[rule]]
id = "ask-config"
on = ["config"]
enforce = "hard"
violations = "SELECT subject FROM config_change"
message = "{subject} changes"
approvals = { need = 1, roles = ["approver"], valid_for = "24h" }
[[rule.test]]
expect = "deny"
config_change = [{ kind = "env", name = "A", subject = "env:A", change = "added" }]
[[rule.test]]
expect = "pass"
)";

// People are asked about changes of a configuration; `standing` says who is still there.
struct AskedAboutConfig {
  World w;
  std::string gone;  // nobody
  std::unique_ptr<GovernanceService> governance;
  AskedAboutConfig() {
    const std::string text = "name = \"test\"" + std::string(asking_about_config);
    const auto set = parse_policy_set(text).value();
    const auto stored = w.stores.governance->activate(
        human("root", "admin"), {.version = 2, .name = "t", .text = text, .digest = set.digest});
    EXPECT_TRUE(stored.has_value());
    governance = GovernanceService::open(
                     {.settings = w.settings,
                      .clock = w.clock,
                      .store = *w.stores.governance,
                      .repository = *w.repository,
                      .names = w.names,
                      .evaluator = make_sql_rule_evaluator(),
                      .standing = [this](const Actor& actor, const std::string&,
                                         const std::string& then) -> Result<std::string> {
                        if (actor.name == gone)
                          return fail(Errc::permission_denied, gone + " is no longer a member");
                        return then;
                      }})
                     .value();
  }
  Result<AuditContext> ask(const AuditContext& by, const std::string& value) {
    return governance->require({.point = DecisionPoint::config,
                                .by = by,
                                .project = "shop",
                                .environment = "production",
                                .resource = "configuration/shop/production",
                                .action = "env_write",
                                .more =
                                    [](Facts& facts) {
                                      facts.add("config_change", {{"kind", "env"},
                                                                  {"name", "A"},
                                                                  {"subject", "env:A"},
                                                                  {"change", "added"},
                                                                  {"live", 1},
                                                                  {"undo_for", 0},
                                                                  {"loads_code", 0}});
                                    }},
                               ChangeDigest(by.actor, "env_write").add("A", value));
  }
  std::vector<ApprovalRequest> open() {
    return governance->store().approvals("open", "shop").value();
  }
};

TEST(Approving, IsOfOneChangeByOneRequesterAndIsUsedUpByIt) {
  AskedAboutConfig a;
  const AuditContext ann = human("ann", "deployer"), eve = human("eve", "deployer");
  EXPECT_EQ(a.ask(ann, "debug").error().code, Errc::denied_by_policy);
  EXPECT_EQ(a.ask(ann, "debug").error().code, Errc::denied_by_policy);
  ASSERT_EQ(a.open().size(), 1u);  // asked twice, it is one request
  const ApprovalId id = a.open().front().id;
  ASSERT_TRUE(a.governance->vote(human("bob", "approver"), id, Vote::Choice::approve, ""));
  EXPECT_FALSE(a.ask(ann, "evil").has_value());
  EXPECT_FALSE(a.ask(eve, "debug").has_value());
  EXPECT_TRUE(a.ask(ann, "debug").has_value());
  EXPECT_TRUE(a.governance->store().approval(id)->used_at.has_value());
  EXPECT_FALSE(a.ask(ann, "debug").has_value());
}

TEST(Approving, CountsHoweverManyOthersAreAskedForSince) {
  AskedAboutConfig a;
  const AuditContext ann = human("ann", "deployer"), eve = human("eve", "deployer");
  EXPECT_FALSE(a.ask(ann, "debug").has_value());
  ApprovalRequest other = a.open().front();
  ASSERT_TRUE(a.governance->vote(human("bob", "approver"), other.id, Vote::Choice::approve, ""));
  other.requester = eve.actor;
  other.change = "sha256:of-another";
  for (int i = 0; i < 1001; ++i) {
    other.id = ApprovalId::random();
    other.created_at += 1s;
    ASSERT_TRUE(a.governance->store().add(eve, other).has_value());
  }
  EXPECT_TRUE(a.ask(ann, "debug").has_value());
}

TEST(Approving, IsAskedForByTheAgentsOfOnePersonOnlySoOften) {
  AskedAboutConfig a;
  const AuditContext first = agent("coder", "ann"), second = agent("helper", "ann");
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(a.ask(i % 2 ? first : second, std::to_string(i)).error().code,
              Errc::denied_by_policy);
  EXPECT_EQ(a.open().size(), 50u);
  EXPECT_EQ(a.ask(first, "one more").error().code, Errc::over_budget);
  EXPECT_EQ(a.open().size(), 50u);
  EXPECT_EQ(a.ask(agent("coder", "bob"), "another's").error().code, Errc::denied_by_policy);
  EXPECT_EQ(a.ask(human("ann", "deployer"), "a person's").error().code, Errc::denied_by_policy);
  EXPECT_EQ(a.open().size(), 52u);
}

TEST(Approving, EndsWithWhoeverAskedForIt) {
  AskedAboutConfig a;
  EXPECT_FALSE(a.ask(human("ann", "deployer"), "debug").has_value());
  EXPECT_FALSE(a.ask(human("eve", "deployer"), "debug").has_value());
  a.gone = "ann";
  ASSERT_TRUE(a.governance->tick().has_value());
  ASSERT_EQ(a.open().size(), 1u);
  EXPECT_EQ(a.open().front().requester.name, "eve");
  const auto ended = a.governance->store().approvals("withdrawn", "shop").value();
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended.front().closed_reason, "ann is no longer a member");
}

TEST(Approving, CountsOnlyTheVotesOfThoseWhoStillMay) {
  Governed g;
  const Deployment d = g.deployment({"a", "b", "c", "d"});
  const AuditContext ann = human("ann", "deployer");
  const ApprovalRequest request = g.ask(g.decide(d, ann));
  ASSERT_TRUE(g.governance->vote(human("bob", "approver"), request.id, Vote::Choice::approve, ""));
  g.roles["bob"] = "";
  ASSERT_TRUE(g.governance->vote(human("eve", "approver"), request.id, Vote::Choice::approve, ""));
  EXPECT_FALSE(g.decide(d, ann).allows());
  EXPECT_EQ(g.governance->store().approval(request.id)->state, "open");
  g.roles["bob"] = "deployer";
  EXPECT_FALSE(g.decide(d, ann).allows());
  g.roles.clear();
  EXPECT_TRUE(g.decide(d, ann).allows()) << "both are there again";
}

TEST(Approving, AsAnAdminCountsAsAnApproversWhenThatIsWhatIsLeft) {
  const Standing an_approver_now = [](const Actor&, const std::string&,
                                      const std::string& then) -> Result<std::string> {
    if (then == "approver") return then;
    return fail(Errc::permission_denied, "less than that");
  };
  EXPECT_EQ(counted_role(an_approver_now, human("bob", "admin").actor, "default", "admin"),
            "approver");
}

TEST(Waiving, EndsWithWhoeverGaveItAndIsNotGivenToWhoeverLeft) {
  Governed g;
  const Deployment d = g.deployment({"bad.txt"});
  const AuditContext ann = human("ann", "admin"), bob = human("bob", "approver");
  const auto ask = [&] {
    return g.governance
        ->ask_waiver(ann, {.rule = "no-bad-file", .project = "shop", .reason = "x"}, 48h)
        ->id;
  };
  const auto state = [&](const WaiverId& id) { return g.governance->store().waiver(id)->state; };
  const WaiverId given = ask();
  ASSERT_TRUE(g.governance->answer_waiver(bob, given, Vote::Choice::approve));
  EXPECT_TRUE(g.decide(d, ann).allows());
  g.roles["bob"] = "deployer";
  EXPECT_FALSE(g.decide(d, ann).allows());
  ASSERT_TRUE(g.governance->tick());
  EXPECT_EQ(state(given), "revoked");
  g.roles.clear();
  EXPECT_FALSE(g.decide(d, ann).allows()) << "it has ended for good";

  const WaiverId asked = ask();
  g.roles["ann"] = "";
  EXPECT_EQ(g.governance->answer_waiver(bob, asked, Vote::Choice::approve).error().code,
            Errc::failed_precondition);
  EXPECT_EQ(state(asked), "requested");
  ASSERT_TRUE(g.governance->tick());
  EXPECT_EQ(state(asked), "revoked");
}

TEST(BreakingTheGlass, EndsWithEitherOfTheTwo) {
  for (const std::string who : {"ann", "bob"}) {
    Governed g;
    const Deployment d = g.deployment({"bad.txt"});
    const AuditContext ann = human("ann", "admin"), bob = human("bob", "admin");
    const BreakGlassId id = g.governance->declare(ann, "shop", "fire")->id;
    ASSERT_TRUE(g.governance->answer_emergency(bob, id, Vote::Choice::approve));
    EXPECT_TRUE(g.decide(d, ann).allows());
    g.roles[who] = "";
    EXPECT_FALSE(g.decide(d, human("cat", "admin")).allows());
    ASSERT_TRUE(g.governance->tick());
    EXPECT_EQ(g.governance->store().break_glass(id)->state, "ended");
  }
}

TEST(BreakingTheGlass, IsNotConfirmedToSomebodyWhoLeft) {
  Governed g;
  const BreakGlassId id = g.governance->declare(human("ann", "admin"), "shop", "fire")->id;
  g.roles["ann"] = "";
  EXPECT_EQ(
      g.governance->answer_emergency(human("bob", "admin"), id, Vote::Choice::approve).error().code,
      Errc::failed_precondition);
  ASSERT_TRUE(g.governance->tick());
  EXPECT_EQ(g.governance->store().break_glass(id)->state, "ended");
}

TEST(Waiving, CountsFromItsApprovalToItsEnd) {
  Governed g;
  const Deployment d = g.deployment({"bad.txt"});
  const auto ann = human("ann", "admin");
  const Waiver waiver =
      g.governance
          ->ask_waiver(ann, {.rule = "no-bad-file", .project = "shop", .reason = "a joke"}, 48h)
          .value();
  EXPECT_FALSE(g.decide(d, ann).allows());
  const auto approve = [&](const AuditContext& by) {
    return g.governance->answer_waiver(by, waiver.id, Vote::Choice::approve);
  };
  EXPECT_EQ(approve(ann).error().code, Errc::permission_denied);
  EXPECT_EQ(approve(agent("bot", "bob")).error().code, Errc::permission_denied);
  ASSERT_TRUE(approve(human("bob", "approver")).has_value());
  const Ruling lifted = g.decide(d, ann);
  EXPECT_TRUE(lifted.allows());
  EXPECT_EQ(lifted.by.waiver, waiver.id.str());
  g.w.clock.advance(48h);
  EXPECT_FALSE(g.decide(d, ann).allows());
  EXPECT_TRUE(g.governance->tick().has_value());
  EXPECT_EQ(g.governance->store().waiver(waiver.id)->state, "expired");
  EXPECT_EQ(
      g.governance
          ->ask_waiver(ann, {.rule = "no-bad-file", .project = "shop", .reason = "x"}, 31 * 24h)
          .error()
          .code,
      Errc::invalid_argument);
}

TEST(BreakingTheGlass, TakesTwoPeopleAndLastsAnHour) {
  Governed g;
  const Deployment d = g.deployment({"bad.txt"});
  const auto ann = human("ann", "admin");
  EXPECT_EQ(g.governance->declare(agent("bot", "ann"), "shop", "fire").error().code,
            Errc::permission_denied);
  const BreakGlass emergency = g.governance->declare(ann, "shop", "fire").value();
  EXPECT_FALSE(g.decide(d, ann).allows());
  EXPECT_EQ(g.governance->answer_emergency(ann, emergency.id, Vote::Choice::approve).error().code,
            Errc::permission_denied);
  ASSERT_TRUE(
      g.governance->answer_emergency(human("bob", "admin"), emergency.id, Vote::Choice::approve)
          .has_value());
  EXPECT_TRUE(g.decide(d, ann).allows());
  EXPECT_FALSE(g.decide(d, agent("bot", "ann")).allows());
  g.w.clock.advance(61min);
  EXPECT_FALSE(g.decide(d, ann).allows());
}

TEST(Policies, OneThatWasChangedBehindOurBackIsNotUsed) {
  World w;
  add_rules(w);
  ASSERT_TRUE(w.stores.database
                  ->transaction([](Database::Transaction& session) {
                    return session.execute(
                        "UPDATE policy_set SET record=json_set(record,'$.advisory',"
                        "json_array('no-bad-file')) WHERE version=2");
                  })
                  .has_value());
  const auto opened = GovernanceService::open({.settings = w.settings,
                                               .clock = w.clock,
                                               .store = *w.stores.governance,
                                               .repository = *w.repository,
                                               .names = w.names,
                                               .evaluator = make_sql_rule_evaluator()});
  EXPECT_EQ(opened.error().code, Errc::corrupt);
}

TEST(Pace, OfAnAgentIsThatOfAllNamesItGoesBy) {
  World w;
  const auto named = [](std::vector<std::string> chain) {
    AuditContext by{.role = "deployer"};
    by.actor = {.kind = "agent", .name = chain.back().substr(6), .on_behalf_of = "ann"};
    by.actor.chain = std::move(chain);
    return by;
  };
  const auto deploy_as = [&](const AuditContext& by, const std::string& text) {
    return w.settled(
        w.service
            .deploy(by, {.project = "shop", .upload = w.upload("shop", {{"index.html", text}})}, {})
            .value()
            .id);
  };
  deploy_as(named({"human:ann", "agent:coder"}), "1");
  deploy_as(named({"human:ann", "agent:coder", "agent:coder6"}), "2");
  const AuditContext third = named({"human:ann", "agent:coder", "agent:coder7"});
  const Deployment made = deploy_as(third, "3");
  const Asked asked = asked_about(third, DecisionPoint::build, "deploy", made);
  const StoredDecision said = w.governance->what_if(asked, {}).value();
  EXPECT_EQ(said.decision.verdict, Verdict::allow);
  const Velocity all =
      w.stores.governance->velocity(VelocityScope::top_agent, top_agent(third.actor), w.clock.now())
          .value();
  EXPECT_EQ(all.deploys_hour, 3);
  EXPECT_EQ(w.stores.governance->preview_counts("shop", "agent:coder7", top_agent(third.actor))
                .value()
                .actor,
            3);
  // The rules see both.
  const Ruling ruling = w.governance->decide(asked).value();
  EXPECT_TRUE(ruling.facts.contains(R"("subject":"actor:coder")")) << ruling.facts;
  EXPECT_TRUE(ruling.facts.contains(R"("subject":"actor:coder7")"));
}

TEST(Decisions, AreForgottenBeyondTheLimitWithTheirFacts) {
  World w;
  for (int i = 0; i < 3; ++i) w.deploy("shop", {{"index.html", std::to_string(i)}});
  ASSERT_TRUE(w.stores.governance->prune(2).has_value());
  EXPECT_EQ(w.stores.governance->decisions({}).value().decisions.size(), 2u);
  EXPECT_EQ(w.stores.governance->past(100).value().size(), 2u);
}

}  // namespace
}  // namespace slipway
