// The service facade with a real store and database, the pipeline and the fleet, over a fake
// engine.
#include "deploy/service.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <thread>

#include "deploy/testing/world.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;
using testing::Files;
using testing::World;

const Files site{{"index.html", "<h1>one</h1>"}, {"about.html", "<h1>about</h1>"}};
const Files next_site{{"index.html", "<h1>two</h1>"}, {"about.html", "<h1>about</h1>"}};

TEST(Deploying, AStaticFolderIsReadyAtItsOwnUrlAndItsAlias) {
  World w;
  const Deployment deployment = w.deploy("shop", site);
  ASSERT_EQ(deployment.state, DeploymentState::ready) << deployment.error.value_or(Error{}).message;
  EXPECT_EQ(w.shown(w.host(deployment)), "site");
  EXPECT_EQ(w.site_at("preview--shop.localhost"), deployment.id);
  EXPECT_EQ(deployment.changed.added, (std::vector<std::string>{"about.html", "index.html"}));
  EXPECT_EQ(deployment.expires_at, w.clock.now() + w.settings.previews.ttl);
}

TEST(Deploying, ASecondDeploymentKnowsWhatChangedAndTakesTheAlias) {
  World w;
  const Deployment first = w.deploy("shop", site), second = w.deploy("shop", next_site);
  EXPECT_EQ(second.base, first.id);
  EXPECT_EQ(second.changed.modified, std::vector<std::string>{"index.html"});
  EXPECT_EQ(w.site_at("preview--shop.localhost"), second.id);
  EXPECT_EQ(w.site_at(w.host(first)), first.id);
}

TEST(Deploying, NothingToRunFailsInItsPhaseAndLeavesTheAliasAlone) {
  World w;
  const Deployment good = w.deploy("shop", site);
  const Deployment bad = w.deploy("shop", {{"notes.txt", "nothing here"}});
  ASSERT_EQ(bad.state, DeploymentState::failed);
  EXPECT_EQ(bad.error->phase, "detect");
  EXPECT_FALSE(bad.error->hint.empty());
  EXPECT_EQ(w.shown(w.host(bad)), "failed");
  EXPECT_EQ(w.site_at("preview--shop.localhost"), good.id);
}

TEST(Deploying, TheSameKeyDeploysOnce) {
  World w;
  const Deployment first = w.submit("shop", site, {}, "k").value();
  const Deployment again = w.submit("shop", site, {}, "k").value();
  EXPECT_EQ(first.id, again.id);
  EXPECT_EQ(w.settled(first.id).state, DeploymentState::ready);
}

TEST(Deploying, MissingBlobsAreRefusedBeforeAnythingIsRecorded) {
  World w;
  const Manifest manifest{.entries = {{.path = "index.html", .size = 3, .digest = sha256("abc")}}};
  const auto opened = w.service.open_upload({}, "shop", manifest).value();
  EXPECT_EQ(opened.missing, std::vector<Digest>{sha256("abc")});
  const auto refused = w.service.deploy({}, {.project = "shop", .upload = opened.id}, {});
  EXPECT_EQ(refused.error().code, Errc::failed_precondition);
  EXPECT_TRUE(w.repository->list({}).value().deployments.empty());
}

TEST(Deploying, ADeltaOfAnUnknownBaseAsksForTheWholeManifest) {
  World w;
  EXPECT_EQ(w.service.open_upload({}, "shop", ManifestDelta{.base = sha256("?")}).error().code,
            Errc::conflict);
}

TEST(Deploying, BadNamesAndVariablesAreRefused) {
  World w;
  EXPECT_EQ(w.service.open_upload({}, "../etc", Manifest{}).error().code, Errc::invalid_argument);
  EXPECT_EQ(w.submit("shop", site, {.alias = "a--b"}).error().code, Errc::invalid_argument);
  EXPECT_EQ(w.submit("shop", site, {.env = {{"A=B", "x"}}}).error().code, Errc::invalid_argument);
  EXPECT_EQ(w.submit("shop", site, {.ttl = 0s}).error().code, Errc::invalid_argument);
}

