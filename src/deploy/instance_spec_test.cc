#include "deploy/instance_spec.h"

#include <gtest/gtest.h>

#include "deploy/testing/world.h"
#include "deploy/units.h"
#include "deploy/wire_values.h"
#include "model/release.h"

namespace slipway {
namespace {

using testing::World;

class InstanceSpecTest : public ::testing::Test {
 protected:
  InstanceSpecTest() {
    deployment.id = *DeploymentId::parse("dpl_abcdefghij");
    deployment.project = "shop";
    deployment.alias = "preview";
    for (const char* name : {"web", "api"}) {
      Service service;
      service.name = name;
      service.kind = "web";
      deployment.plan.services.push_back(service);
    }
    deployment.plan.services[0].needs = {"api"};
    deployment.options.env = {{"ONLY_HERE", "1"}, {"KEY", "of -e"}};
    choose_units(deployment);
    deployment.artifact.start = "web";
    deployment.artifact.port = 3000;
  }
  Result<SandboxSpec> spec(const Placement& placement, std::string_view label = {}) {
    return instance_spec({.settings = w.settings,
                          .repository = *w.repository,
                          .layers = w.layers,
                          .builder = w.builder,
                          .names = w.names,
                          .environments = w.environments},
                         deployment, find_unit(deployment, label).value(), "sandbox", {},
                         placement);
  }
  void configure(const std::string& environment, const std::string& value) {
    const auto changed =
        w.environments.change({}, "shop", environment, {.set = {{.name = "KEY", .value = value}}});
    ASSERT_TRUE(changed) << changed.error().message;
  }

  World w;
  Deployment deployment;
};

TEST_F(InstanceSpecTest, APreviewHasItsOwnNamesAndOptions) {
  const SandboxSpec made = spec({}).value();
  EXPECT_EQ(made.cgroup, "previews");
  EXPECT_EQ(made.env.at("SLIPWAY_ENVIRONMENT"), "preview");
  EXPECT_EQ(made.env.at("SLIPWAY_URL"), "http://shop-abcdefghij.localhost:7070");
  EXPECT_EQ(made.env.at("KEY"), "of -e");
  EXPECT_FALSE(made.env.contains("SLIPWAY_RELEASE"));
}

TEST_F(InstanceSpecTest, AReleaseHasItsEnvironmentsValuesNamesAndUidsAndNoOptionsOfThePreview) {
  ASSERT_TRUE(w.repository->ensure_project({}, "shop", w.clock.now()));
  configure("preview", "of previews");
  configure("production", "first");
  configure("production", "second");
  const Placement placement{
      .environment = std::string(production_environment),
      .config_version = 1,
      .cgroup = "production",
      .uid_owner = "env:shop/production",
      .release = 7,
      .volumes = {{.source = "/v", .target = "/app/data"}},
      .host =
          [&](std::string_view label) { return w.names.release_host("shop", "production", label); },
      .labels = {{"release", "7"}}};
  const SandboxSpec made = spec(placement).value();
  EXPECT_EQ(made.cgroup, "production");
  EXPECT_EQ(made.root.upper_kind, SandboxRoot::Upper::image) << "the kernel keeps its limit";
  EXPECT_EQ(made.env.at("SLIPWAY_ENVIRONMENT"), "production");
  EXPECT_EQ(made.env.at("SLIPWAY_RELEASE"), "7");
  EXPECT_EQ(made.env.at("SLIPWAY_URL"), "http://shop.localhost:7070");
  EXPECT_EQ(made.env.at("API_URL"), "http://api--production--shop.localhost:7070");
  EXPECT_EQ(made.env.at("KEY"), "first");
  EXPECT_FALSE(made.env.contains("ONLY_HERE"));
  EXPECT_NE(made.uid_slot, spec({}).value().uid_slot);
  EXPECT_EQ(made.uid_slot, spec(placement, "api").value().uid_slot);
  ASSERT_FALSE(made.root.binds.empty());
  EXPECT_EQ(made.root.binds[0].access, BindMount::Access::read_write);
  EXPECT_NE(std::ranges::find(made.labels, std::pair<std::string, std::string>{"release", "7"}),
            made.labels.end());
  const std::string hosts = read_file(w.directory.path() / "instances/sandbox/hosts", 4096).value();
  EXPECT_NE(hosts.find("shop.localhost"), std::string::npos) << hosts;
}

TEST_F(InstanceSpecTest, AReleaseTakesItsOwnReleaseLayerNotThePreviews) {
  deployment.artifact.release_layer = "gone";
  EXPECT_EQ(spec({}).error().code, Errc::corrupt);
  EXPECT_TRUE(spec({.release = 1}));
  EXPECT_EQ(spec({.release = 1, .release_layer = "gone too"}).error().code, Errc::corrupt);
}

TEST_F(InstanceSpecTest, AddressesThatABuildBakedInAreFilledInWhereItRuns) {
  deployment.plan.services[0].wires = {
      {.env = "NEXT_PUBLIC_API_URL", .service = "api", .value = "{url}/v1", .when = "build"},
      {.env = "SOCKET", .service = "api", .value = "ws://{host}:{port}", .when = "build"},
      {.env = "API_HOST", .service = "api", .value = "{host}", .when = "build"},
      {.env = "AT_RUN_TIME", .service = "api", .value = "{url}", .when = "run"}};
  const Unit web = find_unit(deployment, "").value();
  const EnvVars told = build_wires(deployment, web);
  EXPECT_EQ(told.size(), 3u);
  const std::string text = told.at("NEXT_PUBLIC_API_URL") + " " + told.at("SOCKET") + " " +
                           told.at("API_HOST") + R"( "http:\/\/api.slipway-wire.invalid\/v1")";
  const auto host = [&](std::string_view label) {
    return w.names.release_host("shop", "production", label);
  };
  EXPECT_EQ(wire_script(run_wires(deployment, web, w.names, host)), "") << "nothing is wired";
  deployment.artifact.wired = {".next/a b.js"};
  const FilledWires wires = run_wires(deployment, web, w.names, host);
  const std::string at = "api--production--shop.localhost";
  EXPECT_EQ(fill_wires(text, wires), "http://" + at + ":7070/v1 ws://" + at + ":7070 " + at +
                                         R"( "http:\/\/)" + at + R"(:7070\/v1")");
  const std::string script = spec({}).value().argv.back();
  EXPECT_TRUE(script.starts_with("sed -i")) << script;
  EXPECT_TRUE(script.ends_with("-- '/app/.next/a b.js' || exit\nweb")) << script;
}

}  // namespace
}  // namespace slipway
