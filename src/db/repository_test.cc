#include "db/repository.h"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>

#include "db/schema.h"
#include "db/stores.h"
#include "db/uid_slots.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

const Timestamp now{1'800'000'000s};

class RepositoryTest : public ::testing::Test {
 protected:
  ManualClock clock{now};
  Stores stores = Stores::open(":memory:", clock).value();
  Repository* repository = stores.repository.get();

  Deployment add(std::string project, std::string alias = "preview",
                 DeploymentState state = DeploymentState::ready, std::string key = {}) {
    EXPECT_TRUE(repository->ensure_project({}, project, now));
    Deployment deployment;
    deployment.id = DeploymentId::random();
    deployment.project = std::move(project);
    deployment.alias = std::move(alias);
    deployment.state = state;
    deployment.created_at = now;
    deployment.source = sha256(deployment.id.str());
    return repository->add({}, deployment, key).value();
  }
};

TEST_F(RepositoryTest, GivesBackWhatWasAdded) {
  const Deployment added = add("shop");
  EXPECT_EQ(repository->get(added.id).value(), added);
  EXPECT_EQ(repository->get(DeploymentId::random()).error().code, Errc::not_found);
}

TEST_F(RepositoryTest, TheSameIdempotencyKeyGivesTheFirstDeploymentAgain) {
  const Deployment first = add("shop", "preview", DeploymentState::queued, "key-1");
  const Deployment second = add("shop", "preview", DeploymentState::queued, "key-1");
  EXPECT_EQ(first.id, second.id);
  EXPECT_EQ(repository->list({}).value().deployments.size(), 1u);
}

TEST_F(RepositoryTest, ValuesOfVariablesAreSealedAndOldRowsAreReadUntilTheyAreWritten) {
  const auto record_of = [&](const DeploymentId& id) {
    auto session = stores.database->read();
    Statement query = session.prepare("SELECT record FROM deployment WHERE id=?").value();
    EXPECT_TRUE(query.bind(1, id.str()).step().value());
    return query.text(0);
  };
  Deployment deployment;
  deployment.id = DeploymentId::random();
  deployment.project = "shop";
  deployment.alias = "preview";
  deployment.source = sha256("x");
  deployment.options.env = {{"STRIPE_KEY", "sk_live_canary"}};
  deployment.options.build_env = {{"VITE_URL", "http://canary"}};
  ASSERT_TRUE(repository->ensure_project({}, "shop", now));
  ASSERT_TRUE(repository->add({}, deployment, {}));
  EXPECT_TRUE(record_of(deployment.id).contains("canary"));  // as an older Slipway wrote it

  std::string key = "1";
  repository->seal_with(
      {.seal = [&](std::string_view text, std::string_view context) -> Result<std::string> {
         return key + " " + std::string(context) + " " + std::string(text.rbegin(), text.rend());
       },
       .unseal = [&](std::string_view text, std::string_view context) -> Result<std::string> {
         const std::string mark = key + " " + std::string(context) + " ";
         if (!text.starts_with(mark)) return fail(Errc::corrupt, "another's");
         text.remove_prefix(mark.size());
         return std::string(text.rbegin(), text.rend());
       }});
  EXPECT_EQ(repository->get(deployment.id).value(), deployment);
  ASSERT_TRUE(repository->update({}, deployment.id, [](Deployment&) { return Status(); }));
  EXPECT_FALSE(record_of(deployment.id).contains("canary"));
  EXPECT_TRUE(record_of(deployment.id).contains("STRIPE_KEY"));
  EXPECT_EQ(repository->get(deployment.id).value(), deployment);

  // Without its key the deployment is there, without its values.
  key = "2";
  EXPECT_EQ(repository->get(deployment.id).value().options.env.at("STRIPE_KEY"), "");
}

TEST_F(RepositoryTest, AFailedChangeLeavesTheRecordAlone) {
  const Deployment before = add("shop");
  const auto outcome = repository->update({}, before.id, [](Deployment& deployment) -> Status {
    deployment.state = DeploymentState::failed;
    return fail(Errc::conflict, "no");
  });
  EXPECT_EQ(outcome.error().code, Errc::conflict);
  EXPECT_EQ(repository->get(before.id).value(), before);
}

// What is decided on what was read is decided again on what is there by then.
TEST_F(RepositoryTest, AChangeThatIsMadeWhileAnotherIsDecidedIsNotLost) {
  const Deployment before = add("shop");
  int decided = 0;
  const auto after = repository->update({}, before.id, [&](Deployment& deployment) -> Status {
    if (++decided == 1)
      EXPECT_TRUE(repository->update({}, before.id, [](Deployment& other) -> Status {
        other.message = "meanwhile";
        return {};
      }));
    deployment.state_reason = fmt::format("decided {} times", decided);
    return {};
  });
  EXPECT_EQ(after->message, "meanwhile");
  EXPECT_EQ(after->state_reason, "decided 2 times");
  EXPECT_EQ(repository->get(before.id).value(), *after);
  EXPECT_EQ(stores.audit->list({.action = "deployment"}).value().records.size(), 3U);
}

TEST_F(RepositoryTest, AChangeThatOthersAlwaysOvertakeEndsWithAnError) {
  const Deployment before = add("shop");
  const auto after = repository->update({}, before.id, [&](Deployment& deployment) -> Status {
    EXPECT_TRUE(repository->update({}, before.id, [](Deployment& other) -> Status {
      other.message += "x";
      return {};
    }));
    deployment.state_reason = "mine";
    return {};
  });
  EXPECT_EQ(after.error().code, Errc::unavailable);
  EXPECT_EQ(repository->get(before.id)->state_reason, "");
}

TEST_F(RepositoryTest, OfManyChangesAtOnceNoneIsLost) {
  const Deployment before = add("shop");
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int j = 0; j < 25; ++j)
        EXPECT_TRUE(repository->update({}, before.id, [](Deployment& change) -> Status {
          ++change.timings_ms["changes"];
          return {};
        }));
    });
  threads.clear();
  EXPECT_EQ(repository->get(before.id)->timings_ms.at("changes"), 100);
}

