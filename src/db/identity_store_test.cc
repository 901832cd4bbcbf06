#include "db/identity_store.h"

#include <gtest/gtest.h>

#include <future>

#include "db/stores.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

struct IdentityStoreTest : ::testing::Test {
  ManualClock clock;
  const std::string local = "slp_" + random_secret();
  const TokenKey key{sha256("a key")};
  Stores stores = Stores::open(":memory:", clock, IdentitySecrets{key, local}).value();
  IdentityStore& identity = *stores.identity;

  std::string token(const std::string& member, Role role, Restriction restriction = {},
                    const std::string& team = "default") {
    EXPECT_TRUE(identity.set_member({}, team, member, role));
    return identity.create_token({}, {team, member, std::move(restriction)}).value().text;
  }
  // As a holder does it offline.
  static std::string narrowed(const std::string& text, Restriction restriction) {
    restriction.id = TokenId::random().str();
    return to_text(narrow(parse_token(text).value(), restriction).value()).value();
  }
  static std::string id_of(const std::string& text) {
    const std::string path = parse_token(text).value().path();
    return path.substr(path.rfind('/') + 1);
  }
  // As somebody does it who made a program of their own for it: narrow() refuses some ids.
  static std::string narrowed_as(const std::string& text, const std::string& id) {
    Token holder = parse_token(text).value();
    Restriction restriction;
    restriction.id = id;
    const Token made =
        narrow({.root = "tok_aaaaaaaaaa", .restrictions = {}, .mac = holder.mac}, restriction)
            .value();
    holder.restrictions.push_back(made.restrictions.front());
    holder.mac = made.mac;
    return to_text(holder).value();
  }
  // As a request that the speed limits let pass.
  Principal who(const std::string& text) {
    const Principal principal = identity.authenticate(text).value();
    identity.note_use(principal);
    return principal;
  }
  std::string refusal(const std::string& text) {
    const auto principal = identity.authenticate(text);
    EXPECT_FALSE(principal);
    if (!principal) EXPECT_EQ(principal.error().code, Errc::unauthenticated);
    return principal ? "" : principal.error().message;
  }
  // What the database holds, as text.
  std::string dump(const std::string& table) {
    auto session = stores.database->read();
    Statement columns =
        session.prepare("SELECT name FROM pragma_table_info('" + table + "')").value();
    std::vector<std::string> names;
    while (columns.step().value()) names.push_back(columns.text(0));
    Statement rows = session.prepare("SELECT * FROM " + table).value();
    std::string out;
    while (rows.step().value())
      for (std::size_t i = 0; i < names.size(); ++i) out += rows.text(static_cast<int>(i)) + "\n";
    return out;
  }
};

TEST_F(IdentityStoreTest, TheLocalTokenIsAnAdminOfEveryTeam) {
  const Principal principal = who(local);
  EXPECT_EQ(principal.actor.kind, "human");
  EXPECT_EQ(principal.role, Role::admin);
  EXPECT_TRUE(principal.reaches_all());
  EXPECT_EQ(principal.permissions(), PermissionSet::all());
}

TEST_F(IdentityStoreTest, WhatIsNotOursIsRefusedInOneWording) {
  const std::string good = token("ann", Role::deployer);
  std::string changed = good;
  changed.back() = changed.back() == 'A' ? 'E' : 'A';
  const std::string unknown_root = to_text(issue_token(key, "tok_bbbbbbbbbb")).value();
  const std::string other_key = to_text(issue_token({sha256("x")}, id_of(good))).value();
  const std::string message = refusal("");
  for (const std::string& bad : {changed, unknown_root, other_key, "slp_" + random_secret(),
                                 narrowed("slp_" + random_secret(), {}), std::string("x")})
    EXPECT_EQ(refusal(bad), message);
}

TEST_F(IdentityStoreTest, NoTokenAndNothingToMakeOneIsInTheDatabase) {
  const std::string text = token("ann", Role::deployer);
  const std::string child = narrowed(text, {.agent = "ci"});
  std::ignore = who(child);
  identity.flush();
  std::string all;
  for (const char* table : {"token", "token_use", "token_revocation", "audit_record", "member"})
    all += dump(table);
  EXPECT_NE(all.find(id_of(text)), std::string::npos);
  for (const std::string& secret : {text.substr(text.rfind('.') + 1),
                                    child.substr(child.rfind('.') + 1), key.bytes.hex(), local})
    EXPECT_EQ(all.find(secret), std::string::npos);
}

