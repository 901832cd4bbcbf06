#include "policy/facts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace slipway {
namespace {

Facts two_findings() {
  Facts facts;
  facts.know("approval").unknown("scan", "the scanner crashed");
  facts.add("finding", {{"id", "1"},
                        {"scanner", "secret"},
                        {"rule", "aws"},
                        {"subject", "a\"b"},
                        {"severity", 4},
                        {"detail", "tab\there"},
                        {"file", "a.js"},
                        {"line", 3},
                        {"fix", ""},
                        {"waived", 0},
                        {"is_new", 1}});
  facts.add("finding", {{"id", "2"},
                        {"scanner", "secret"},
                        {"rule", "aws"},
                        {"subject", "é"},
                        {"severity", 1},
                        {"detail", ""},
                        {"file", ""},
                        {"fix", ""},
                        {"waived", 0},
                        {"is_new", 0}});
  return facts;
}

TEST(FactTables, NamesAreUniqueAndCuresNameTheirColumns) {
  for (const FactTable& table : fact_tables()) {
    EXPECT_EQ(find_fact_table(table.name), &table);
    for (std::size_t i = 0; i < table.columns.size(); ++i)
      EXPECT_EQ(find_column(table, table.columns[i].name), i) << table.name;
    if (!table.cure_column.empty())
      EXPECT_TRUE(find_column(table, table.cure_column)) << table.name;
    EXPECT_FALSE(table.doc.empty()) << table.name;
  }
  EXPECT_NE(find_fact_table("FINDING"), nullptr);
  EXPECT_EQ(find_fact_table("findings"), nullptr);
}

TEST(Facts, OrderOfRowsDoesNotChangeTheDigest) {
  Facts facts = two_findings(), turned;
  turned.unknown("scan", "the scanner crashed").know("approval").know("finding");
  const auto fill = [&](const FactRow& row) {
    std::vector<FactField> fields;
    const FactTable& table = *find_fact_table("finding");
    for (std::size_t i = 0; i < row.size(); ++i) fields.emplace_back(table.columns[i].name, row[i]);
    turned.add("finding", fields);
  };
  fill(facts.rows("finding")[1]);
  fill(facts.rows("finding")[0]);
  EXPECT_EQ(turned.canonical_json(), facts.canonical_json());
  EXPECT_EQ(turned.digest(), facts.digest());
  turned.set("finding", 0, "severity", std::int64_t{2});
  EXPECT_NE(turned.digest(), facts.digest());
}

TEST(Facts, CanonicalTextIsThatOfRfc8785) {
  Facts facts;
  facts.add("exec_request",
            {{"command", "echo \"\x01\n\" \\ é"}, {"interactive", 1}, {"deployment", "dpl_a"}});
  EXPECT_EQ(facts.canonical_json(),
            R"({"tables":{"exec_request":[{"command":"echo \"\u0001\n\" \\ é",)"
            R"("deployment":"dpl_a","interactive":1}]},"unknown":{}})");
}

TEST(Facts, ComeBackFromTheirText) {
  const Facts facts = two_findings();
  const auto back = Facts::parse(facts.canonical_json());
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_EQ(back->canonical_json(), facts.canonical_json());
  EXPECT_EQ(back->why_unknown("scan"), "the scanner crashed");
  EXPECT_TRUE(back->is_known("approval"));
  EXPECT_FALSE(back->is_known("file"));
}

TEST(Facts, SnapshotsOfOtherVersionsAreRead) {
  const auto old = Facts::parse(R"({"tables":{"exec_request":[{"command":"sh"}],"gone":[{}]}})");
  ASSERT_TRUE(old.has_value());
  EXPECT_EQ(old->text("exec_request", "command"), "sh");
  EXPECT_EQ(old->number("exec_request", "interactive"), 0);
  for (const std::string_view bad :
       {"", "[]", "{}", R"({"tables":{"exec_request":3}})",
        R"({"tables":{"exec_request":[{"command":7}]}})", R"({"tables":[]})"})
    EXPECT_FALSE(Facts::parse(bad).has_value()) << bad;
}