TEST(Deploying, ADryRunRecordsNothing) {
  World w;
  const auto planned = w.service.plan({.project = "shop", .upload = w.upload("shop", site)});
  ASSERT_TRUE(planned.has_value());
  EXPECT_EQ(planned->plan.services.at(0).provider, "static");
  EXPECT_TRUE(w.repository->list({}).value().deployments.empty());
}

// A build that runs until it is told to stop.
void block_steps(World& w, std::atomic<int>& running) {
  w.engine.on_step([&running](const SandboxSpec&, const StepRunner::OutputSink&,
                              std::stop_token stop) -> Result<StepRunner::Outcome> {
    Mutex mutex;
    CondVar never;
    const MutexLock lock(mutex);
    ++running;
    std::ignore = never.wait(mutex, stop, [] { return false; });
    --running;
    return fail(Errc::canceled, "canceled");
  });
}

template <class Condition>
void eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (!condition()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "waited in vain";
    std::this_thread::yield();
  }
}

const Files slow_build{{"index.html", "x"}};
const DeployOptions slow_options{.build = "make", .start = "./serve"};

// Its pipeline read the record minutes ago.
TEST(Deploying, WhatOthersRecordOfADeploymentWhileItIsBuiltStays) {
  World w;
  w.engine.on_step([&](const SandboxSpec&, const StepRunner::OutputSink&,
                       std::stop_token) -> Result<StepRunner::Outcome> {
    const DeploymentId building = w.repository->newest("shop").value()->id;
    EXPECT_TRUE(w.repository->update({}, building, [](Deployment& change) -> Status {
      change.state_reason = "said meanwhile";
      change.not_promoted = Error{.code = Errc::conflict, .message = "found meanwhile"};
      return {};
    }));
    return StepRunner::Outcome{.exit = {.code = 3}};
  });
  const Deployment failed = w.deploy("shop", slow_build, slow_options);
  EXPECT_EQ(failed.state, DeploymentState::failed);
  EXPECT_EQ(failed.error->phase, "build");
  EXPECT_EQ(failed.state_reason, "said meanwhile");
  EXPECT_EQ(failed.not_promoted->message, "found meanwhile");
}

// It stayed "building", and whoever followed it waited, until the server was started anew.
TEST(Pipeline, AStepThatThrowsLeavesTheDeploymentFailedByAFaultOfOurs) {
  World w;
  w.engine.on_step([](const SandboxSpec&, const StepRunner::OutputSink&,
                      std::stop_token) -> Result<StepRunner::Outcome> {
    throw std::runtime_error("vector::_M_range_check");
  });
  const Deployment failed = w.deploy("shop", slow_build, slow_options);
  EXPECT_EQ(failed.state, DeploymentState::failed);
  ASSERT_TRUE(failed.error);
  EXPECT_EQ(failed.error->code, Errc::internal);
  EXPECT_EQ(failed.error->cause, "internal");
  EXPECT_EQ(failed.error->phase, "build");
  ASSERT_FALSE(failed.steps.empty());
  EXPECT_EQ(failed.steps.back().state, "failed");
  EXPECT_EQ(w.pipeline.counts().failed, 1u);
  w.engine.on_step({});
  EXPECT_EQ(w.deploy("shop", site).state, DeploymentState::ready);
}

// It was counted among those that are made for ever: its removal and the server's end waited for
// it.
TEST(Pipeline, ADeploymentWithoutAThreadFailsAndIsNotWaitedFor) {
  World w;
  w.no_threads = true;
  const Deployment failed = w.deploy("shop", site);
  EXPECT_EQ(failed.state, DeploymentState::failed);
  ASSERT_TRUE(failed.error);
  EXPECT_EQ(failed.error->code, Errc::unavailable);
  EXPECT_EQ(w.pipeline.counts().active, 0u);
  w.pipeline.cancel(failed.id, "removed");
  w.no_threads = false;
  EXPECT_EQ(w.deploy("shop", site).state, DeploymentState::ready);
}

