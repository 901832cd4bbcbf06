#include "deploy/units.h"

#include <gtest/gtest.h>

#include "deploy/instance_spec.h"

namespace slipway {
namespace {

Service service(std::string name, std::string kind, std::vector<std::string> needs = {}) {
  Service out{.name = std::move(name), .kind = std::move(kind)};
  out.start = "run";
  out.needs = std::move(needs);
  return out;
}

Deployment planned(std::vector<Service> services, DeployOptions options = {}) {
  Deployment out;
  out.id = DeploymentId::parse("dpl_abcdefghij").value();
  out.project = "shop";
  out.alias = "preview";
  out.plan.services = std::move(services);
  out.options = std::move(options);
  choose_units(out);
  return out;
}

TEST(Units, TheFirstIsTheOneThatNobodyNeeds) {
  const Deployment d = planned({service("api", "web"), service("web", "web", {"api"})});
  EXPECT_EQ(d.first, "web");
  ASSERT_EQ(d.companions.size(), 1u);
  EXPECT_EQ(d.companions[0].label, "api");
  EXPECT_TRUE(d.companions[0].runs);
}

TEST(Units, WorkersRunWhenAskedForOrWhenThereIsNothingElse) {
  const std::vector<Service> both{service("web", "web"), service("jobs", "worker")};
  EXPECT_FALSE(planned(both).companions.at(0).runs);
  EXPECT_TRUE(planned(both, {.with_workers = true}).companions.at(0).runs);
  const Deployment bot = planned({service("bot", "bot")});
  EXPECT_TRUE(units_of(bot).at(0).runs);
  EXPECT_FALSE(units_of(bot).at(0).is_routed());
}

TEST(Units, SchedulesRunOnlyWhenAskedFor) {
  const std::vector<Service> both{service("web", "web"), service("nightly", "cron")};
  EXPECT_FALSE(planned(both, {.with_workers = true}).companions.at(0).runs);
  EXPECT_TRUE(planned(both, {.with_schedules = true}).companions.at(0).runs);
  EXPECT_FALSE(units_of(planned({service("nightly", "cron")})).at(0).runs);
}

TEST(Units, LabelsAreSlugsAndUnique) {
  const Deployment d =
      planned({service("web", "web"), service("@acme/api", "web"), service("acme api", "web")});
  ASSERT_EQ(d.companions.size(), 2u);
  EXPECT_NE(d.companions[0].label, d.companions[1].label);
  for (const Companion& each : d.companions)
    EXPECT_EQ(each.label.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-"),
              std::string::npos);
}

TEST(Units, EachIsToldWhereTheOthersAre) {
  Service web = service("web", "web", {"api"});
  web.wires = {{.env = "BACKEND", .service = "api", .value = "{host}:{port}/v1"},
               {.env = "VITE_API", .service = "api", .when = "build"}};
  const Deployment d = planned({web, service("api", "web")});
  const Names names("localhost", 7070);
  const Unit first = units_of(d).at(0), api = units_of(d).at(1);
  const std::string host = "api--shop-abcdefghij.localhost";
  EXPECT_EQ(sibling_variables(d, first, names, "run"),
            (EnvVars{{"API_URL", "http://" + host + ":7070"},
                     {"BACKEND", host + ":7070/v1"},
                     {"VITE_API", "http://" + host + ":7070"}}));
  EXPECT_EQ(sibling_variables(d, first, names, "build"),
            (EnvVars{{"VITE_API", "http://" + host + ":7070"}}));
  EXPECT_EQ(sibling_variables(d, api, names, "run"),
            (EnvVars{{"WEB_URL", "http://shop-abcdefghij.localhost:7070"}}));
}

TEST(Units, WhatSlipwayProvidesNobodyHasToSet) {
  Service web = service("web", "web", {"api"});
  web.env = {{.name = "BACKEND"}, {.name = "API_URL"}, {.name = "NODE_ENV"}, {.name = "SECRET"}};
  web.wires = {{.env = "BACKEND", .service = "api"}};
  Service api = service("api", "web");
  api.env = {{.name = "BACKEND"}};
  Deployment d = planned({web, service("api", "web")});
  artifact_of(d, "").env = {{"NODE_ENV", "production"}};
  EXPECT_TRUE(is_provided(d, "BACKEND"));
  EXPECT_TRUE(is_provided(d, "API_URL"));
  EXPECT_TRUE(is_provided(d, "NODE_ENV"));
  EXPECT_FALSE(is_provided(d, "SECRET"));
  EXPECT_FALSE(is_provided(d, "NOBODY_READS_IT"));
  EXPECT_FALSE(is_provided(planned({web, api}), "BACKEND")) << "the api reads it, too";
}

TEST(Units, ALongNameStillFitsIntoAHost) {
  const Deployment d = planned({service("web", "web")});
  const Names names("localhost", 7070);
  const std::string host = names.unit_host(d, std::string(60, 'x'));
  EXPECT_LE(host.find('.'), 63u);
  EXPECT_TRUE(host.ends_with("--shop-abcdefghij.localhost")) << host;
  EXPECT_NE(host, names.unit_host(d, std::string(59, 'x')));
  EXPECT_EQ(names.unit_alias_host("shop", "preview", "api"), "api--preview--shop.localhost");
}

}  // namespace
}  // namespace slipway