TEST(Facts, MistakesOfTheGathererPoison) {
  EXPECT_NE(Facts().add("nothing", {}).problem(), "");
  EXPECT_NE(Facts().add("exec_request", {{"comand", "sh"}}).problem(), "");
  EXPECT_NE(Facts().add("exec_request", {{"command", 1}}).problem(), "");
  EXPECT_NE(Facts().add("exec_request", {{"command", "sh"}}).problem(), "")  // NULL is not allowed
      << "interactive and deployment are missing";
  Facts twice;
  for (int i = 0; i < 2; ++i)
    twice.add("exec_request", {{"command", "sh"}, {"interactive", 0}, {"deployment", ""}});
  EXPECT_NE(twice.problem(), "");
  Facts large;
  large.add("exec_request",
            {{"command", "sh"}, {"interactive", std::int64_t{1} << 60}, {"deployment", ""}});
  EXPECT_NE(large.problem(), "");
}

TEST(Facts, TextIsMadeUtf8) {
  Facts facts;
  facts.add("exec_request",
            {{"command", std::string("a\xff\0b", 4)}, {"interactive", 0}, {"deployment", ""}});
  EXPECT_EQ(facts.text("exec_request", "command"),
            "a\xEF\xBF\xBD\xEF\xBF\xBD"
            "b");
  EXPECT_TRUE(Facts::parse(facts.canonical_json()).has_value());
}

TEST(Assume, ChangesWhatItNames) {
  Facts facts = two_findings();
  ASSERT_TRUE(assume(facts, "finding[subject=é].severity=critical"));
  EXPECT_EQ(std::get<std::int64_t>(facts.rows("finding")[1][4]), 4);
  EXPECT_EQ(std::get<std::int64_t>(facts.rows("finding")[0][4]), 4);
  ASSERT_TRUE(assume(facts, "finding.waived=1"));
  EXPECT_EQ(std::get<std::int64_t>(facts.rows("finding")[0][9]), 1);
  ASSERT_TRUE(assume(facts, "finding+subject=c,severity=low"));
  EXPECT_EQ(facts.rows("finding").size(), 3u);
  ASSERT_TRUE(assume(facts, "finding.line=null"));
  ASSERT_TRUE(assume(facts, "finding=none"));
  EXPECT_TRUE(facts.rows("finding").empty());
  EXPECT_EQ(facts.problem(), "");
}

TEST(Assume, TimeCarriesItsParts) {
  Facts facts;
  ASSERT_TRUE(assume(facts, "request+point=promote,weekday=1"));
  ASSERT_TRUE(assume(facts, "request.now=1800000000"));
  EXPECT_EQ(facts.number("request", "weekday"), 5);
  EXPECT_EQ(facts.number("request", "hour"), 8);
}

TEST(Assume, RefusesWhatMeansNothing) {
  Facts facts = two_findings();
  for (const std::string_view bad :
       {"", "finding", "findings.severity=4", "finding.sev=4", "finding.severity=awful",
        "finding.severity", "finding[subject=a.severity=4", "finding[subject=zz].severity=4",
        "finding=some", "finding.severity=null", "request.point=sometimes", "finding+x=1"}) {
    const Facts before = facts;
    EXPECT_FALSE(assume(facts, bad).has_value()) << bad;
    EXPECT_EQ(facts, before) << bad;
  }
}

TEST(ClassifyPath, KnowsWhatDecidesAboutMore) {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"db/migrations/0007_add.py", "migration"},
      {"prisma/schema.prisma", "migration"},
      {".github/workflows/ci.yml", "ci"},
      {"Jenkinsfile", "ci"},
      {"src/userAuth.ts", "auth"},
      {"app/(auth)/login/page.tsx", "auth"},
      {"src/author.ts", "source"},
      {"web/package.json", "dependency"},
      {"requirements-dev.txt", "dependency"},
      {"Cargo.lock", "lockfile"},
      {"Dockerfile.prod", "container"},
      {"tests/auth_test.py", "test"},
      {"src/app.test.ts", "test"},
      {"README.md", "docs"},
      {"settings.toml", "config"},
      {".env.example", "config"},
      {"server.js", "source"},
      {"", "source"}};
  for (const auto& [path, kind] : rows) EXPECT_EQ(classify_path(path), kind) << path;
}

}  // namespace
}  // namespace slipway
