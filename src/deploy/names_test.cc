#include "deploy/names.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

Deployment deployment_of(std::string project) {
  Deployment deployment;
  deployment.id = *DeploymentId::parse("dpl_abcdefghij");
  deployment.project = std::move(project);
  return deployment;
}

TEST(Names, MakeHostsAndUrls) {
  const Names names("localhost", 7070);
  EXPECT_EQ(names.deployment_host(deployment_of("shop")), "shop-abcdefghij.localhost");
  EXPECT_EQ(names.alias_host("shop", "main"), "main--shop.localhost");
  EXPECT_EQ(names.url("shop.localhost"), "http://shop.localhost:7070");
  EXPECT_EQ(Names("example.com", 80).url("shop.example.com"), "http://shop.example.com");
}

TEST(Names, ReleasesHaveTheShortestHost) {
  const Names names("localhost", 7070);
  EXPECT_EQ(names.release_host("shop", "production"), "shop.localhost");
  EXPECT_EQ(names.release_host("shop", "production", "api"), "api--production--shop.localhost");
  EXPECT_EQ(names.release_host("shop", "staging"), "staging--shop.localhost");
  EXPECT_EQ(names.release_host("shop", "staging", "api"), "api--staging--shop.localhost");
  const std::string project(40, 'p'), label(40, 'l');
  const std::string host = names.release_host(project, "quality-assurance-of-summer", label);
  EXPECT_LE(host.find('.'), 63u);
  EXPECT_NE(host, names.release_host(project, "quality-assurance-of-winter", label));
}

TEST(Names, FindTheLabelInWhateverPeoplePaste) {
  const Names names("localhost", 7070);
  EXPECT_EQ(names.label_of("http://Shop-abcdefghij.localhost:7070/x?y"), "shop-abcdefghij");
  EXPECT_EQ(names.label_of("main--shop.localhost"), "main--shop");
  EXPECT_EQ(names.label_of("shop.example.com"), std::nullopt);
  EXPECT_EQ(names.label_of("localhost"), std::nullopt);
}

TEST(Names, KnowTheTailOfADeploymentHost) {
  EXPECT_EQ(Names::tail_of_host("shop-abcdefghij"), "abcdefghij");
  EXPECT_EQ(Names::tail_of_host("shop-abcdefgh1j"), "");  // 1 is no letter of ids
  EXPECT_EQ(Names::tail_of_host("abcdefghij"), "");
}

TEST(CheckNames, RefusesWhatCouldClaimAnothersHost) {
  EXPECT_TRUE(check_names("shop", "preview"));
  // Every legal label is a project's; what exists decides (db/host_names.h).
  for (const std::string_view project : {"task-management", "my-dashboards", "shop-basketball"})
    EXPECT_TRUE(check_names(project, "preview"));
  EXPECT_FALSE(check_names("a--b", "preview"));
  EXPECT_FALSE(check_names("Shop", "preview"));
  EXPECT_FALSE(check_names("shop", "production"));
  EXPECT_FALSE(check_names("shop", "staging"));
  EXPECT_FALSE(check_names("shop", ""));
  EXPECT_FALSE(check_names("shop", "../etc"));
  EXPECT_FALSE(check_names(std::string(38, 'a'), std::string(38, 'b')));
}

}  // namespace
}  // namespace slipway
