#include "cli/dotenv.h"

#include <gtest/gtest.h>

namespace slipway::cli {
namespace {

using Vars = std::vector<std::pair<std::string, std::string>>;

TEST(Dotenv, ReadsWhatPeopleWrite) {
  const Vars vars = parse_dotenv(
                        "# a comment\n"
                        "A=1\r\n"
                        "export B = two words # and a comment\n"
                        "C='lit#eral $X \\n'\n"
                        "D=\"line\\nnext \\\"q\\\"\" # tail\n"
                        "E=\n"
                        "F=a#b\n"
                        "G=\"over\ntwo lines\"\n"
                        "A=again\n"
                        "URL=postgres://u:p@h/db?x=1")
                        .value();
  EXPECT_EQ(vars, (Vars{{"A", "again"},
                        {"B", "two words"},
                        {"C", "lit#eral $X \\n"},
                        {"D", "line\nnext \"q\""},
                        {"E", ""},
                        {"F", "a#b"},
                        {"G", "over\ntwo lines"},
                        {"URL", "postgres://u:p@h/db?x=1"}}));
  EXPECT_TRUE(parse_dotenv("").value().empty());
}

TEST(Dotenv, NamesTheLineThatIsWrongAndNeverAValue) {
  for (const auto& [text, line] : {std::pair{"A=1\nnonsense secret-canary\n", "line 2"},
                                   std::pair{"A=1\n\nB=\"secret-canary\n", "line 3"},
                                   std::pair{"A='x' secret-canary", "line 1"}}) {
    const auto refused = parse_dotenv(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_TRUE(refused.error().message.starts_with(line)) << refused.error().message;
    EXPECT_EQ(refused.error().message.find("canary"), std::string::npos);
  }
}

TEST(Dotenv, WhatIsWrittenReadsBack) {
  for (const std::string value :
       {"", "plain", "a \"b\" 'c' $D \\n", "two\nlines\r", "# no comment"})
    EXPECT_EQ(parse_dotenv(dotenv_line("X", value)).value(), (Vars{{"X", value}})) << value;
}

}  // namespace
}  // namespace slipway::cli