TEST(Pipeline, ADeploymentWithoutAThreadGoesOnWhenAnotherOneEnds) {
  std::atomic<int> running = 0;  // outlives the builds that count themselves
  World w;
  block_steps(w, running);
  DeployOptions other = slow_options;
  other.alias = "other";
  const Deployment first = w.submit("shop", slow_build, other).value();
  eventually([&] { return running == 1; });
  w.no_threads = true;
  const Deployment second = w.submit("shop", site).value();
  EXPECT_EQ(w.pipeline.counts().queued, 1u);
  w.no_threads = false;
  w.pipeline.cancel(first.id, "enough");
  EXPECT_EQ(w.settled(second.id).state, DeploymentState::ready);
}

TEST(Coalescing, ANewerDeploymentOfAnAliasCancelsTheOlderOnesBuild) {
  std::atomic<int> running = 0;  // outlives the builds that count themselves
  World w;
  block_steps(w, running);
  const Deployment older = w.submit("shop", slow_build, slow_options).value();
  eventually([&] { return running == 1; });
  const Deployment newer = w.submit("shop", site).value();
  EXPECT_EQ(w.settled(older.id).state, DeploymentState::canceled);
  EXPECT_EQ(w.repository->get(older.id).value().state_reason, "superseded by " + newer.id.str());
  EXPECT_EQ(running, 0);
  EXPECT_EQ(w.settled(newer.id).state, DeploymentState::ready);
}

TEST(Coalescing, AnotherAliasIsLeftAlone) {
  std::atomic<int> running = 0;  // outlives the builds that count themselves
  World w;
  block_steps(w, running);
  DeployOptions other = slow_options;
  other.alias = "other";
  const Deployment building = w.submit("shop", slow_build, other).value();
  eventually([&] { return running == 1; });
  EXPECT_EQ(w.deploy("shop", site).state, DeploymentState::ready);
  EXPECT_EQ(w.repository->get(building.id).value().state, DeploymentState::building);
  EXPECT_TRUE(w.service.remove({}, building).has_value());
  eventually([&] { return running == 0; });
}

// Two recorded at once may come in either order; so may one that had to wait for people.
TEST(Coalescing, AnOlderDeploymentThatComesLaterGivesWay) {
  std::atomic<int> running = 0;  // outlives the builds that count themselves
  World w;
  block_steps(w, running);
  const Deployment newer = w.submit("shop", slow_build, slow_options).value();
  eventually([&] { return running == 1; });
  Deployment older = newer;
  older.id = DeploymentId::random();
  older.state = DeploymentState::queued;
  older.created_at = newer.created_at - 1s;
  older = w.repository->add({}, older, {}).value();
  w.pipeline.submit(older);
  EXPECT_EQ(w.settled(older.id).state, DeploymentState::canceled);
  EXPECT_EQ(w.repository->get(older.id).value().state_reason, "superseded by " + newer.id.str());
  EXPECT_EQ(running, 1);
  EXPECT_EQ(w.repository->get(newer.id).value().state, DeploymentState::building);
}

TEST(Settling, ABugFailsTheDeploymentAndEndsItsEvents) {
  World w;
  w.engine.on_step(
      [](const SandboxSpec&, const StepRunner::OutputSink&,
         std::stop_token) -> Result<StepRunner::Outcome> { throw std::runtime_error("a bug"); });
  const Deployment failed = w.settled(w.submit("shop", slow_build, slow_options).value().id);
  EXPECT_EQ(failed.state, DeploymentState::failed);
  EXPECT_EQ(failed.error->code, Errc::internal);
  EXPECT_EQ(w.shown(w.host(failed)), "failed");
}