TEST_F(IdentityStoreTest, ARoleChangesForTheNextRequestAndARemovedMembersTokensEnd) {
  const std::string text = token("ann", Role::viewer);
  EXPECT_FALSE(permits(who(text), Permission::deploy));
  ASSERT_TRUE(identity.set_member({}, "default", "ann", Role::deployer));
  EXPECT_TRUE(permits(who(text), Permission::deploy));
  ASSERT_TRUE(identity.remove_member({}, "default", "ann"));
  std::ignore = refusal(text);
  ASSERT_TRUE(identity.set_member({}, "default", "ann", Role::admin));
  std::ignore = refusal(text);
}

TEST_F(IdentityStoreTest, ExpiryEndsATokenAndWhatCameOfIt) {
  const std::string text = token("ann", Role::deployer, {.expires_at = clock.now() + 1h});
  const std::string child = narrowed(text, {.expires_at = clock.now() + 10h});
  const std::string shorter = narrowed(text, {.expires_at = clock.now() + 1min});
  clock.advance(1min);
  std::ignore = who(text);
  EXPECT_NE(refusal(shorter).find("expired"), std::string::npos);
  clock.advance(1h);
  std::ignore = refusal(text);
  std::ignore = refusal(child);
}

TEST_F(IdentityStoreTest, RevokingAParentEndsItsDescendantsAndNobodyElse) {
  const std::string root = token("ann", Role::admin), bob = token("bob", Role::deployer);
  const std::string parent = narrowed(root, {.agent = "ci"});
  const std::string child = narrowed(parent, {.agent = "helper"}), sibling = narrowed(root, {});
  std::ignore = who(child);
  ASSERT_TRUE(identity.revoke({}, who(root), id_of(parent)).value());
  EXPECT_NE(refusal(parent).find("revoked"), std::string::npos);
  std::ignore = refusal(child);
  std::ignore = refusal(narrowed(parent, {}));
  for (const std::string& alive : {root, sibling, bob}) std::ignore = who(alive);
  ASSERT_TRUE(identity.revoke({}, who(root), id_of(root)));
  std::ignore = refusal(root);
  std::ignore = refusal(sibling);
  std::ignore = who(bob);
}

TEST_F(IdentityStoreTest, WhatWasNeverSeenCanBeRevokedByWhoItCameFrom) {
  const std::string root = token("ann", Role::deployer);
  const std::string child = narrowed(root, {});
  EXPECT_FALSE(identity.revoke({}, who(root), id_of(child)).value());
  std::ignore = refusal(child);
}

TEST_F(IdentityStoreTest, AHolderRevokesOnlyWhatIsTheirs) {
  const std::string ann = token("ann", Role::deployer), bob = token("bob", Role::deployer);
  const std::string agent = narrowed(ann, {.agent = "ci"});
  EXPECT_EQ(identity.revoke({}, who(bob), id_of(ann)).error().code, Errc::permission_denied);
  EXPECT_EQ(identity.revoke({}, who(agent), id_of(ann)).error().code, Errc::permission_denied);
  // Naming somebody else's narrowing hits nothing but one's own of that name.
  ASSERT_TRUE(identity.revoke({}, who(bob), id_of(agent)));
  std::ignore = who(agent);
  const std::string second = token("ann", Role::deployer);
  ASSERT_TRUE(identity.revoke({}, who(ann), id_of(second)));
  std::ignore = refusal(second);
  ASSERT_TRUE(identity.revoke({}, who(agent), id_of(agent)));
  std::ignore = refusal(agent);
  std::ignore = who(ann);
}

TEST_F(IdentityStoreTest, ANarrowingCannotHideBehindTheIdOfAnothersToken) {
  const std::string ann = token("ann", Role::deployer), eve = token("eve", Role::deployer);
  EXPECT_NE(refusal(narrowed_as(eve, id_of(ann))).find("another token"), std::string::npos);
  EXPECT_NE(refusal(narrowed_as(narrowed(eve, {.agent = "x"}), id_of(ann))), "");
  // Nor behind its own, or one that it came from.
  std::ignore = refusal(narrowed_as(eve, id_of(eve)));
  const std::string once = narrowed(eve, {});
  std::ignore = refusal(narrowed_as(once, id_of(once)));
  std::ignore = who(once);
}

