// What stops an agent always works, whatever it has done before.
#include <gtest/gtest.h>

#include <random>

#include "db/stores.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

struct BrakesTest : ::testing::Test {
  ManualClock clock;
  const std::string local = "slp_" + random_secret();
  const TokenKey key{sha256("a key")};
  // Small, so that they are reached.
  const IdentityLimits limits{.uses = {.own = 12, .below = {60, 30, 12, 6}},
                              .revocations = {.own = 8, .below = {40, 20, 8, 4}},
                              .all_uses = 400,
                              .all_revocations = 200,
                              .killed_by_agents = 10};
  Stores stores = Stores::open(":memory:", clock, IdentitySecrets{key, local}).value();
  std::unique_ptr<IdentityStore> identity = opened();
  std::mt19937 random{1};

  std::unique_ptr<IdentityStore> opened() {
    return IdentityStore::open(*stores.database, *stores.audit, clock, {key, local}, limits)
        .value();
  }
  std::string token(const std::string& member, Role role, const std::string& team = "default") {
    EXPECT_TRUE(identity->set_member({}, team, member, role));
    return identity->create_token({}, {team, member, {}}).value().text;
  }
  static std::string narrowed(const std::string& text, Restriction restriction) {
    restriction.id = TokenId::random().str();
    const auto made = narrow(parse_token(text).value(), restriction);
    return made ? to_text(*made).value() : text;
  }
  static std::string id_of(const std::string& text) {
    const std::string path = parse_token(text).value().path();
    return std::string(last_id(path));
  }
  std::optional<Principal> use(const std::string& text) {
    auto principal = identity->authenticate(text);
    if (!principal) return std::nullopt;
    identity->note_use(*principal);
    return *std::move(principal);
  }
  std::int64_t rows(const std::string& table) {
    auto session = stores.database->read();
    Statement count = session.prepare("SELECT count(*) FROM " + table).value();
    EXPECT_TRUE(count.step().value());
    return count.number(0);
  }
  static AuditContext by(const Principal& principal) { return {.actor = principal.actor}; }

  // What an agent may ask for with its token and whatever it makes of it offline.
  void hostile_step(std::vector<std::string>& tokens, const std::vector<std::string>& known_ids) {
    const auto any = [&](const auto& list) { return list[random() % list.size()]; };
    const std::string from = any(tokens);
    const auto principal = use(from);
    switch (random() % 9) {
      case 8: {  // under the name of somebody else's
        Restriction more;
        more.id = any(known_ids);
        const auto made = narrow(parse_token(from).value(), more);
        const std::string text = made ? to_text(*made).value() : from;
        std::ignore = use(text);
        if (parse_token(text)) tokens.push_back(text);
        break;
      }
      case 0:
      case 1:
      case 2: {
        Restriction more;
        if (random() % 2) more.agent = any(std::vector<std::string>{"coder", "x", "ann", "y"});
        if (random() % 2) more.deploys = 1 + static_cast<std::int64_t>(random() % 3);
        if (random() % 4 == 0) more.expires_at = clock.now() + std::chrono::seconds{3600};
        tokens.push_back(narrowed(from, more));
        std::ignore = use(tokens.back());
        if (tokens.size() > 200) tokens.erase(tokens.begin() + 1);
        break;
      }
      case 3:
        if (principal)
          std::ignore = identity->revoke(by(*principal), *principal, TokenId::random().str());
        break;
      case 4:
        if (principal)
          std::ignore = identity->revoke(by(*principal), *principal,
                                         random() % 2 ? any(known_ids) : id_of(any(tokens)));
        break;
      case 5:
        if (principal) std::ignore = identity->take_deploy(*principal);
        break;
      case 6:
        if (principal)
          std::ignore =
              identity->kill_agent(by(*principal), fmt::format("n{}", random() % 1'000'000));
        break;
      default:
        clock.advance(random() % 10 == 0 ? 61s : 1s);
    }
  }
};

TEST_F(BrakesTest, WorkAfterAnySequenceOfWhatAnAgentMayDo) {
  for (unsigned seed = 1; seed <= 12; ++seed) {
    random.seed(seed);
    const std::string boss = token("boss", Role::admin), ann = token("ann", Role::deployer);
    const std::string agent = narrowed(ann, {.agent = "coder"});
    const std::string friendly = narrowed(ann, {.deploys = 3, .agent = "helper"});
    ASSERT_TRUE(use(friendly));
    std::vector<std::string> tokens{agent};
    for (int i = 0; i < 600; ++i)
      hostile_step(tokens, {id_of(boss), id_of(ann), id_of(friendly), id_of(agent)});

    // Nobody else lost anything, and what is kept of it is bounded.
    ASSERT_TRUE(use(boss)) << seed;
    ASSERT_TRUE(use(ann)) << seed;
    ASSERT_TRUE(use(friendly)) << seed;
    EXPECT_TRUE(identity->take_deploy(*use(friendly))) << seed;
    identity->flush();
    EXPECT_LE(rows("token_use"), 200) << seed;
    EXPECT_LE(rows("token_revocation"), 60) << seed;
    EXPECT_LE(rows("agent_kill"), 12) << seed;
    // New tokens, with and without the server.
    EXPECT_TRUE(identity->narrow_token({}, ann, {.agent = "new"})) << seed;
    EXPECT_TRUE(identity->create_token({}, {"default", "ann", {}})) << seed;
    EXPECT_TRUE(use(narrowed(ann, {.agent = "newer"}))) << seed;
    // Its owner, who manages nobody, ends what was never seen, and what was.
    const Principal owner = *use(ann);
    const std::string unseen = narrowed(ann, {.agent = "late"});
    ASSERT_TRUE(identity->revoke({}, owner, id_of(unseen))) << seed;
    EXPECT_FALSE(use(unseen)) << seed;
    const auto out = [&] {
      return std::ranges::none_of(tokens,
                                  [&](const std::string& each) { return use(each).has_value(); });
    };
    if (seed % 3 == 0) {
      ASSERT_TRUE(identity->revoke({}, owner, id_of(agent))) << seed;
    } else if (seed % 3 == 1) {
      ASSERT_TRUE(identity->revoke({}, *use(boss), id_of(agent))) << seed;
    } else {
      ASSERT_TRUE(identity->kill_agent(by(*use(boss)), "coder")) << seed;
    }
    EXPECT_TRUE(out()) << seed;
    // What it had revoked needs no word any more, and a restart knows the same.
    identity.reset();
    identity = opened();
    EXPECT_TRUE(out()) << seed;
    EXPECT_FALSE(use(unseen)) << seed;
    EXPECT_TRUE(use(friendly)) << seed;
    EXPECT_EQ(use(friendly)->deploys_left, 2) << seed;
    EXPECT_TRUE(identity->kill_agent(by(*use(boss)), "coder")) << seed;
    EXPECT_TRUE(identity->revive_agent({}, "coder")) << seed;
    EXPECT_TRUE(out()) << seed;
    ASSERT_TRUE(identity->remove_member({}, "default", "ann")) << seed;
    ASSERT_TRUE(identity->remove_member({}, "default", "boss")) << seed;
    EXPECT_EQ(rows("token_revocation"), 0) << seed;
    identity->flush();
    EXPECT_LE(rows("token_use"), 1) << seed;
  }
}