TEST(Settling, ABugInWhatFollowsLeavesItReadyAndEndsItsEvents) {
  World w;
  w.pipeline.on_ready([](const Deployment&) { throw std::runtime_error("a bug"); });
  EXPECT_EQ(w.deploy("shop", site).state, DeploymentState::ready);
}

TEST(Removing, WhatIsBeingMadeShowsThatItIsGone) {
  std::atomic<int> running = 0;  // outlives the builds that count themselves
  World w;
  block_steps(w, running);
  const Deployment building = w.submit("shop", slow_build, slow_options).value();
  eventually([&] { return running == 1; });
  ASSERT_TRUE(w.service.remove({}, building));
  w.settled(building.id);
  eventually([&] { return w.pipeline.counts().active == 0; });
  EXPECT_EQ(w.repository->get(building.id).value().state, DeploymentState::deleted);
  EXPECT_EQ(w.shown(w.host(building)), "deleted");
}

TEST(Stopping, TheServerLeavesUnfinishedDeploymentsToBeTakenUpAgain) {
  std::atomic<int> running = 0;  // outlives the builds that count themselves
  World w;
  block_steps(w, running);
  const Deployment building = w.submit("shop", slow_build, slow_options).value();
  eventually([&] { return running == 1; });
  w.pipeline.shut_down();
  EXPECT_EQ(w.repository->get(building.id).value().state, DeploymentState::building);
}

TEST(Removing, HidesADeploymentAndUndoBringsItBack) {
  World w;
  const Deployment first = w.deploy("shop", site), second = w.deploy("shop", next_site);
  ASSERT_TRUE(w.service.remove({}, second).has_value());
  EXPECT_EQ(w.shown(w.host(second)), "deleted");
  EXPECT_EQ(w.site_at("preview--shop.localhost"), first.id);
  const Deployment back = w.service.undo({}, {}).value();
  EXPECT_EQ(back.id, second.id);
  EXPECT_EQ(back.state, DeploymentState::ready);
  EXPECT_EQ(w.site_at("preview--shop.localhost"), second.id);
  EXPECT_EQ(w.service.undo({}, {}).error().code, Errc::not_found);
}

TEST(Removing, WhatAPersonTookAwayNoAgentOfAnotherBringsBack) {
  World w;
  const AuditContext ann{.actor = {.kind = "human", .name = "ann"}, .role = "admin"};
  const auto agent_of = [](std::string person) {
    return AuditContext{
        .actor = {.kind = "agent", .name = "coder", .on_behalf_of = std::move(person)},
        .role = "deployer"};
  };
  const Deployment site_of_ann = w.deploy("shop", site);
  ASSERT_TRUE(w.service.remove(ann, site_of_ann));
  ASSERT_EQ(w.repository->get(site_of_ann.id)->deleted_by->name, "ann");
  for (const auto& which : {std::optional<DeploymentId>(), std::optional(site_of_ann.id)})
    EXPECT_EQ(w.service.undo(agent_of("bob"), which).error().code, Errc::permission_denied);
  EXPECT_EQ(w.shown(w.host(site_of_ann)), "deleted");
  EXPECT_TRUE(w.service.undo(agent_of("ann"), site_of_ann.id));
  EXPECT_FALSE(w.repository->get(site_of_ann.id)->deleted_by);
}

// Its layers went when it expired: it would come back as a 502, and its alias would follow it.
TEST(Removing, WhatCannotServeAnyMoreIsNotBroughtBack) {
  World w;
  const Deployment first = w.deploy("shop", site);
  Deployment expired = first;
  expired.id = DeploymentId::random();
  expired.artifact = {.layers = {"install-gone"}, .start = "./serve"};
  expired.state = DeploymentState::expired;
  expired = w.repository->add({}, expired, {}).value();
  ASSERT_TRUE(w.service.remove({}, expired));
  const auto back = w.service.undo({}, expired.id);
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().code, Errc::failed_precondition);
  EXPECT_EQ(back.error().next.at(0).command, "slipway redeploy " + expired.id.str());
  EXPECT_EQ(w.repository->get(expired.id)->state, DeploymentState::deleted);
  EXPECT_EQ(w.site_at("preview--shop.localhost"), first.id);
}

