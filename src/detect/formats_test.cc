#include "detect/formats.h"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

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
  EXPECT_EQ(json::serialize(*find(*value, {"bin"})), R"([{"name":"a","on":true,"size":3}])");
}

TEST(Toml, RefusesWhatIsBroken) {
  EXPECT_FALSE(parse_toml("a = "));
  EXPECT_FALSE(parse_toml("a = " + std::string(5000, '[')));
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
