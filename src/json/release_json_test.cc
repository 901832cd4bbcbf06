#include "json/release_json.h"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>
#include <limits>

namespace slipway {
namespace {

using namespace std::chrono_literals;

Rollout full() {
  Rollout out;
  out.id = RolloutId::random();
  out.kind = RolloutKind::rollback;
  out.project = "shop";
  out.environment = "production";
  out.from = 7;
  out.to = 6;
  out.deployment = DeploymentId::random();
  out.state = RolloutState::watching;
  out.reason = "why";
  out.automatic = true;
  out.actor = {.kind = "agent", .name = "bot", .on_behalf_of = "ann", .chain = {"human:ann"}};
  out.message = "message";
  out.canary = {5, 25};
  out.canary_step = 90s;
  out.smoke = {{.path = "/a", .status = 204}};
  out.restore = "snp_aaaaaaaaaa";
  out.created_at = Timestamp{1'800'000'000s};
  out.switched_at = out.created_at + 1s;
  out.ended_at = out.created_at + 2s;
  out.switch_micros = 42;
  out.steps = {{.name = "start", .state = "done", .started_ms = 1, .took_ms = 2, .detail = "x"}};
  out.verdicts = {{.percent = 5,
                   .says = "advance",
                   .at = out.created_at,
                   .evidence = {{.metric = "errors",
                                 .says = "ok",
                                 .e_value = 0.5,
                                 .threshold = 400,
                                 .count = 1,
                                 .of = 2,
                                 .baseline_count = 3,
                                 .baseline_of = 4,
                                 .detail = "d"}},
                   .decision = "dec_aaaaaaaaaa"}};
  out.snapshot = "snp_bbbbbbbbbb";
  out.decision = "dec_bbbbbbbbbb";
  out.approval = "apr_aaaaaaaaaa";
  out.artifact = sha256("x");
  out.error = Error{.code = Errc::start_failed, .message = "no"};
  return out;
}

TEST(ReleaseJson, RolloutsComeBackAsTheyWere) {
  for (const Rollout& rollout : {full(), [] {
                                   Rollout plain;
                                   plain.id = RolloutId::random();
                                   plain.project = "a";
                                   plain.environment = "b";
                                   return plain;
                                 }()}) {
    const auto text = json::serialize(to_json(rollout));
    const auto back = rollout_from_json(parse_json(text).value());
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, rollout);
  }
}

TEST(ReleaseJson, InfiniteEvidenceIsStillJson) {
  Rollout rollout = full();
  rollout.verdicts[0].evidence[0].e_value = std::numeric_limits<double>::infinity();
  const auto back = rollout_from_json(parse_json(json::serialize(to_json(rollout))).value());
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_GT(back->verdicts[0].evidence[0].e_value, 1e300);
}

TEST(ReleaseJson, ReleasesAndEnvironmentsComeBackAsTheyWere) {
  Release release{.project = "shop",
                  .environment = "qa",
                  .number = 3,
                  .deployment = DeploymentId::random(),
                  .config_version = 2,
                  .artifact = sha256("y"),
                  .message = "m",
                  .actor = {.name = "ann"},
                  .created_at = Timestamp{1s},
                  .rollout = RolloutId::random(),
                  .decision = "dec_aaaaaaaaaa",
                  .live_at = Timestamp{2s},
                  .release_layers = {{"", "l1"}, {"api", "l2"}},
                  .kept = false};
  EXPECT_EQ(release_from_json(to_json(release)).value(), release);
  const EnvironmentState state{.project = "shop",
                               .environment = "qa",
                               .current = 3,
                               .previous = 2,
                               .active = RolloutId::random(),
                               .paused = "p",
                               .frozen_until = Timestamp{5s},
                               .instances = 3};
  EXPECT_EQ(environment_state_from_json(to_json(state)).value(), state);
}

TEST(ReleaseJson, WhatIsWrongIsNamed) {
  json::object wrong = to_json(full());
  const auto says = [&](std::string_view member, json::value value) {
    json::object changed = wrong;
    changed[member] = std::move(value);
    const auto read = rollout_from_json(changed);
    return read ? std::string() : read.error().message;
  };
  EXPECT_NE(says("state", "flying").find("rollout.state"), std::string::npos);
  EXPECT_NE(says("kind", nullptr).find("rollout.kind"), std::string::npos);
  EXPECT_NE(says("id", "dpl_x").find("rollout.id"), std::string::npos);
  EXPECT_NE(says("canary", json::array{400}).find("canary"), std::string::npos);
  EXPECT_NE(says("artifact", "abc").find("rollout.artifact"), std::string::npos);
}

TEST(ArtifactDigest, SaysWhatRunsAndNothingElse) {
  Deployment deployment;
  deployment.id = DeploymentId::random();
  deployment.artifact = {.layers = {"a", "b"}, .start = "run", .env = {{"K", "v"}}};
  const Digest digest = artifact_digest(deployment);
  Deployment same = deployment;
  same.id = DeploymentId::random();
  same.message = "another";
  same.artifact.release_layer = "of the preview";
  EXPECT_EQ(artifact_digest(same), digest);
  const auto differs = [&](auto change) {
    Deployment other = deployment;
    change(other);
    return artifact_digest(other) != digest;
  };
  EXPECT_TRUE(differs([](Deployment& d) { d.artifact.layers = {"ab"}; }));
  EXPECT_TRUE(differs([](Deployment& d) { d.artifact.layers = {"b", "a"}; }));
  EXPECT_TRUE(differs([](Deployment& d) { d.artifact.start += "x"; }));
  EXPECT_TRUE(differs([](Deployment& d) { d.artifact.env["K"] = "w"; }));
  EXPECT_TRUE(differs([](Deployment& d) { d.artifact.toolchains = {"node@20"}; }));
  EXPECT_TRUE(differs([](Deployment& d) { d.artifact.port = 1; }));
  EXPECT_TRUE(differs([](Deployment& d) { d.artifact.site = sha256("s"); }));
  EXPECT_TRUE(differs([](Deployment& d) { d.companions.push_back({.label = "w"}); }));
}

}  // namespace
}  // namespace slipway