TEST(Removing, IsForeverAfterTwoDays) {
  World w;
  const Deployment deployment = w.deploy("shop", site);
  ASSERT_TRUE(w.service.remove({}, deployment).has_value());
  w.clock.advance(49h);
  EXPECT_EQ(w.service.undo({}, {}).error().code, Errc::not_found);
  ASSERT_TRUE(w.housekeeping.collect_garbage().has_value());
  EXPECT_EQ(w.repository->get(deployment.id).error().code, Errc::not_found);
}

// Who expires it read it before it was removed.
TEST(Removing, IsNotTakenBackByAnExpiryOnItsWay) {
  World w;
  const Deployment before = w.deploy("shop", site);
  ASSERT_TRUE(w.service.remove({}, before));
  EXPECT_EQ(w.service.expire({}, before, "its time to live passed").error().code, Errc::conflict);
  EXPECT_EQ(w.repository->get(before.id)->state, DeploymentState::deleted);
  EXPECT_EQ(w.shown(w.host(before)), "deleted");
}

TEST(Expiring, EndsAPreviewAtItsTime) {
  World w;
  const Deployment deployment = w.deploy("shop", site, {.ttl = 1h});
  ASSERT_TRUE(w.housekeeping.expire_previews());
  EXPECT_EQ(w.shown(w.host(deployment)), "site");
  w.clock.advance(61min);
  ASSERT_TRUE(w.housekeeping.expire_previews());
  EXPECT_EQ(w.shown(w.host(deployment)), "expired");
  EXPECT_EQ(w.shown("preview--shop.localhost"), "expired");
  EXPECT_EQ(w.repository->get(deployment.id).value().state, DeploymentState::expired);
}

TEST(Expiring, BeyondTheCapTheLeastRecentlyUsedGoes) {
  World w;
  w.settings.previews.max_total = 2;
  const Deployment a = w.deploy("a", site), b = w.deploy("b", site), c = w.deploy("c", site);
  ASSERT_TRUE(w.housekeeping.expire_previews());
  EXPECT_EQ(w.repository->live_count().value(), 2u);
}

TEST(Finding, TakesEveryFormOfAReference) {
  World w;
  const Deployment deployment = w.deploy("shop", site, {.alias = "main"});
  for (const std::string& reference :
       {deployment.id.str(), std::string(deployment.id.tail()),
        std::string(deployment.id.tail().substr(0, 5)), w.host(deployment),
        w.service.url(deployment) + "/x", std::string("shop"), std::string("main--shop")}) {
    const auto found = w.service.find(reference);
    ASSERT_TRUE(found.has_value()) << reference;
    EXPECT_EQ(found->id, deployment.id) << reference;
  }
  EXPECT_EQ(w.service.find("nope").error().code, Errc::not_found);
  EXPECT_EQ(w.service.find("%").error().code, Errc::not_found);
}

TEST(Redeploying, MakesItAgainFromTheRecordedSource) {
  World w;
  const Deployment first = w.deploy("shop", site);
  const Deployment again = w.settled(w.service.redeploy({}, first, "", {}).value().id);
  EXPECT_EQ(again.state, DeploymentState::ready);
  EXPECT_EQ(again.source, first.source);
  EXPECT_NE(again.id, first.id);
}

