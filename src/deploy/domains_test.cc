#include "deploy/domains.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "db/policy_sql.h"
#include "db/stores.h"
#include "sys/files.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

AuditContext ann() {
  return {.actor = {.kind = "human", .name = "ann", .chain = {"human:ann"}}, .role = "deployer"};
}

class DomainsTest : public ::testing::Test {
 protected:
  DomainsTest() {
    settings.data = directory.path();
    for (const char* project : {"shop", "rival"})
      EXPECT_TRUE(stores.repository->ensure_project(ann(), project, clock.now()));
  }

  // What DNS has now; "!" for a name server that does not answer.
  std::map<std::string, std::vector<std::string>> records;
  std::set<std::string> published;
  std::set<std::string> people{"ann"};  // who could approve

  Domain add(const std::string& project, const std::string& name,
             const std::string& environment = "production") {
    return domains.add(ann(), project, environment, name).value();
  }
  void prove(const Domain& domain) { records[challenge_name(domain.name)] = {domain.token}; }
  Domain proven(const std::string& project, const std::string& name) {
    const Domain domain = add(project, name);
    prove(domain);
    return domains.verify(ann(), project, name).value();
  }
  [[nodiscard]] std::vector<std::string> hosts(const std::string& project) const {
    return domains.hosts(project, "production");
  }
  std::vector<std::string> events(const std::string& name) {
    std::vector<std::string> out;
    for (const std::string& record : stores.audit->list({.limit = 100}).value().records)
      if (record.find("domain/" + name) != std::string::npos) {
        const auto at = record.find("\"event\":\"") + 9;
        out.push_back(record.substr(at, record.find('"', at) - at));
      }
    return out;
  }

  TempDir directory =
      TempDir::create(std::filesystem::temp_directory_path(), "slipway-domains-").value();
  Settings settings;
  ManualClock clock;
  Stores stores = Stores::open(":memory:", clock).value();
  Names names{"apps.test", 80};
  std::unique_ptr<GovernanceService> governance =
      GovernanceService::open({.settings = settings,
                               .clock = clock,
                               .store = *stores.governance,
                               .repository = *stores.repository,
                               .names = names,
                               .evaluator = make_sql_rule_evaluator(),
                               .approvers =
                                   [this](const std::string&) {
                                     return std::vector<std::string>(people.begin(), people.end());
                                   }})
          .value();
  Domains domains{
      {.settings = settings,
       .clock = clock,
       .store = *stores.domains,
       .governance = *governance,
       .names = names,
       .lookup = [this](const std::string& name) -> Result<std::vector<std::string>> {
         const auto found = records.find(name);
         if (found == records.end()) return std::vector<std::string>();
         if (found->second == std::vector<std::string>{"!"})
           return fail(Errc::unavailable, "no name server answers");
         return found->second;
       },
       .publish = [this](std::string_view project, std::string_view environment) -> Status {
         published.insert(fmt::format("{}/{}", project, environment));
         return {};
       }}};
};

TEST_F(DomainsTest, ANameLeadsNowhereBeforeItIsProven) {
  const Domain claim = add("shop", "Shop.Example.COM.");
  EXPECT_EQ(claim.name, "shop.example.com");
  EXPECT_TRUE(hosts("shop").empty());
  const auto refused = domains.verify(ann(), "shop", "shop.example.com");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::failed_precondition);
  EXPECT_NE(refused.error().hint.find(claim.token), std::string::npos);
  EXPECT_NE(refused.error().hint.find("_slipway-challenge.shop.example.com"), std::string::npos);

  prove(claim);
  ASSERT_TRUE(domains.verify(ann(), "shop", "SHOP.example.com"));
  EXPECT_EQ(hosts("shop"), std::vector<std::string>{"shop.example.com"});
  EXPECT_TRUE(published.contains("shop/production"));
  EXPECT_TRUE(domains.hosts("shop", "staging").empty());
  EXPECT_EQ(events("shop.example.com"),
            (std::vector<std::string>{"domain.verified", "domain.added"}));
}

TEST_F(DomainsTest, NobodyTakesAnothersName) {
  proven("shop", "shop.example.com");
  const auto again = domains.add(ann(), "rival", "production", "shop.example.com");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::conflict);
  EXPECT_EQ(again.error().message.find("shop's"), std::string::npos) << "nor learns whose it is";
}

TEST_F(DomainsTest, AClaimAloneKeepsNobodyOut) {
  const Domain squatter = add("rival", "shop.example.com");
  const Domain owner = proven("shop", "shop.example.com");
  EXPECT_NE(squatter.token, owner.token);
  // The record that proved the owner's claim proves nothing for the other one.
  const auto refused = domains.verify(ann(), "rival", "shop.example.com");
  ASSERT_FALSE(refused);
  EXPECT_EQ(hosts("rival").size(), 0u);
  // Nor do two records, while it is another's.
  records[challenge_name("shop.example.com")].push_back(squatter.token);
  const auto both = domains.verify(ann(), "rival", "shop.example.com");
  ASSERT_FALSE(both);
  EXPECT_EQ(both.error().code, Errc::conflict);
  EXPECT_EQ(hosts("shop").size(), 1u);
}

TEST_F(DomainsTest, NamesOfTheServersOwnDomainAreNobodys) {
  for (const char* name : {"apps.test", "shop.apps.test", "SHOP.APPS.TEST.", "a.b.apps.test",
                           "preview--shop.apps.test", "x.localhost", "printer.local"})
    EXPECT_FALSE(domains.add(ann(), "rival", "production", name)) << name;
  EXPECT_TRUE(domains.add(ann(), "rival", "production", "myapps.test"));
}

