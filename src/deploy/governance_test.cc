// Decisions and approvals.
#include "deploy/governance.h"

#include <gtest/gtest.h>

#include "deploy/testing/governed.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;
using testing::agent;
using testing::Governed;
using testing::human;
using testing::World;

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
  // The rule wants two.
  g.people = {"ann", "bob"};
  EXPECT_FALSE(g.ask(g.decide(g.deployment({"a", "b", "c", "d"}), bot)).next.empty());
  g.people = {"ann", "bob", "eve"};
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
                                                                  {"used_by", "none"},
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
