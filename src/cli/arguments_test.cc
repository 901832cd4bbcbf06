#include "cli/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::cli {
namespace {

using testing::ElementsAre;

struct Sample {
  std::optional<std::string> message, path;
  std::vector<std::string> env;
  bool json = false, yes = false;
  Arguments arguments;

  Sample() {
    arguments.positional("PATH", path, "", ValueKind::folder, Presence::optional);
    arguments.option("-m, --message", "TEXT", message, "");
    arguments.list("-e, --env", "K=V", env, "");
    arguments.flag("--json", json, "");
    arguments.flag("-y, --yes", yes, "");
  }
};

TEST(Arguments, TakesEveryUsualForm) {
  Sample s;
  ASSERT_TRUE(s.arguments.parse({"-e", "A=1", "--env=B=2", "-eC=3", "dir", "-ym", "hello"}));
  EXPECT_THAT(s.env, ElementsAre("A=1", "B=2", "C=3"));
  EXPECT_EQ(s.path, "dir");
  EXPECT_EQ(s.message, "hello");
  EXPECT_TRUE(s.yes);
  EXPECT_FALSE(s.json);
}

TEST(Arguments, KeepsAnEmptyValueAndAFolderThatLooksLikeAList) {
  Sample s;
  ASSERT_TRUE(s.arguments.parse({"--message", "", "[slug]"}));
  EXPECT_EQ(s.message, "");
  EXPECT_EQ(s.path, "[slug]");
}

TEST(Arguments, EndsOptionsAtTwoDashes) {
  Sample s;
  ASSERT_TRUE(s.arguments.parse({"--json", "--", "-dir"}));
  EXPECT_EQ(s.path, "-dir");
}

TEST(Arguments, SuggestsTheOptionThatWasMeant) {
  Sample s;
  const Status status = s.arguments.parse({"--mesage", "x"});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Errc::invalid_argument);
  EXPECT_EQ(status.error().message, "unknown option --mesage");
  EXPECT_EQ(status.error().hint, "did you mean --message?");
}

TEST(Arguments, RefusesWhatMakesNoSense) {
  const auto message_of = [](std::vector<std::string> words) {
    Sample s;
    const Status status = s.arguments.parse(words);
    return status ? std::string("accepted") : status.error().message;
  };
  EXPECT_EQ(message_of({"-m"}), "--message needs a value: --message TEXT");
  EXPECT_EQ(message_of({"-m", "a", "--message=b"}), "--message is given twice");
  EXPECT_EQ(message_of({"--json=yes"}), "--json takes no value");
  EXPECT_EQ(message_of({"a", "b"}), "unexpected argument 'b'");
  EXPECT_EQ(message_of({"-z"}), "unknown option -z");
}

TEST(Arguments, MissesARequiredPositionalOnlyWhenAsked) {
  Arguments arguments;
  std::vector<std::string> ids;
  arguments.positionals("ID", ids, "", ValueKind::deployment, Presence::required);
  ASSERT_TRUE(arguments.parse({}));
  EXPECT_EQ(arguments.check_complete().error().message, "ID is missing");
  ASSERT_TRUE(arguments.parse({"a", "b"}));
  EXPECT_TRUE(arguments.check_complete());
  EXPECT_THAT(ids, ElementsAre("a", "b"));
  EXPECT_EQ(arguments.usage(), " ID...");
}

TEST(Nearest, FindsSlipsAndBeginningsButDoesNotGuess) {
  const std::vector<std::string> names{"deploy", "detect", "ls", "logs", "login"};
  EXPECT_EQ(nearest("deply", names), "deploy");
  EXPECT_EQ(nearest("edploy", names), "deploy");
  EXPECT_EQ(nearest("det", names), "detect");
  EXPECT_EQ(nearest("log", names), "logs");
  EXPECT_EQ(nearest("banana", names), std::nullopt);
}

TEST(ParseCount, TakesPositiveNumbersOnly) {
  EXPECT_EQ(parse_count("--tail", "20"), 20);
  for (const char* text : {"0", "-1", "", "3x", "99999999999"})
    EXPECT_FALSE(parse_count("--tail", text)) << text;
}

}  // namespace
}  // namespace slipway::cli
