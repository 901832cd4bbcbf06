#include "detect/formats.h"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "detect/listed.h"

namespace slipway::detection {
namespace {

TEST(LenientJson, AllowsCommentsTrailingCommasAndAByteOrderMark) {
  const auto value = parse_json_lenient("\xEF\xBB\xBF{ // tsconfig\n \"a\": [1, 2,], /* x */ }");
  ASSERT_TRUE(value);
  EXPECT_EQ(json::serialize(*value), R"({"a":[1,2]})");
}

TEST(LenientJson, RefusesWhatIsNoJsonAndWhatIsTooDeep) {
  EXPECT_FALSE(parse_json_lenient("{ \"a\": "));
  EXPECT_FALSE(parse_json_lenient(std::string(1000, '[')));
}

TEST(Toml, BecomesTheSameKindOfValueAsJson) {
  const auto value =
      parse_toml("[tool.poetry]\nname = \"x\"\n[[bin]]\nname = 'a'\nsize = 3\non = true\n");
  ASSERT_TRUE(value);
  EXPECT_EQ(string_at(*value, {"tool", "poetry", "name"}), "x");
  EXPECT_EQ(json::serialize(*find(*value, {"bin"})), R"([{"name":"a","size":3,"on":true}])");
}

TEST(Toml, RefusesWhatIsBroken) {
  EXPECT_FALSE(parse_toml("a = "));
  EXPECT_FALSE(parse_toml("a = " + std::string(5000, '[')));
}

TEST(Toml, ReadsEveryKindOfValue) {
  const auto value = parse_toml(
      "# c\r\ntitle = \"a \\u00e9\\n\" # c\n\"quoted key\".inner = 'raw \\n'\nn = 1_000\nf = "
      "1.5\nwhen = 2024-01-02T03:04:05Z\n"
      "list = [\n  \"x\", # c\n  { a = 1, b.c = 'y' },\n]\nmany = \"\"\"\none \\\n   "
      "two\"\"\"\n[a.b]\nc = true\n[[p.q]]\nx = 1\n[[p.q]]\nx = 2\n[p.q.r]\ny = 3\n");
  ASSERT_TRUE(value);
  EXPECT_EQ(json::serialize(*value),
            "{\"title\":\"a \xC3\xA9\\n\",\"quoted key\":{\"inner\":\"raw "
            "\\\\n\"},\"n\":1000,\"f\":1.5E0,"
            "\"when\":\"2024-01-02T03:04:05Z\",\"list\":[\"x\",{\"a\":1,\"b\":{\"c\":\"y\"}}],"
            "\"many\":\"one two\","
            "\"a\":{\"b\":{\"c\":true}},\"p\":{\"q\":[{\"x\":1},{\"x\":2,\"r\":{\"y\":3}}]}}");
}

// Found by fuzzing: toml++ 3.3 aborted on these, which is why the reader is our own.
TEST(Toml, SurvivesBrokenHeaders) {
  for (const std::string_view text : {"[\x04module]\n", "[[.env]\n", "[]", "[a", "[[a]\n", "[a.]\n",
                                      "a.b = 1\na = 2\na.c = 3\n", "= 1"})
    EXPECT_FALSE(parse_toml(text)) << text;
}

TEST(Yaml, ReadsMapsListsAndFlow) {
  const auto value = parse_yaml(
      "---\n# comment\npackages:\n  - \"apps/*\"  # all\n  - 'packages/*'\nflow: [a, {b: c}]\n"
      "services:\n- type: web\n  name: x\n  env:\n    KEY: v\n- type: worker\ntext: |\n  one\n  "
      "two\n");
  ASSERT_TRUE(value);
  EXPECT_EQ(
      json::serialize(*value),
      R"({"packages":["apps/*","packages/*"],"flow":["a",{"b":"c"}],"services":[{"type":"web",)"
      R"("name":"x","env":{"KEY":"v"}},{"type":"worker"}],"text":"one\ntwo"})");
}

TEST(Yaml, SurvivesNonsense) {
  for (const std::string_view text :
       {"- - - a: b", ":", "-", "a:\n    b\n  c: d\n", "{{{{[[[[", "a: [b, c", "\t\t- x"})
    EXPECT_NO_THROW(static_cast<void>(parse_yaml(text))) << text;
  std::string deep;
  for (int i = 0; i < 500; ++i) deep += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  EXPECT_NO_THROW(static_cast<void>(parse_yaml(deep)));
  std::string items;
  for (int i = 0; i < 500; ++i) items += "- ";
  EXPECT_NO_THROW(static_cast<void>(parse_yaml(items + "a: b")));
}

TEST(Yaml, AnchorsAndMergesAreFollowedOnlySoFar) {
  const auto value =
      parse_yaml("x: &base\n  image: a\n  ports: [1]\nweb:\n  <<: *base\n  image: b\njob: *base\n");
  ASSERT_TRUE(value);
  EXPECT_EQ(string_at(*value, {"web", "image"}), "b");
  EXPECT_NE(find(*value, {"web", "ports"}), nullptr);
  EXPECT_EQ(string_at(*value, {"job", "image"}), "a");
  // Anchors of anchors would grow without bound.
  std::string bomb = "a: &a [1, 1, 1, 1, 1, 1, 1, 1]\n";
  for (char c = 'b'; c < 'z'; ++c) {
    bomb += std::string(1, c) + ": &" + c + "\n";
    for (int i = 0; i < 8; ++i)
      bomb += "  k" + std::to_string(i) + ": *" + static_cast<char>(c - 1) + "\n";
  }
  const auto bounded = parse_yaml(bomb);
  ASSERT_TRUE(bounded);
  EXPECT_LT(json::serialize(*bounded).size(), 1u << 20);
}

TEST(Listing, ABuildCommandKeepsWhatIsNoInstall) {
  EXPECT_EQ(without_install("npm ci && npm run build"), "npm run build");
  EXPECT_EQ(without_install("pip install -r requirements.txt"), "");
  EXPECT_EQ(without_install("bundle install; bundle exec rake assets:precompile"),
            "bundle exec rake assets:precompile");
  EXPECT_EQ(without_install("npm install-things"), "npm install-things");
}

TEST(Listing, DatabasesAreKnownByTheirImages) {
  EXPECT_EQ(database_of_image("docker.io/library/postgres:16-alpine"), "postgres");
  EXPECT_EQ(database_of_image("redis@sha256:aa"), "redis");
  EXPECT_EQ(database_of_image("nginx"), "");
}

TEST(Xml, ReadsElementsAttributesAndEntities) {
  const auto document = parse_xml(
      "<?xml version=\"1.0\"?><!-- <no/> --><Project Sdk=\"Web\"><a>1 &amp; "
      "2</a><b/><c><![CDATA[<x>]]></c></Project>");
  ASSERT_TRUE(document);
  const XmlNode* project = document->find("Project");
  ASSERT_NE(project, nullptr);
  EXPECT_EQ(project->text_at({"@Sdk"}), "Web");
  EXPECT_EQ(project->text_at({"a"}), "1 & 2");
  EXPECT_EQ(project->text_at({"c"}), "<x>");
  EXPECT_NE(project->find("b"), nullptr);
}

TEST(Xml, RefusesUnbalancedAndTooDeepDocuments) {
  EXPECT_FALSE(parse_xml("<a><b></a>x"));
  EXPECT_FALSE(parse_xml("</a>"));
  std::string deep;
  for (int i = 0; i < 200; ++i) deep += "<a>";
  EXPECT_FALSE(parse_xml(deep));
}

TEST(Evidence, NamesTheLine) {
  EXPECT_EQ(line_of("a\nb\nc", "c"), 3);
  EXPECT_EQ(line_of("a", "z"), 0);
}

}  // namespace
}  // namespace slipway::detection