TEST_F(RepositoryTest, ListsNewestFirstInPagesWithoutDeletedOnes) {
  std::vector<DeploymentId> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(add("shop").id);
  std::ignore = repository->update({}, ids[4], [](Deployment& d) -> Status {
    d.state = DeploymentState::deleted;
    d.deleted_at = now;
    return {};
  });
  DeploymentPage page = repository->list({.project = "shop", .limit = 3}).value();
  ASSERT_EQ(page.deployments.size(), 3u);
  EXPECT_EQ(page.deployments[0].id, ids[3]);
  page = repository->list({.project = "shop", .before = page.next, .limit = 3}).value();
  ASSERT_EQ(page.deployments.size(), 1u);
  EXPECT_EQ(page.deployments[0].id, ids[0]);
  EXPECT_EQ(page.next, 0);
  EXPECT_EQ(repository->last_deleted(now - 1h, 1).value().at(0).id, ids[4]);
  EXPECT_TRUE(repository->last_deleted(now + 1h, 1).value().empty());
}

TEST_F(RepositoryTest, AnAliasFollowsTheNewestAndNeverGoesBackByItself) {
  const Deployment older = add("shop"), newer = add("shop");
  EXPECT_TRUE(repository->advance_alias({}, newer).value());
  EXPECT_FALSE(repository->advance_alias({}, older).value());
  ASSERT_EQ(repository->aliases().value().size(), 1u);
  EXPECT_EQ(repository->aliases().value()[0].deployment, newer.id);
}

TEST_F(RepositoryTest, AnAliasRetreatsToTheNewestThatIsLeft) {
  const Deployment older = add("shop"), newer = add("shop");
  EXPECT_TRUE(repository->advance_alias({}, newer).value());
  std::ignore = repository->update({}, newer.id, [](Deployment& d) -> Status {
    d.state = DeploymentState::deleted;
    return {};
  });
  EXPECT_EQ(repository->retreat_alias({}, "shop", "preview").value(), older.id);
  EXPECT_EQ(repository->retreat_alias({}, "shop", "other").value(), std::nullopt);
}

TEST_F(RepositoryTest, AfterAKillEveryAliasIsPutWhereItWasAboutToGo) {
  const auto become = [&](const Deployment& deployment, DeploymentState state) {
    ASSERT_TRUE(repository->update({}, deployment.id, [&](Deployment& change) -> Status {
      change.state = state;
      return {};
    }));
  };
  const auto leads = [&](const std::string& project, const std::string& alias = "preview") {
    return repository->alias(project, alias).value();
  };
  const Deployment older = add("shop"), newer = add("shop"), building = add("shop"),
                   first = add("new"), other = add("shop", "main"), gone = add("blog");
  for (const Deployment& each : {older, newer, first, other}) become(each, DeploymentState::ready);
  become(building, DeploymentState::building);
  become(gone, DeploymentState::expired);
  ASSERT_TRUE(repository->advance_alias({}, older) && repository->advance_alias({}, other) &&
              repository->advance_alias({}, gone));

  EXPECT_EQ(repository->settle_aliases({}).value(), 3u);
  EXPECT_EQ(leads("shop"), newer.id);
  EXPECT_EQ(leads("new"), first.id);
  EXPECT_EQ(leads("shop", "main"), other.id);
  EXPECT_EQ(leads("blog"), std::nullopt);
  EXPECT_EQ(repository->settle_aliases({}).value(), 0u);
}

