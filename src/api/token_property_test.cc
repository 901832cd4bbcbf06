// Tokens that make tokens, at random: what comes of one never does what that could not.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <boost/json/serialize.hpp>
#include <ranges>

#include "api/identity_json.h"
#include "api/testing/api_world.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;
using testing::ApiWorld;
using testing::json_of;

// Numbers that say how a token is narrowed, so that a failure shrinks to few of them.
struct Wish {
  unsigned projects, environments, actions, deploys, ttl, agent, member;
};
std::ostream& operator<<(std::ostream& out, const Wish& wish) {
  return out << fmt::format(
             "projects {} environments {} actions {} deploys {} ttl {} agent {}"
             " member {}",
             wish.projects % 4, wish.environments % 4, wish.actions % 5, wish.deploys % 4,
             wish.ttl % 4, wish.agent % 5, wish.member % 4);
}

json::object body_of(const Wish& wish) {
  json::object out;
  const std::array<const char*, 2> projects{"shop", "site"}, environments{"preview", "production"};
  if (wish.projects % 4 < 2) out["projects"] = json::array{projects[wish.projects % 4]};
  if (wish.environments % 4 < 2)
    out["environments"] = json::array{environments[wish.environments % 4]};
  if (wish.actions % 5 == 1) out["actions"] = json::array{"read", "deploy", "token_create"};
  if (wish.actions % 5 == 2)
    out["actions"] = json::array{"read", "team_manage", "token_create", "token_revoke"};
  if (wish.deploys % 4 == 1) out["deploys"] = 1;
  if (wish.ttl % 4 == 1) out["ttl_ms"] = 3'600'000;
  if (wish.ttl % 4 == 2) out["ttl_ms"] = 50 * 3'600'000;
  if (wish.agent % 5 == 1) out["agent"] = "coder";
  const std::array<const char*, 4> members{"", "ann", "cat", "eve"};
  if (const char* member = members[wish.member % 4]; *member != '\0') {
    out["member"] = member;
    if (wish.member % 4 == 3) out["team"] = "makers";
  }
  return out;
}

struct Tokens {
  ApiWorld w{"name = \"none\"\n"};
  Tokens() {
    IdentityStore& identity = *w.stores().identity;
    identity.create_team({}, "makers").value();
    identity.give_project({}, "default", "shop").value();
    identity.give_project({}, "makers", "site").value();
    std::ignore = w.token_of("ann", Role::deployer);
    std::ignore = w.token_of("cat", Role::admin);
    std::ignore = w.token_of("eve", Role::admin, "makers");
  }
  // What `child` may and `parent` may not; "" when there is nothing.
  std::string wider(const std::string& child, const std::string& parent) {
    IdentityStore& identity = *w.stores().identity;
    const auto made = identity.authenticate(child), from = identity.authenticate(parent);
    if (!made) return "";
    if (!from) return "anything: what it was made with works no more";
    for (const Permission permission : all_permissions)
      for (const char* project : {"", "shop", "site", "new"})
        for (const char* environment : {"", "preview", "staging", "production", "*"})
          if (identity.authorize(*made, permission, project, environment) &&
              !identity.authorize(*from, permission, project, environment))
            return fmt::format("{} {} {}", to_string(permission), project, environment);
    if (reach_server(*made) && !reach_server(*from)) return "the server";
    if (reach_team(*made, "makers") && !reach_team(*from, "makers")) return "another team";
    if (from->deploys_left && (!made->deploys_left || *made->deploys_left > *from->deploys_left))
      return "more deploys";
    return "";
  }
};

RC_GTEST_PROP(Tokens, MadeWithOneDoNothingThatItCouldNot, ()) {
  const auto any = rc::gen::inRange(0u, 60u);
  const auto wishes = *rc::gen::container<std::vector<Wish>>(
      4, rc::gen::construct<Wish>(any, any, any, any, any, any, any));
  const bool of_a_team = *rc::gen::arbitrary<bool>();
  Tokens t;
  std::vector<std::string> chain;
  const auto root = restriction_from_json(body_of(wishes.front()), t.w.world.clock.now());
  Restriction first = *root;
  first.agent.clear();
  chain.push_back(
      t.w.stores()
          .identity
          ->create_token({}, {of_a_team ? "makers" : "default", of_a_team ? "eve" : "cat", first})
          .value()
          .text);
  for (std::size_t i = 1; i < wishes.size(); ++i) {
    const ApiResponse response =
        t.w.call(chain.back(), "POST", "/v1/tokens", json::serialize(body_of(wishes[i])));
    RC_ASSERT(response.status < 500);
    RC_TAG(response.status);
    if (response.status == 201) chain.emplace_back(json_of(response).at("token").as_string());
  }
  for (int later = 0; later < 3; ++later) {
    for (std::size_t i = 1; i < chain.size(); ++i) {
      const std::string wider = t.wider(chain[i], chain[i - 1]);
      if (!wider.empty())
        RC_FAIL(fmt::format("the {}. token of the chain may {} after {}", i, wider,
                            fmt::join(wishes | std::views::transform([](const Wish& each) {
                                        return json::serialize(body_of(each));
                                      }),
                                      " then ")));
    }
    t.w.world.clock.advance(26h);
  }
}

}  // namespace
}  // namespace slipway