TEST_F(IdentityStoreTest, WhereSeveralTokensHaveOneIdARevocationSaysWhich) {
  const std::string boss = token("boss", Role::admin), ann = token("ann", Role::deployer),
                    eve = token("eve", Role::deployer);
  const std::string hers = narrowed(ann, {.agent = "ci"}), copy = narrowed_as(eve, id_of(hers));
  std::ignore = who(hers);
  std::ignore = who(copy);
  const auto unclear = identity.revoke({}, who(boss), id_of(hers));
  ASSERT_FALSE(unclear);
  EXPECT_EQ(unclear.error().code, Errc::conflict);
  ASSERT_EQ(unclear.error().next.size(), 2u);
  std::ignore = who(hers);
  EXPECT_EQ(identity.revoke({}, who(ann), who(copy).path).error().code, Errc::permission_denied);
  EXPECT_TRUE(identity.revoke({}, who(boss), who(copy).path).value());
  std::ignore = refusal(copy);
  const Actor asked = who(hers).actor;
  EXPECT_FALSE(identity.was_revoked(asked));
  // Its holder means its own.
  EXPECT_TRUE(identity.revoke({}, who(ann), id_of(hers)).value());
  std::ignore = refusal(hers);
  // Whoever else takes its id now.
  std::ignore = who(narrowed_as(narrowed(eve, {}), id_of(hers)));
  EXPECT_TRUE(identity.was_revoked(asked));
  // Nor does it come back with its member.
  const Actor agent = who(narrowed(ann, {.agent = "late"})).actor;
  ASSERT_TRUE(identity.remove_member({}, "default", "ann"));
  std::ignore = token("ann", Role::deployer);
  EXPECT_TRUE(identity.was_revoked(agent));
  EXPECT_EQ(identity.revoke({}, who(boss), "tok_a/../b").error().code, Errc::invalid_argument);
}

TEST_F(IdentityStoreTest, DeploysCountForTheWholeChainAndSurviveARestart) {
  const std::string root = token("ann", Role::deployer, {.deploys = 3});
  const std::string first = narrowed(root, {.deploys = 2}), second = narrowed(root, {.deploys = 2});
  EXPECT_EQ(who(first).deploys_left, 2);
  EXPECT_TRUE(identity.take_deploy(who(first)));
  EXPECT_TRUE(identity.take_deploy(who(first)));
  EXPECT_EQ(identity.take_deploy(who(first)).error().code, Errc::over_budget);
  EXPECT_EQ(who(second).deploys_left, 1) << "the parent's";
  EXPECT_TRUE(identity.take_deploy(who(second)));
  EXPECT_EQ(identity.take_deploy(who(second)).error().code, Errc::over_budget);
  identity.give_deploy_back(who(second));
  auto again = IdentityStore::open(*stores.database, *stores.audit, clock, {key, local}).value();
  EXPECT_EQ(again->authenticate(second).value().deploys_left, 1);
  EXPECT_EQ(again->authenticate(first).value().deploys_left, 0);
}

TEST_F(IdentityStoreTest, AFreshIdBuysNoMoreDeploys) {
  const std::string root = token("ann", Role::deployer, {.deploys = 1});
  EXPECT_TRUE(identity.take_deploy(who(narrowed(root, {.deploys = 9}))));
  EXPECT_FALSE(identity.take_deploy(who(narrowed(root, {.deploys = 9}))));
}

TEST_F(IdentityStoreTest, MoneyIsTakenWholeOrNotAtAll) {
  const std::string text = narrowed(local, {.money_micros = 100});
  EXPECT_TRUE(identity.take_money(who(text), 60));
  EXPECT_EQ(identity.take_money(who(text), 41).error().code, Errc::over_budget);
  EXPECT_EQ(who(text).money_left_micros, 40);
  EXPECT_TRUE(identity.take_money(who(text), -60));
  EXPECT_EQ(who(text).money_left_micros, 100);
}

TEST_F(IdentityStoreTest, KillingAnAgentEndsItWhateverItIsCalledLater) {
  const std::string ann = token("ann", Role::admin);
  const std::string agent = narrowed(ann, {.agent = "coder"});
  const std::string renamed = narrowed(agent, {.agent = "innocent"});
  std::ignore = who(renamed);
  ASSERT_TRUE(identity.kill_agent({}, "coder"));
  std::ignore = refusal(agent);
  std::ignore = refusal(renamed);
  std::ignore = refusal(narrowed(ann, {.agent = "coder"}));
  std::ignore = who(ann);
  std::ignore = who(narrowed(ann, {.agent = "other"}));
  ASSERT_TRUE(identity.revive_agent({}, "coder"));
  std::ignore = refusal(agent);
  std::ignore = who(narrowed(ann, {.agent = "coder"}));
  EXPECT_EQ(identity.revive_agent({}, "coder").error().code, Errc::not_found);
}