TEST_F(DomainsTest, PreviewsHaveNoDomains) {
  EXPECT_FALSE(domains.add(ann(), "shop", "preview", "shop.example.com"));
  EXPECT_TRUE(domains.add(ann(), "shop", "staging", "shop.example.com"));
}

TEST_F(DomainsTest, AViewerMayNotRouteProduction) {
  const Domain claim = add("shop", "shop.example.com");
  prove(claim);
  AuditContext viewer = ann();
  viewer.role = "viewer";
  const auto refused = domains.verify(viewer, "shop", "shop.example.com");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::denied_by_policy);
  EXPECT_TRUE(hosts("shop").empty());
}

TEST_F(DomainsTest, ARemovedNameIsFree) {
  proven("shop", "shop.example.com");
  published.clear();
  ASSERT_TRUE(domains.remove(ann(), "shop", "shop.example.com"));
  EXPECT_TRUE(hosts("shop").empty());
  EXPECT_TRUE(published.contains("shop/production"));
  EXPECT_FALSE(domains.remove(ann(), "shop", "shop.example.com"));
  proven("rival", "shop.example.com");
  EXPECT_EQ(hosts("rival").size(), 1u);
}

TEST_F(DomainsTest, NoAgentTakesANameFromProductionAndNobodyAloneWhereThereAreOthers) {
  const Domain shop = proven("shop", "shop.example.com");
  AuditContext agent = ann();
  agent.actor = {.kind = "agent",
                 .name = "coder",
                 .on_behalf_of = "ann",
                 .chain = {"human:ann", "agent:coder"}};
  const auto refused = [&](const AuditContext& by) {
    const auto removed = domains.remove(by, "shop", shop.name);
    EXPECT_FALSE(removed);
    return removed ? std::string() : removed.error().cause;
  };
  EXPECT_EQ(refused(agent), "agent-removal-approved");
  people.insert("bob");
  EXPECT_EQ(refused(ann()), "remove-live");
  EXPECT_EQ(hosts("shop"), std::vector<std::string>{"shop.example.com"});
  const auto waiting = stores.governance->approvals("open", "shop").value();
  ASSERT_EQ(waiting.size(), 2u);
  AuditContext bob{.actor = {.kind = "human", .name = "bob", .chain = {"human:bob"}},
                   .role = "approver"};
  for (const ApprovalRequest& each : waiting)
    ASSERT_TRUE(governance->vote(bob, each.id, Vote::Choice::approve, ""));
  EXPECT_TRUE(domains.remove(ann(), "shop", shop.name));
  EXPECT_TRUE(hosts("shop").empty());
}

TEST_F(DomainsTest, ALostProofIsReportedAndThenCut) {
  proven("shop", "shop.example.com");
  records.clear();
  clock.advance(23h);
  domains.check_due();
  EXPECT_FALSE(stores.domains->get("shop.example.com", "shop").value().lost_since);
  clock.advance(2h);
  domains.check_due();
  const Domain lost = stores.domains->get("shop.example.com", "shop").value();
  EXPECT_TRUE(lost.lost_since);
  EXPECT_TRUE(lost.verified) << "it goes on for a while";
  EXPECT_EQ(hosts("shop").size(), 1u);
  published.clear();
  for (int day = 0; day < 8; ++day) {
    clock.advance(24h);
    domains.check_due();
  }
  EXPECT_TRUE(hosts("shop").empty());
  EXPECT_TRUE(published.contains("shop/production"));
  EXPECT_EQ(events("shop.example.com").front(), "domain.cut");
  EXPECT_TRUE(domains.add(ann(), "rival", "production", "shop.example.com"));
}

TEST_F(DomainsTest, AProofThatComesBackIsAsBefore) {
  const Domain domain = proven("shop", "shop.example.com");
  records.clear();
  clock.advance(25h);
  domains.check_due();
  prove(domain);
  clock.advance(25h);
  domains.check_due();
  const Domain found = stores.domains->get("shop.example.com", "shop").value();
  EXPECT_FALSE(found.lost_since);
  EXPECT_EQ(events("shop.example.com").front(), "domain.found");
}

TEST_F(DomainsTest, ASilentNameServerTakesNothingAway) {
  proven("shop", "shop.example.com");
  records[challenge_name("shop.example.com")] = {"!"};
  for (int day = 0; day < 30; ++day) {
    clock.advance(24h);
    domains.check_due();
  }
  EXPECT_EQ(hosts("shop").size(), 1u);
  EXPECT_NE(stores.domains->get("shop.example.com", "shop").value().problem, "");
}

TEST_F(DomainsTest, ANameAloneMeansTheOnlyClaimThatOneSees) {
  add("shop", "shop.example.com");
  add("rival", "shop.example.com");
  const auto sees = [](std::string project) {
    return [project = std::move(project)](const Domain& each) {
      return project.empty() || each.project == project;
    };
  };
  EXPECT_EQ(domains.find("shop.example.com", sees("rival")).value().project, "rival");
  EXPECT_EQ(domains.find("shop.example.com", sees("")).error().code, Errc::invalid_argument);
  EXPECT_EQ(domains.find("shop.example.com", sees("other")).error().code, Errc::not_found);
}

}  // namespace
}  // namespace slipway