TEST_F(BrakesTest, ATokenUsedJustBeforeTheServerWasKilledEndsWithItsAgent) {
  const std::string ann = token("ann", Role::admin), agent = narrowed(ann, {.agent = "coder"});
  ASSERT_TRUE(use(agent));
  // As after a kill: the first store has written nothing more.
  const std::unique_ptr<IdentityStore> after = opened();
  ASSERT_TRUE(after->kill_agent({}, "coder"));
  ASSERT_TRUE(after->revive_agent({}, "coder"));
  EXPECT_FALSE(after->authenticate(agent));
}

TEST_F(BrakesTest, AHolderIsToldWhenItHasRevokedTooManyThatNobodySaw) {
  const std::string ann = token("ann", Role::deployer), agent = narrowed(ann, {.agent = "coder"});
  const Principal coder = *use(agent);
  Errc last = Errc::internal;
  for (int i = 0; i < 20; ++i)
    if (const auto done = identity->revoke({}, coder, TokenId::random().str()); !done)
      last = done.error().code;
  EXPECT_EQ(last, Errc::over_budget);
  EXPECT_EQ(rows("token_revocation"), 8);
  // The same once more takes no room, and neither does its own end.
  EXPECT_TRUE(identity->revoke({}, coder, id_of(agent)));
  EXPECT_FALSE(use(agent));
  EXPECT_EQ(rows("token_revocation"), 1);
}

TEST_F(BrakesTest, WhatCameBeforeIsNotAHoldersToEnd) {
  const std::string ann = token("ann", Role::deployer), middle = narrowed(ann, {.agent = "a"}),
                    low = narrowed(middle, {.agent = "b"});
  const Principal holder = *use(low);
  EXPECT_EQ(identity->revoke({}, holder, id_of(middle)).error().code, Errc::permission_denied);
  EXPECT_EQ(identity->revoke({}, holder, id_of(ann)).error().code, Errc::permission_denied);
  EXPECT_TRUE(use(middle));
}

TEST_F(BrakesTest, AnAdminOfATeamEndsANarrowingOfItsMembers) {
  ASSERT_TRUE(identity->create_team({}, "makers"));
  const std::string admin = token("boss", Role::admin, "makers"),
                    ann = token("ann", Role::deployer, "makers"),
                    bob = token("bob", Role::deployer);
  const std::string theirs = narrowed(ann, {.agent = "x"}), ours = narrowed(bob, {.agent = "x"});
  ASSERT_TRUE(use(theirs) && use(ours));
  EXPECT_TRUE(identity->revoke({}, *use(admin), id_of(theirs)));
  EXPECT_FALSE(use(theirs));
  EXPECT_TRUE(use(ann));
  std::ignore = identity->revoke({}, *use(admin), id_of(ours));
  EXPECT_TRUE(use(ours));
}

TEST_F(BrakesTest, WhatHasUsedSomethingUpIsNotForgottenForWhatHasNot) {
  const std::string ann = token("ann", Role::deployer), two = narrowed(ann, {.deploys = 2});
  ASSERT_TRUE(identity->take_deploy(*use(two)));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(use(narrowed(ann, {.deploys = 5})));
  EXPECT_EQ(use(two)->deploys_left, 1);
  EXPECT_TRUE(identity->take_deploy(*use(two)));
  EXPECT_FALSE(identity->take_deploy(*use(two)));
}

TEST_F(BrakesTest, AnAgentKillsOnlyNamesThatWereSeen) {
  const std::string boss = token("boss", Role::admin), agent = narrowed(boss, {.agent = "coder"});
  const Principal coder = *use(agent);
  EXPECT_EQ(identity->kill_agent(by(coder), "nobody").error().code, Errc::permission_denied);
  EXPECT_TRUE(identity->kill_agent(by(*use(boss)), "nobody"));
  ASSERT_TRUE(use(narrowed(boss, {.agent = "seen"})));
  EXPECT_TRUE(identity->kill_agent(by(coder), "seen"));
}

}  // namespace
}  // namespace slipway
