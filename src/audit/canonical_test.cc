// RFC 8785: the examples of its section 3.2 and its appendix B, and the test data of its author
// (github.com/cyberphone/json-canonicalization, testdata/).
#include "audit/canonical.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>

namespace slipway {
namespace {

std::string canonical(std::string_view text) {
  return canonical_json(json::parse({text.data(), text.size()})).value();
}

TEST(Canonical, WritesNumbersAsAppendixBDoes) {
  const std::pair<std::uint64_t, std::string_view> samples[] = {
      {0x0000000000000000, "0"},
      {0x8000000000000000, "0"},
      {0x0000000000000001, "5e-324"},
      {0x8000000000000001, "-5e-324"},
      {0x7fefffffffffffff, "1.7976931348623157e+308"},
      {0xffefffffffffffff, "-1.7976931348623157e+308"},
      {0x4340000000000000, "9007199254740992"},
      {0xc340000000000000, "-9007199254740992"},
      {0x4430000000000000, "295147905179352830000"},
      {0x44b52d02c7e14af5, "9.999999999999997e+22"},
      {0x44b52d02c7e14af6, "1e+23"},
      {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
      {0x444b1ae4d6e2ef4e, "999999999999999700000"},
      {0x444b1ae4d6e2ef4f, "999999999999999900000"},
      {0x444b1ae4d6e2ef50, "1e+21"},
      {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
      {0x3eb0c6f7a0b5ed8d, "0.000001"},
      {0x41b3de4355555553, "333333333.3333332"},
      {0x41b3de4355555554, "333333333.33333325"},
      {0x41b3de4355555555, "333333333.3333333"},
      {0x41b3de4355555556, "333333333.3333334"},
      {0x41b3de4355555557, "333333333.33333343"},
      {0xbecbf647612f3696, "-0.0000033333333333333333"},
      {0x43143ff3c1cb0959, "1424953923781206.2"}};
  for (const auto& [bits, text] : samples)
    EXPECT_EQ(canonical_json(std::bit_cast<double>(bits)).value(), text) << std::hex << bits;
  EXPECT_FALSE(canonical_json(std::nan("")));
  EXPECT_FALSE(canonical_json(std::bit_cast<double>(std::uint64_t{0x7ff0000000000000})));
}

TEST(Canonical, WritesTheExamplesOfItsAuthor) {
  // Numbers are given as such: Boost.JSON 1.81 reads some decimals one unit off.
  EXPECT_EQ(canonical_json(json::object{{"numbers", {333333333.33333329, 1E30, 4.50, 2e-3, 1e-27}},
                                        {"string", "\xe2\x82\xac$\x0f\nA'B\"\\\\\"/"},
                                        {"literals", {nullptr, true, false}}})
                .value(),
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
            "\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
  EXPECT_EQ(canonical(R"([ 56, { "d": true, "10": null, "1": [ ] } ])"),
            R"([56,{"1":[],"10":null,"d":true}])");
  EXPECT_EQ(canonical(R"({"1": {"f": {"f": "hi","F": 5} ,"\n": 56.0}, "10": { }, "": "empty",
    "a": { }, "111": [ { } ], "A": { } })"),
            R"({"":"empty","1":{"\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{}],"A":{},"a":{}})");
  // Not put into a normal form: two ways to write a ring stay two.
  EXPECT_EQ(canonical(R"({ "Unnormalized Unicode":"A\u030a" })"),
            "{\"Unnormalized Unicode\":\"A\xcc\x8a\"}");
  EXPECT_EQ(canonical(R"({"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew",
    "1": "One", "\u0080": "Control\u007f", "\ud83d\ude02": "Smiley", "\u00f6": "Latin",
    "</script>": "Browser Challenge"})"),
            "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"</script>\":\"Browser Challenge\","
            "\"\xc2\x80\":\"Control\x7f\",\"\xc3\xb6\":\"Latin\",\"\xe2\x82\xac\":\"Euro Sign\","
            "\"\xf0\x9f\x98\x82\":\"Smiley\",\"\xef\xac\xb3\":\"Hebrew\"}");
}

TEST(Canonical, RefusesWhatIsNotUtf8) {
  for (const std::string_view text :
       {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "a\x80"})
    EXPECT_FALSE(canonical_json(json::string(text)));
}

TEST(Canonical, ReadsNothingButTheCanonicalForm) {
  EXPECT_TRUE(parse_canonical(R"({"a":1,"b":[]})"));
  for (const std::string_view text :
       {R"({"b":1,"a":1})", R"({"a": 1})", R"({"a":1.0})", R"({"a":1,"a":1})", R"({"a":1} )", "",
        R"({"a":"\u0041"})", "{", R"({"a":01})", R"({"a":-0})"})
    EXPECT_FALSE(parse_canonical(text)) << text;
  EXPECT_FALSE(parse_canonical(std::string(100, '[') + std::string(100, ']')));
}

RC_GTEST_PROP(CanonicalProperty, ReadsBackEveryDouble, (std::uint64_t bits)) {
  const double number = std::bit_cast<double>(bits);
  RC_PRE(std::isfinite(number));
  const std::string text = canonical_json(number).value();
  RC_ASSERT(std::strtod(text.c_str(), nullptr) == number);
}

RC_GTEST_PROP(CanonicalProperty, TheOrderOfMembersDoesNotMatter,
              (std::vector<std::pair<std::string, int>> members)) {
  for (auto& [name, value] : members)
    std::erase_if(name, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  std::map<std::string, int> unique(members.begin(), members.end());
  json::object forward, backward;
  for (const auto& [name, value] : unique) forward[name] = value;
  for (auto it = unique.rbegin(); it != unique.rend(); ++it) backward[it->first] = it->second;
  const std::string text = canonical_json(forward).value();
  RC_ASSERT(text == canonical_json(backward).value());
  RC_ASSERT(parse_canonical(text).value() == json::value(forward));
}

}  // namespace
}  // namespace slipway