TEST_F(IdentityStoreTest, ATeamReachesItsOwnProjects) {
  ASSERT_TRUE(identity.create_team({}, "makers"));
  ASSERT_TRUE(identity.give_project({}, "makers", "shop"));
  ASSERT_TRUE(identity.give_project({}, "default", "bank"));
  const Principal maker = who(token("ann", Role::admin, {}, "makers"));
  const Principal owner = who(token("bob", Role::viewer));
  EXPECT_TRUE(identity.authorize(maker, Permission::deploy, "shop", "preview"));
  EXPECT_FALSE(identity.authorize(maker, Permission::read, "bank", "preview"));
  EXPECT_TRUE(identity.authorize(owner, Permission::read, "shop", "preview"));
  EXPECT_FALSE(maker.reaches_all());
  EXPECT_TRUE(identity.claim_project({}, maker, Permission::deploy, "fresh"));
  EXPECT_FALSE(identity.claim_project({}, maker, Permission::deploy, "bank"));
  ASSERT_TRUE(identity.give_project({}, "default", "shop"));
  EXPECT_FALSE(identity.authorize(maker, Permission::deploy, "shop", "preview"));
}

TEST_F(IdentityStoreTest, EverythingSurvivesARestart) {
  const std::string good = token("ann", Role::deployer), revoked = token("bob", Role::deployer);
  const std::string killed = narrowed(good, {.agent = "coder"});
  ASSERT_TRUE(identity.revoke({}, who(revoked), id_of(revoked)));
  ASSERT_TRUE(identity.kill_agent({}, "coder"));
  auto again = IdentityStore::open(*stores.database, *stores.audit, clock, {key, local}).value();
  EXPECT_TRUE(again->authenticate(good));
  EXPECT_FALSE(again->authenticate(revoked));
  EXPECT_FALSE(again->authenticate(killed));
}

TEST_F(IdentityStoreTest, AFirstUseIsWrittenAtOnceAndLaterOnesOnceAMinute) {
  const std::string text = narrowed(token("ann", Role::deployer), {});
  std::ignore = who(text);
  const std::string first = dump("token_use");
  EXPECT_NE(first.find(id_of(text)), std::string::npos);
  for (int i = 0; i < 59; ++i) {
    clock.advance(1s);
    std::ignore = who(text);
  }
  EXPECT_EQ(dump("token_use"), first);
  clock.advance(1s);
  std::ignore = who(text);
  EXPECT_NE(dump("token_use"), first);
}

TEST_F(IdentityStoreTest, AuthenticationNeedsNoDatabase) {
  const std::string text = narrowed(token("ann", Role::deployer), {.deploys = 2});
  std::future<Result<Principal>> answer;
  {
    // While the only connection is taken, nobody reads or writes.
    const auto taken = stores.database->read();
    answer = std::async(std::launch::async, [&] { return identity.authenticate(text); });
    EXPECT_EQ(answer.wait_for(30s), std::future_status::ready);
  }
  EXPECT_TRUE(answer.get());
}

TEST_F(IdentityStoreTest, ListsShowOnesOwnOrTheTeams) {
  const std::string ann = token("ann", Role::deployer), bob = token("bob", Role::admin);
  const std::string child = narrowed(ann, {.agent = "ci"});
  std::ignore = who(child);
  EXPECT_EQ(identity.tokens(who(ann)).size(), 2u);
  EXPECT_EQ(identity.tokens(who(child)).size(), 1u);
  EXPECT_EQ(identity.tokens(who(bob)).size(), 3u);
  EXPECT_EQ(identity.agents().at(0).name, "ci");
  EXPECT_EQ(identity.agents().at(0).on_behalf_of, "ann");
}

TEST_F(IdentityStoreTest, NarrowingByTheServerIsWhatAHolderCouldDo) {
  const std::string ann = token("ann", Role::deployer);
  const auto made = identity.narrow_token({}, ann, {.projects = {{"shop"}}, .agent = "ci"}).value();
  EXPECT_TRUE(verify(parse_token(made.text).value(), root_mac(key, id_of(ann))));
  EXPECT_FALSE(permits(who(made.text), Permission::deploy, "blog"));
  EXPECT_EQ(made.record.path, id_of(ann) + "/" + id_of(made.text));
}

}  // namespace
}  // namespace slipway