TEST(Keys, AreNotShownByNameAndPublicCertificatesAre) {
  World w;
  const std::string key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n",
                    certificate = "-----BEGIN CERTIFICATE-----\nMIID\n";
  const Deployment refused = w.deploy("shop", {{"index.html", "x"}, {"key.pem", key}});
  ASSERT_EQ(refused.state, DeploymentState::failed);
  EXPECT_EQ(refused.error->code, Errc::denied_by_policy);
  EXPECT_EQ(refused.error->cause, "no-key-files");
  EXPECT_EQ(refused.error->excerpt.at(0), "no-key-files: key.pem holds a secret (private key)");
  EXPECT_EQ(w.deploy("shop", {{"index.html", "x"}, {"ca.pem", certificate}}).state,
            DeploymentState::ready);
  // In the files that a site serves, a test's key is as public as any.
  EXPECT_EQ(w.deploy("shop", {{"index.html", "x"}, {"test/id_rsa", "k"}}).state,
            DeploymentState::failed);
}

// Fails, and prints what it was given, as tools do that cannot connect.
void print_and_fail(World& w, const std::string& only) {
  w.engine.on_step([only](const SandboxSpec& spec, const StepRunner::OutputSink& output,
                          std::stop_token) -> Result<StepRunner::Outcome> {
    if (spec.argv.empty() || !spec.argv.back().contains(only))
      return StepRunner::Outcome{.exit = {.code = 0}};
    for (const auto& [name, value] : spec.env) output(name + " is " + value + "\n");
    return StepRunner::Outcome{.exit = {.code = 3}};
  });
}

TEST(Secrets, AreInNoErrorOfAnyStepNorInTheDatabase) {
  for (const std::string step : {"build", "release"}) {
    World w;
    ASSERT_TRUE(w.environments.change({}, "shop", "preview",
                                      {.set = {{.name = "KEY",
                                                .value = "configured-canary",
                                                .kind = VarKind::both,
                                                .disclosure = Disclosure::secret}}}));
    DeployOptions options{.env = {{"STRIPE_KEY", "given-canary"}},
                          .build_env = {{"BUILD_KEY", "built-canary"}},
                          .build = "build-it",
                          .start = "./serve"};
    if (step == "release") options.release = "release-it";
    print_and_fail(w, step + "-it");
    const Deployment failed = w.deploy("shop", {{"serve", "x"}}, options);
    ASSERT_EQ(failed.state, DeploymentState::failed) << step;
    ASSERT_FALSE(failed.error->excerpt.empty()) << step;
    std::string said = failed.error->message + failed.error->hint;
    for (const std::string& line : failed.error->excerpt) said += line;
    EXPECT_TRUE(said.contains("*****")) << said;
    EXPECT_FALSE(said.contains("canary")) << said;
    {
      auto session = w.stores.database->read();
      Statement query = session.prepare("SELECT record FROM deployment").value();
      ASSERT_TRUE(query.step().value());
      EXPECT_FALSE(query.text(0).contains("canary"));
    }
    EXPECT_TRUE(w.repository->get(failed.id)->options.env.at("STRIPE_KEY") == "given-canary");
  }
}

TEST(Garbage, LogsOfWhatIsNotThereAnyMoreGo) {
  World w;
  const Deployment deployment = w.deploy("shop", site);
  const auto logs = w.settings.data / "logs";
  const std::string forgotten = DeploymentId::random().str();
  for (const std::string& name : {forgotten, deployment.id.str(), std::string("releases")})
    ASSERT_TRUE(make_directories(logs / name / "build"));
  ASSERT_TRUE(w.housekeeping.collect_garbage().has_value());
  EXPECT_FALSE(std::filesystem::exists(logs / forgotten));
  EXPECT_TRUE(std::filesystem::exists(logs / deployment.id.str()));
  EXPECT_TRUE(std::filesystem::exists(logs / "releases"));
}

TEST(Garbage, KeepsWhatADeploymentNeeds) {
  World w;
  const Deployment deployment = w.deploy("shop", site);
  ASSERT_TRUE(w.housekeeping.collect_garbage().has_value());
  EXPECT_TRUE(w.blobs.contains(deployment.source));
  EXPECT_TRUE(w.blobs.contains(sha256("<h1>one</h1>")));
}

}  // namespace
}  // namespace slipway
