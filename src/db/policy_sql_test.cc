// The evaluator on its own: what reaches SQLite is not always what the lint has seen.
#include "db/policy_sql.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>
#include <tuple>

#include "db/policy_functions.h"

namespace slipway {
namespace {

Facts some_facts(int files = 3) {
  Facts facts;
  facts.know_all().unknown("finding", "the scanner crashed");
  for (int i = 0; i < files; ++i)
    facts.add("file", {{"path", fmt::format("src/{}.ts", i)},
                       {"subject", "s"},
                       {"change", "added"},
                       {"kind", "source"},
                       {"bytes", i}});
  facts.add("change", {{"base", ""},
                       {"added", 3},
                       {"modified", 0},
                       {"removed", 0},
                       {"files", 3},
                       {"bytes", 3},
                       {"lines_added", std::nullopt}});
  return facts;
}

Result<RuleRows> run(std::string_view sql, const Facts& facts, const RuleLimits& limits = {}) {
  std::set<std::string, std::less<>> all;
  for (const FactTable& table : fact_tables()) all.emplace(table.name);
  const auto session = make_sql_rule_evaluator()->open(facts, all, limits);
  if (!session) return fail(session.error());
  return (*session)->run(sql);
}

std::string refusal(std::string_view sql) {
  const auto rows = run(sql, some_facts());
  return rows ? std::string("ran") : rows.error().message;
}

TEST(PolicySql, AnswersRows) {
  const auto rows =
      run("SELECT path, bytes FROM file WHERE bytes >= 1 ORDER BY bytes", some_facts());
  ASSERT_TRUE(rows.has_value()) << rows.error().message;
  EXPECT_EQ(rows->columns, (std::vector<std::string>{"path", "bytes"}));
  ASSERT_EQ(rows->rows.size(), 2u);
  EXPECT_EQ(rows->rows[0], (FactRow{std::string("src/1.ts"), std::int64_t{1}}));
}

TEST(PolicySql, EveryTableOfTheSchemaIsStrictAndReadable) {
  for (const FactTable& table : fact_tables()) {
    if (table.name == "finding") continue;
    const auto rows = run(fmt::format("SELECT * FROM {}", table.name), some_facts());
    ASSERT_TRUE(rows.has_value()) << table.name << rows.error().message;
    EXPECT_EQ(rows->columns.size(), table.columns.size()) << table.name;
  }
  EXPECT_TRUE(fact_schema().contains("CREATE TABLE finding(id TEXT NOT NULL"));
  EXPECT_TRUE(fact_schema().contains("STRICT"));
}

// What makes a session is kept for the next one that reads the same tables.
TEST(PolicySql, SeesNothingOfTheDecisionBefore) {
  const auto evaluator = make_sql_rule_evaluator();
  const std::set<std::string, std::less<>> tables{"finding", "request"};
  const std::string query = "SELECT subject FROM finding";
  for (int round = 0; round < 3; ++round) {
    Facts many, none;
    for (int i = 0; i < 3; ++i)
      many.add("finding", {{"id", i == 0 ? "f" : "g"},
                           {"scanner", "s"},
                           {"rule", "r"},
                           {"subject", fmt::format("of {}: {}", round, std::string(60'000, 'x'))},
                           {"severity", 3},
                           {"detail", std::string(60'000, 'y')},
                           {"file", ""},
                           {"line", std::nullopt},
                           {"fix", ""},
                           {"waived", 0},
                           {"is_new", 0}});
    none.know("finding");
    for (const Facts* facts : {&many, &none}) {
      const auto session = evaluator->open(*facts, tables, {}).value();
      const auto rows =
          session->run(facts == &many ? query + " WHERE severity = 3 AND id = 'f'" : query);
      ASSERT_TRUE(rows) << rows.error().message;
      ASSERT_EQ(rows->rows.size(), facts == &many ? 1u : 0u);
      if (facts == &many)
        EXPECT_TRUE(
            std::get<std::string>(rows->rows[0][0]).starts_with(fmt::format("of {}:", round)));
      // A rule that was refused leaves it usable.
      EXPECT_FALSE(session->run("DELETE FROM finding"));
      EXPECT_FALSE(session->run("SELECT random()"));
    }
    // Unknown is unknown, whatever the one before knew.
    const Facts unknown;
    EXPECT_EQ(evaluator->open(unknown, tables, {}).value()->run(query).error().code,
              Errc::failed_precondition);
  }
}

TEST(PolicySql, AnUnknownTableIsAnErrorThatSaysWhy) {
  EXPECT_EQ(refusal("SELECT subject FROM finding"),
            "the facts of finding are not known: the scanner crashed");
  EXPECT_TRUE(refusal("SELECT count(*) FROM finding").contains("not known"));
  EXPECT_TRUE(
      refusal("SELECT path FROM file WHERE EXISTS (SELECT 1 FROM finding)").contains("not known"));
  EXPECT_EQ(run("SELECT name FROM env_var", Facts()).error().code, Errc::failed_precondition);
}

// An authorizer that allows base tables only through views is bypassed by a common table of the
// view's name. Here there is nothing behind a view: the database holds the facts alone.
TEST(PolicySql, ACommonTableNamedAsATableReachesNothingElse) {
  const auto rows = run("WITH file AS (SELECT 'x' AS path) SELECT path FROM file", some_facts());
  ASSERT_TRUE(rows.has_value());
  EXPECT_EQ(rows->rows.size(), 1u);
  for (const std::string_view sql :
       {"WITH file AS (SELECT sql AS path FROM sqlite_master) SELECT path FROM file",
        "WITH sqlite_schema AS (SELECT 1 AS a) SELECT sql FROM main.sqlite_schema",
        "SELECT name FROM sqlite_schema", "SELECT name FROM main.sqlite_master",
        "SELECT count(*) FROM sqlite_master", "SELECT * FROM temp.sqlite_master"})
    EXPECT_NE(refusal(sql), "ran") << sql;
}

TEST(PolicySql, AllowsNothingButSelectOfFacts) {
  for (const std::string_view sql :
       {"",
        ";",
        "-- nothing",
        "DELETE FROM file",
        "INSERT INTO file VALUES(1)",
        "UPDATE file SET bytes = 0",
        "DROP TABLE file",
        "CREATE TABLE x(y)",
        "CREATE TEMP TABLE x(y)",
        "CREATE VIEW v AS SELECT 1",
        "ATTACH ':memory:' AS x",
        "PRAGMA table_info(file)",
        "PRAGMA writable_schema=1",
        "VACUUM",
        "VACUUM INTO '/tmp/x'",
        "ANALYZE",
        "REINDEX",
        "BEGIN",
        "COMMIT",
        "SAVEPOINT x",
        "EXPLAIN SELECT path FROM file",
        "EXPLAIN QUERY PLAN SELECT path FROM file",
        "SELECT path FROM file; DELETE FROM file",
        "SELECT path FROM file WHERE bytes = ?",
        "SELECT path FROM file WHERE bytes = :x",
        "SELECT name FROM pragma_database_list",
        "SELECT count(*) FROM pragma_function_list",
        "SELECT * FROM pragma_table_info('file')",
        "SELECT value FROM json_each('[1]')",
        "SELECT 1 FROM json_tree('{}')",
        "CREATE VIRTUAL TABLE x USING fts5(y)",
        "SELECT * FROM sqlite_stmt",
        "SELECT * FROM dbstat",
        "SELECT * FROM bytecode('SELECT 1')",
        "WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM n) SELECT x FROM n",
        "WITH n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"})
    EXPECT_NE(refusal(sql), "ran") << sql;
}

TEST(PolicySql, AllowsListedFunctionsOnly) {
  for (const std::string_view call : {"random()",
                                      "randomblob(9)",
                                      "date('now')",
                                      "datetime()",
                                      "time('now')",
                                      "julianday('now')",
                                      "unixepoch()",
                                      "strftime('%s', 'now')",
                                      "CURRENT_TIME",
                                      "CURRENT_DATE",
                                      "CURRENT_TIMESTAMP",
                                      "load_extension('x')",
                                      "printf('%99999999d', 1)",
                                      "format('%d', 1)",
                                      "zeroblob(100)",
                                      "replace('a', 'a', 'b')",
                                      "hex('a')",
                                      "quote('a')",
                                      "sqlite_version()",
                                      "changes()",
                                      "last_insert_rowid()",
                                      "readfile('/etc/passwd')",
                                      "trim('a', 'b')",
                                      "json('[]')",
                                      "char(65)",
                                      "unicode('a')",
                                      "fts3_tokenizer('x')",
                                      "sqlite_compileoption_get(1)"})
    EXPECT_NE(refusal(fmt::format("SELECT {} AS x FROM file", call)), "ran") << call;
  EXPECT_EQ(refusal("SELECT sev('high') AS x"), "ran");
  EXPECT_NE(refusal("SELECT sev('hihg') AS x"), "ran");
}

TEST(PolicySql, ADoubleQuotedNameIsNeverText) {
  EXPECT_TRUE(refusal("SELECT path FROM file WHERE path = \"pth\"").contains("no such column"));
}

TEST(PolicySql, NullMakesAConditionVanishHereWhichIsWhyTheLintRefusesIt) {
  EXPECT_TRUE(
      run("SELECT files FROM change WHERE NOT (lines_added > 3)", some_facts())->rows.empty());
  EXPECT_EQ(run("SELECT files FROM change WHERE NOT (COALESCE(lines_added, 0) > 3)", some_facts())
                ->rows.size(),
            1u);
}

TEST(PolicySql, HugeJoinsStopAtTheStepLimit) {
  const auto rows = run(
      "SELECT count(*) AS n FROM file a, file b, file c, file d, file e WHERE a.bytes + b.bytes + "
      "c.bytes + d.bytes + e.bytes < 0",
      some_facts(500));
  ASSERT_FALSE(rows.has_value());
  EXPECT_EQ(rows.error().code, Errc::too_large);
  EXPECT_TRUE(rows.error().message.contains("steps")) << rows.error().message;
}

TEST(PolicySql, ARuleThatWasStoppedDoesNotStopTheNext) {
  const Facts facts = some_facts(500);
  const auto evaluator = make_sql_rule_evaluator();
  const auto session = evaluator->open(facts, {"file"}, {});
  ASSERT_TRUE(session.has_value());
  EXPECT_FALSE((*session)->run("SELECT a.path FROM file a, file b, file c WHERE a.path = 'no'"));
  EXPECT_TRUE((*session)->run("SELECT path FROM file WHERE bytes = 7"));
}

TEST(PolicySql, StringBombsStopAtALimit) {
  std::string doubled = "path";
  std::string a_doubled = "a.path";
  for (int i = 0; i < 6; ++i) {
    doubled = "(" + doubled + " || " + doubled + ")";
    a_doubled = "(" + a_doubled + " || " + a_doubled + ")";
  }
  for (const std::string& sql :
       {fmt::format("WITH a AS (SELECT {0} AS path FROM file), b AS (SELECT {0} AS path FROM a), "
                    "c AS (SELECT {0} AS path FROM b) SELECT path FROM c",
                    doubled),
        std::string("SELECT group_concat(a.path || b.path || c.path) AS x FROM file a, file b, "
                    "file c"),
        // Memory that ORDER BY holds on to.
        fmt::format("SELECT {} || b.subject AS x FROM file a, file b, file c ORDER BY x",
                    a_doubled)}) {
    const auto rows = run(sql, some_facts(100));
    ASSERT_FALSE(rows.has_value());
    EXPECT_EQ(rows.error().code, Errc::too_large) << rows.error().message;
  }
}

TEST(PolicySql, PatternsCannotBlowUp) {
  Facts facts = some_facts(0);
  facts.add("file", {{"path", std::string(20'000, 'a')},
                     {"subject", "s"},
                     {"change", "added"},
                     {"kind", "source"},
                     {"bytes", 1}});
  std::string pattern = "%";
  for (int i = 0; i < 40; ++i) pattern += "a%";
  EXPECT_TRUE(run(fmt::format("SELECT subject FROM file WHERE path LIKE '{}b'", pattern), facts)
                  ->rows.empty());
  EXPECT_FALSE(run(
      fmt::format("SELECT subject FROM file WHERE path LIKE '{}'", std::string(300, '%')), facts));
  const std::string self = "SELECT a.subject FROM file a, file b WHERE instr(a.path, b.path) > 0";
  EXPECT_FALSE(run(self, facts));
}

TEST(PolicySql, RowsAndBytesAreLimited) {
  EXPECT_EQ(run("SELECT path FROM file", some_facts(50), {.rows = 10}).error().code,
            Errc::too_large);
  EXPECT_EQ(run("SELECT path FROM file", some_facts(50), {.bytes = 100}).error().code,
            Errc::too_large);
}

TEST(PolicySql, IntegerOverflowIsAnError) {
  Facts facts = some_facts(0);
  const std::int64_t large = std::int64_t{1} << 53;
  facts.add(
      "file",
      {{"path", "a"}, {"subject", "a"}, {"change", "added"}, {"kind", "source"}, {"bytes", large}});
  EXPECT_FALSE(run("SELECT abs(-9223372036854775807 - 1) AS n FROM file", facts));
}

TEST(PolicyFunctions, LikeIsThatOfSqlite) {
  const std::tuple<std::string_view, std::string_view, bool> rows[] = {
      {"", "", true},        {"", "a", false},     {"%", "", true},           {"a%c", "abbc", true},
      {"A%C", "abbc", true}, {"a_c", "abc", true}, {"a_c", "aéc", true},      {"a_c", "ac", false},
      {"%b", "ab", true},    {"%b", "ba", false},  {"%ab%ab", "aabab", true}, {"a%", "b", false},
      {"%%%", "x", true},    {"_", "é", true},     {"__", "é", false}};
  for (const auto& [pattern, text, expected] : rows)
    EXPECT_EQ(sql_like(pattern, text, 0), expected) << pattern << " " << text;
  EXPECT_TRUE(sql_like("a\\%", "a%", '\\'));
  EXPECT_FALSE(sql_like("a\\%", "ab", '\\'));
  EXPECT_TRUE(sql_like("%\\_x", "a_x", '\\'));
}

TEST(PolicyFunctions, GlobIsThatOfSqlite) {
  const std::tuple<std::string_view, std::string_view, bool> rows[] = {
      {"*", "", true},         {"a*c", "abbc", true},
      {"A*", "abc", false},    {"a?c", "abc", true},
      {"[a-c]x", "bx", true},  {"[^a-c]x", "bx", false},
      {"[^a-c]x", "dx", true}, {"[]]", "]", true},
      {"[", "[", false},       {"src/*.ts", "src/a/b.ts", true}};
  for (const auto& [pattern, text, expected] : rows)
    EXPECT_EQ(sql_glob(pattern, text), expected) << pattern << " " << text;
}

}  // namespace
}  // namespace slipway
