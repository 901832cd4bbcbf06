#include "identity/token.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/ids.h"
#include "identity/base64url.h"
#include "identity/principal.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

const TokenKey key{sha256("a key")};

std::string fresh_id() { return TokenId::random().str(); }

Restriction restriction(std::string agent = {}) {
  return {.id = fresh_id(), .agent = std::move(agent)};
}

// A narrowing as somebody may make it: each part there or not.
rc::Gen<Restriction> any_restriction() {
  return rc::gen::exec([] {
    const auto some = [] { return *rc::gen::arbitrary<bool>(); };
    const auto subset = [](std::vector<std::string> names) {
      std::vector<std::string> out;
      for (std::string& name : names)
        if (*rc::gen::arbitrary<bool>()) out.push_back(std::move(name));
      if (out.empty()) out.push_back(names.front().empty() ? "shop" : names.front());
      return out;
    };
    Restriction out{.id = fresh_id()};
    if (some()) out.projects = subset({"shop", "blog", "docs"});
    if (some()) out.environments = subset({"preview", "production", "staging", "beta"});
    if (some()) {
      PermissionSet set{Permission::read};
      for (const Permission permission : all_permissions)
        if (permission != Permission::none && some()) set.insert(permission);
      out.actions = set;
    }
    if (some()) out.deploys = *rc::gen::inRange<std::int64_t>(0, 100);
    if (some()) out.money_micros = *rc::gen::inRange<std::int64_t>(0, 1'000'000);
    if (some())
      out.expires_at =
          Timestamp{std::chrono::seconds{*rc::gen::inRange<std::int64_t>(1, 4'000'000'000)}};
    if (some()) out.label = "for the tests, = and , included";
    if (some()) out.agent = *rc::gen::element<std::string>("ci", "coder", "reviewer");
    if (some()) out.session = "s-1";
    if (some()) out.task = "t 2";
    return out;
  });
}

Principal somebody(Role role) {
  return {.actor = {.kind = "human", .name = "ann", .chain = {"human:ann"}, .token = "tok_a"},
          .role = role,
          .path = "tok_a"};
}

RC_GTEST_PROP(Restriction, ItsTextReadsBackAsItself, ()) {
  const Restriction made = *any_restriction();
  const std::string text = to_text(made).value();
  const Restriction read = parse_restriction(text).value();
  RC_ASSERT(read == made);
  RC_ASSERT(to_text(read).value() == text);
}

RC_GTEST_PROP(Narrowing, NeverWidens, ()) {
  const Role role = *rc::gen::elementOf(std::vector<Role>(all_roles.begin(), all_roles.end()));
  Principal before = somebody(role);
  const int steps = *rc::gen::inRange(1, 7);
  for (int step = 0; step < steps; ++step) {
    Principal after = before;
    apply_narrowing(after, *any_restriction());
    RC_ASSERT((after.permissions() & before.permissions()) == after.permissions());
    const bool reaches_more = after.reaches_all() && !before.reaches_all();
    const bool became_human = before.is_agent() && !after.is_agent();
    RC_ASSERT(!reaches_more);
    RC_ASSERT(!became_human);
    for (const Permission permission : all_permissions)
      for (const char* project : {"", "shop", "blog", "docs", "other"})
        for (const char* environment : {"", "preview", "production", "staging", "beta", "x"})
          if (permits(after, permission, project, environment))
            RC_ASSERT(permits(before, permission, project, environment).has_value());
    before = std::move(after);
  }
}

RC_GTEST_PROP(Token, AChainIsGoodAsItIsAndInNoOtherForm, ()) {
  Token token = issue_token(key, "tok_aaaaaaaaaa");
  const int steps = *rc::gen::inRange(1, 5);
  for (int step = 0; step < steps; ++step) token = narrow(token, *any_restriction()).value();
  const std::string text = to_text(token).value();
  const Token read = parse_token(text).value();
  RC_ASSERT(read.restrictions == token.restrictions);
  RC_ASSERT(verify(read, root_mac(key, read.root)));
  RC_ASSERT(!verify(read, root_mac(TokenKey{sha256("another key")}, read.root)));
  // Any one character changed: it is no token, or a bad one.
  std::string changed = text;
  const auto at = *rc::gen::inRange<std::size_t>(5, text.size());
  changed[at] = changed[at] == 'A' ? 'B' : 'A';
  const auto parsed = parse_token(changed);
  const bool good = parsed && verify(*parsed, root_mac(key, parsed->root));
  RC_ASSERT(!good);
  // Any narrowing left out, doubled, or two in another order.
  Token shorter = token;
  shorter.restrictions.erase(shorter.restrictions.begin() + *rc::gen::inRange(0, steps));
  RC_ASSERT(!verify(shorter, root_mac(key, shorter.root)));
  Token longer = token;
  longer.restrictions.push_back(longer.restrictions.front());
  RC_ASSERT(!verify(longer, root_mac(key, longer.root)));
  if (steps > 1) {
    Token swapped = token;
    std::swap(swapped.restrictions.front(), swapped.restrictions.back());
    RC_ASSERT(!verify(swapped, root_mac(key, swapped.root)));
  }
}

TEST(Token, NarrowingTheLocalTokenNeedsOnlyItsText) {
  const std::string local = "slp_" + random_secret();
  const Token token = parse_token(local).value();
  EXPECT_EQ(token.root, local_token_id);
  const std::string text = to_text(narrow(token, restriction("ci")).value()).value();
  EXPECT_EQ(text.find(local.substr(4)), std::string::npos);
  EXPECT_TRUE(verify(parse_token(text).value(), local_mac(local)));
  EXPECT_FALSE(verify(parse_token(text).value(), local_mac("slp_" + random_secret())));
}

TEST(Token, TheLocalTokensTextIsNotMadeFromItsChain) {
  EXPECT_FALSE(to_text(parse_token("slp_" + random_secret()).value()));
}

TEST(Token, RefusesWhatIsNoTokenWithoutRepeatingIt) {
  const std::string good = to_text(issue_token(key, "tok_aaaaaaaaaa")).value();
  for (const std::string& bad : std::vector<std::string>{
           std::string(), std::string("slpt_"), std::string("slpt_aaaaaaaaaa"), good + ".",
           good + "=", " " + good, good.substr(0, good.size() - 1),
           std::string("slpt_AAAA.") + good.substr(16), "slpt_aaaaaaaaaa.AAAA." + good.substr(16),
           "slp_short", std::string(7000, 'a')}) {
    const auto parsed = parse_token(bad);
    ASSERT_FALSE(parsed) << bad;
    if (bad.size() > 20) EXPECT_FALSE(parsed.error().message.contains(bad.substr(5, 20)));
  }
}

TEST(Token, CanBeNarrowedSoOftenOnly) {
  Token token = issue_token(key, "tok_aaaaaaaaaa");
  for (std::size_t i = 0; i < max_narrowings; ++i) token = narrow(token, restriction()).value();
  EXPECT_EQ(narrow(token, restriction()).error().code, Errc::too_large);
}

TEST(Token, IsNotNarrowedByWhatBearsTheIdOfALinkOfIt) {
  Restriction taken = restriction();
  taken.id = "tok_aaaaaaaaaa";
  const Token token = issue_token(key, taken.id);
  EXPECT_EQ(narrow(token, taken).error().code, Errc::conflict);
  taken.id = "tok_bbbbbbbbbb";
  const Token narrowed = narrow(token, taken).value();
  EXPECT_EQ(narrow(narrowed, taken).error().code, Errc::conflict);
}

TEST(Restriction, RefusesWhatItCannotKeep) {
  for (const std::string_view bad : std::vector<std::string_view>{
           "", "id=tok_aaaaaaaaaa\nfuture=1", "projects=shop", "id=x",
           "id=tok_aaaaaaaaaa\ndeploys=-1", "id=tok_aaaaaaaaaa\ndeploys=01",
           "id=tok_aaaaaaaaaa\ndeploys=99999999999999999999",
           "id=tok_aaaaaaaaaa\nactions=read,read", "id=tok_aaaaaaaaaa\nactions=deploy,read",
           "id=tok_aaaaaaaaaa\nactions=", "id=tok_aaaaaaaaaa\nprojects=",
           "id=tok_aaaaaaaaaa\nprojects=A", "id=tok_aaaaaaaaaa\nprojects=../x",
           "id=tok_aaaaaaaaaa\nid=tok_aaaaaaaaaa", "id=tok_aaaaaaaaaa\ndeploys=1\nactions=read",
           "id=tok_aaaaaaaaaa\nagent=a b", "id=tok_aaaaaaaaaa\nagent=../..",
           "id=tok_aaaaaaaaaa\nlabel=", "id=tok_aaaaaaaaaa\n"})
    EXPECT_FALSE(parse_restriction(bad)) << bad;
  EXPECT_FALSE(to_text({.id = fresh_id(), .label = "two\nagent=x"}));
  EXPECT_FALSE(to_text({.id = fresh_id(), .projects = std::vector<std::string>{}}));
}

TEST(Base64Url, IsThatOfTheStandard) {
  // RFC 4648 §10, without padding.
  EXPECT_EQ(base64url_encode("fooba"), "Zm9vYmE");
  EXPECT_EQ(base64url_encode("\xfb\xff"), "-_8");
  EXPECT_EQ(base64url_decode("Zm9vYmE"), "fooba");
  for (const char* bad : {"Zm9vYmF", "Z", "Zm9=", "Zm 9"}) EXPECT_FALSE(base64url_decode(bad));
}

TEST(Constant, EqualityNeedsTheSameBytesAndLength) {
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abcd"));
  EXPECT_TRUE(equal_in_constant_time("", ""));
}

}  // namespace
}  // namespace slipway
