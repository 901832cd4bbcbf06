#include "router/route_table.h"

#include <gtest/gtest.h>

#include <thread>

#include "router/path_rules.h"

namespace slipway {
namespace {

RouteTarget page(std::string kind) {
  return std::make_shared<const StatusPage>(StatusPage{.kind = std::move(kind)});
}
std::string kind_at(const RouteTable& table, std::string_view host) {
  const auto target = table.find(host);
  return target ? std::get<std::shared_ptr<const StatusPage>>(*target)->kind : "";
}

TEST(RouteTable, PublishesReplacesAndRemoves) {
  RouteTable table;
  EXPECT_FALSE(table.find("a").has_value());
  table.publish({{"a", page("1")}, {"b", page("2")}});
  EXPECT_EQ(kind_at(table, "a"), "1");
  EXPECT_EQ(table.size(), 2u);
  table.publish({{"a", page("3")}, {"b", std::nullopt}, {"never", std::nullopt}});
  EXPECT_EQ(kind_at(table, "a"), "3");
  EXPECT_FALSE(table.find("b").has_value());
  EXPECT_EQ(table.size(), 1u);
}

TEST(RouteTable, TheLastChangeOfAHostWins) {
  RouteTable table;
  table.publish({{"a", page("1")}, {"a", std::nullopt}, {"a", page("2")}});
  EXPECT_EQ(kind_at(table, "a"), "2");
  EXPECT_EQ(table.size(), 1u);
}

TEST(RouteTable, WhatServesAnEnvironmentComesBeforeWhatShowsAPreview) {
  using enum RouteTable::Claim;
  RouteTable table;
  table.publish({{"beta", page("alias")}});
  table.publish({{"beta", page("environment")}, {"qa", page("environment")}}, environment);
  EXPECT_EQ(kind_at(table, "beta"), "environment");
  // Neither a newer preview nor its removal takes the host.
  table.publish({{"beta", page("newer")}, {"qa", page("preview")}}, deployment);
  table.publish({{"qa", std::nullopt}}, deployment);
  EXPECT_EQ(kind_at(table, "beta"), "environment");
  EXPECT_EQ(kind_at(table, "qa"), "environment");
  table.publish({{"beta", page("environment 2")}}, environment);
  EXPECT_EQ(kind_at(table, "beta"), "environment 2");
  table.publish({{"beta", std::nullopt}, {"qa", std::nullopt}, {"x", std::nullopt}}, environment);
  EXPECT_EQ(kind_at(table, "beta"), "newer");
  EXPECT_FALSE(table.find("qa").has_value());
  EXPECT_EQ(table.size(), 1u);
  table.publish({{"beta", std::nullopt}}, deployment);
  EXPECT_EQ(table.size(), 0u);
}

TEST(RouteTable, HoldsManyRoutes) {
  RouteTable table;
  std::vector<std::pair<std::string, std::optional<RouteTarget>>> all;
  for (int i = 0; i < 20'000; ++i)
    all.emplace_back("h" + std::to_string(i), page(std::to_string(i)));
  table.publish(std::move(all));
  EXPECT_EQ(table.size(), 20'000u);
  for (int i = 0; i < 20'000; i += 77)
    EXPECT_EQ(kind_at(table, "h" + std::to_string(i)), std::to_string(i));
}

TEST(RouteTable, ReadersSeeEachPublicationWholeOrNotAtAll) {
  RouteTable table;
  table.publish({{"one", page("0")}, {"two", page("0")}});
  std::atomic<bool> stop{false};
  std::atomic<int> went_back{0};
  // Readers ask for the host that is listed last first: what it says, the other must say as well,
  // or something newer.
  std::thread reader([&] {
    while (!stop) {
      const int two = std::stoi(kind_at(table, "two"));
      const int one = std::stoi(kind_at(table, "one"));
      if (one < two) ++went_back;
    }
  });
  for (int i = 1; i < 2000; ++i)
    table.publish({{"one", page(std::to_string(i))}, {"two", page(std::to_string(i))}});
  stop = true;
  reader.join();
  EXPECT_EQ(went_back, 0);
}

class PathRulesOf : public ::testing::Test {
 protected:
  void SetUp() override {
    using Prefix = PathRules::Rule::Prefix;
    const auto site = PathRules::create(page("site"), {{"/api", "api", Prefix::kept},
                                                       {"/api/v2", "next", Prefix::taken},
                                                       {"/gone", "nowhere", Prefix::kept}});
    const auto own = PathRules::create(page("api"), {{"/api", "site", Prefix::kept}});
    table_.publish({{"site", RouteTarget(site)}, {"api", RouteTarget(own)}, {"next", page("v2")}});
  }
  // Who answers, at which host, and for which path.
  std::string answer(std::string host, std::string_view path) {
    std::string storage;
    const auto target = follow_path(table_, host, path, storage);
    if (!target) return "nothing";
    return std::get<std::shared_ptr<const StatusPage>>(*target)->kind + " " + host + " " +
           std::string(path);
  }
  RouteTable table_;
};

TEST_F(PathRulesOf, LeadToOtherHostsBySegmentAndTheLongestWins) {
  EXPECT_EQ(answer("site", "/"), "site site /");
  EXPECT_EQ(answer("site", "/apis"), "site site /apis");
  EXPECT_EQ(answer("site", "/api"), "api api /api");
  EXPECT_EQ(answer("site", "/api?q=1"), "api api /api?q=1");
  EXPECT_EQ(answer("site", "/api/v1/users"), "api api /api/v1/users");
}

TEST_F(PathRulesOf, TakeAPrefixAwayWhereAskedTo) {
  EXPECT_EQ(answer("site", "/api/v2/users?q=1"), "v2 next /users?q=1");
  EXPECT_EQ(answer("site", "/api/v2"), "v2 next /");
  EXPECT_EQ(answer("site", "/api/v2?q=1"), "v2 next /?q=1");
}

TEST_F(PathRulesOf, NeverFollowASecondHostsRules) {
  EXPECT_EQ(answer("site", "/api/api"), "api api /api/api");
  EXPECT_EQ(answer("site", "/gone"), "nothing");
  EXPECT_EQ(answer("unknown", "/"), "nothing");
}

}  // namespace
}  // namespace slipway