TEST_F(RepositoryTest, EachEnvironmentHasAUidSlotOfItsOwnForEver) {
  const auto a = repository->uid_slot("shop/preview").value();
  const auto b = repository->uid_slot("shop/main").value();
  EXPECT_NE(a, b);
  EXPECT_EQ(repository->uid_slot("shop/preview").value(), a);
  // With the last deployment of an alias its slot is free for the next.
  const auto of_environment = repository->uid_slot("env:shop/production").value();
  ASSERT_TRUE(repository->give_back_uid_slots().has_value());
  EXPECT_EQ(repository->uid_slot("blog/preview").value(), std::min(a, b));
  EXPECT_EQ(repository->uid_slot("env:shop/production").value(), of_environment);
}

TEST_F(RepositoryTest, AUidSlotThatASandboxRunsWithIsGivenToNobodyElse) {
  const auto own = repository->uid_slot("shop/preview").value();
  // The records are older than what runs: they know nothing of the next one.
  ASSERT_TRUE(hold_uid_slots(*stores.database, std::array{own, own + 1}));
  EXPECT_EQ(repository->uid_slot("shop/preview").value(), own);
  const auto next = repository->uid_slot("env:blog/production").value();
  EXPECT_NE(next, own + 1);
  ASSERT_TRUE(repository->give_back_uid_slots());
  EXPECT_NE(repository->uid_slot("env:api/production").value(), own + 1) << "it still runs";
  ASSERT_TRUE(hold_uid_slots(*stores.database, {}));
  EXPECT_EQ(repository->uid_slot("env:last/production").value(), own + 1);
}

TEST(WaitsSchema, WhatWaitedForPeopleWhenAnOlderServerEndedStillDoes) {
  const auto directory = std::filesystem::temp_directory_path() / ("slipway-waits-" + random_id());
  std::filesystem::create_directory(directory);
  const auto file = directory / "slipway.db";
  {
    const auto older = Database::open(file, std::span(schema_migrations).first(10)).value();
    ASSERT_TRUE(older->transaction([](Database::Transaction& session) -> Status {
      for (
          const char* sql :
          {"INSERT INTO project(name,team,created_at) VALUES('shop','default',0)",
           R"(INSERT INTO deployment(id,project,alias,state,created_at,record) VALUES('dpl_a','shop','preview','queued',0,)"
           R"('{"state_reason":"waiting for approval apr_aaaaaaaaaa"}'))",
           R"(INSERT INTO deployment(id,project,alias,state,created_at,record) VALUES('dpl_b','shop','preview','queued',0,)"
           R"('{"state_reason":"taken up again after a restart"}'))"}) {
        SLIPWAY_TRY(Statement insert, session.prepare(sql));
        SLIPWAY_CHECK(insert.run());
      }
      return {};
    }));
  }
  const auto database = Database::open(file, schema_migrations).value();
  auto session = database->read();
  auto query = session
                   .prepare(
                       "SELECT coalesce(json_extract(record,'$.approval'),'none') FROM "
                       "deployment ORDER BY seq")
                   .value();
  ASSERT_TRUE(query.step().value());
  EXPECT_EQ(query.text(0), "apr_aaaaaaaaaa");
  ASSERT_TRUE(query.step().value());
  EXPECT_EQ(query.text(0), "none");
  std::filesystem::remove_all(directory);
}

TEST_F(RepositoryTest, FindsByTheStartOfAnIdAndNotByPatterns) {
  const Deployment deployment = add("shop");
  EXPECT_EQ(repository->find_by_tail(deployment.id.tail().substr(0, 6)).value().at(0),
            deployment.id);
  EXPECT_TRUE(repository->find_by_tail("*").value().empty());
}

TEST_F(RepositoryTest, TheNewestOfAProjectNeedsNoAlias) {
  const Deployment older = add("shop", "main"), newer = add("shop", "preview");
  EXPECT_EQ(repository->newest("shop").value()->id, newer.id);
  EXPECT_EQ(repository->newest("shop", "main").value()->id, older.id);
  EXPECT_EQ(repository->newest("other").value(), std::nullopt);
}

TEST_F(RepositoryTest, ForgetsOldUploads) {
  const Upload upload{
      .id = UploadId::random(), .project = "shop", .manifest = sha256("m"), .created_at = now};
  EXPECT_TRUE(repository->add_upload(upload));
  EXPECT_EQ(repository->get_upload(upload.id).value().manifest, upload.manifest);
  EXPECT_TRUE(repository->remove_uploads_before(now + 1s));
  EXPECT_EQ(repository->get_upload(upload.id).error().code, Errc::not_found);
}

TEST(DatabaseSchema, OfANewerSlipwayIsRefused) {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / ("slipway-schema-" + random_id());
  {
    auto database = Database::open(file, {}).value();
    EXPECT_TRUE(database->transaction(
        [](Database::Transaction& session) { return session.execute("PRAGMA user_version=99"); }));
  }
  EXPECT_EQ(Stores::open(file, SystemClock{}).error().code, Errc::failed_precondition);
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file.string() + suffix);
}

}  // namespace
}  // namespace slipway
