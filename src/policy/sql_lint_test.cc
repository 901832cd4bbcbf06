#include "policy/sql_lint.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

std::string refusal(std::string_view sql) {
  const auto shape = lint_query(sql);
  return shape ? std::string("accepted") : shape.error().message;
}

TEST(SqlLint, TellsWhatAQueryReadsAndAnswers) {
  const auto shape = lint_query(
      "SELECT f.subject, count(*) AS n, COALESCE(max(f.line), 0) AS last\n"
      "FROM finding f JOIN request r WHERE r.environment = 'production' AND f.severity >= "
      "sev('high')\n"
      "GROUP BY f.subject HAVING count(*) > 2 ORDER BY n DESC");
  EXPECT_FALSE(shape.has_value());  // max() of a column that may be NULL
  const auto fixed = lint_query(
      "SELECT f.subject, count(*) AS n, max(COALESCE(f.line, 0)) AS last\n"
      "FROM finding f JOIN request r WHERE r.environment = 'production' AND f.severity >= "
      "sev('high')\n"
      "GROUP BY f.subject HAVING count(*) > 2 ORDER BY n DESC");
  ASSERT_TRUE(fixed.has_value()) << fixed.error().message;
  ASSERT_EQ(fixed->result.size(), 3u);
  EXPECT_EQ(fixed->result[0].name, "subject");
  EXPECT_EQ(fixed->result[0].type, FactType::text);
  EXPECT_EQ(fixed->result[1].type, FactType::integer);
  EXPECT_EQ(fixed->tables, (std::set<std::string, std::less<>>{"finding", "request"}));
  EXPECT_TRUE(fixed->columns.contains("finding.severity"));
  EXPECT_TRUE(fixed->columns.contains("request.environment"));
}

TEST(SqlLint, AcceptsTheLanguage) {
  for (const std::string_view sql :
       {"SELECT subject FROM finding", "SELECT * FROM env_var WHERE required = 1 AND is_set = 0",
        "SELECT DISTINCT kind FROM file WHERE path LIKE 'db/%' OR path GLOB 'a*'",
        "WITH bad AS (SELECT subject FROM finding WHERE waived = 0) SELECT subject FROM bad",
        "SELECT subject FROM finding WHERE COALESCE(line, 0) > 10 OR line IS NULL",
        "SELECT 'none' AS subject WHERE NOT EXISTS (SELECT 1 FROM scan WHERE state = 'done')",
        "SELECT f.path FROM file f WHERE f.path NOT IN (SELECT file FROM finding)",
        "SELECT path, CASE WHEN bytes > 100 THEN 'large' ELSE 'small' END AS size FROM file",
        "SELECT path FROM file WHERE bytes BETWEEN 1 AND 10 -- a comment\n",
        "SELECT f.path FROM file f LEFT JOIN finding g ON g.file = f.path WHERE g.id IS NULL",
        "SELECT name AS subject FROM env_var UNION ALL SELECT name FROM domain ORDER BY subject",
        "SELECT count(*) AS n FROM file HAVING count(*) > 3",
        "SELECT path || ':' || bytes AS what FROM file WHERE (SELECT count(*) FROM finding) > 1",
        "SELECT path FROM file WHERE bytes * 2 + 1 > 10 AND bytes % 7 = 1 AND -bytes < 3",
        "SELECT path FROM file WHERE NOT (bytes > 3) AND lower(path) = 'a' AND instr(path, '/') > "
        "0",
        "SELECT path FROM file WHERE iif(bytes > 3, 1, 0) = 1 AND substr(path, 1, 2) != 'ab'",
        "SELECT s.n FROM (SELECT count(*) AS n FROM file) AS s WHERE s.n > 3"})
    EXPECT_EQ(refusal(sql), "accepted") << sql;
}

// Each of these is valid SQL that fails open, or closed, in silence.
TEST(SqlLint, RefusesWhatSqlWouldLetPass) {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"SELECT subject FROM finding WHERE severity >= 'critical'", "text"},
      {"SELECT subject FROM finding WHERE 'high' > 3", "text"},
      {"SELECT subject FROM finding WHERE severity >= 4", "bare number"},
      {"SELECT subject FROM finding WHERE severity >= sev('critcal')", "sev()"},
      {"SELECT subject FROM finding WHERE severity >= sev(subject)", "sev()"},
      {"SELECT subject FROM finding WHERE subject = \"detail\"", "bare"},
      {"SELECT subject FROM finding WHERE [subject] = 'a'", "bare"},
      {"SELECT subject FROM finding WHERE subjcet = 'a'", "no column subjcet"},
      {"SELECT subject FROM findings", "no fact table"},
      {"SELECT subject FROM finding WHERE line > 3", "may be NULL"},
      {"SELECT subject FROM finding WHERE NOT (NULL > 3)", "NULL"},
      {"SELECT subject FROM finding WHERE line = NULL", "NULL"},
      {"SELECT subject FROM finding WHERE waived = NULL", "NULL"},
      {"SELECT path FROM file WHERE path NOT IN (SELECT license FROM dependency)", "may be NULL"},
      {"SELECT path FROM file WHERE path NOT IN ('a', NULL)", "NULL"},
      {"SELECT path FROM file WHERE bytes / bytes > 1", "may be NULL"},
      {"SELECT path FROM file WHERE (SELECT bytes FROM file) > 1", "may be NULL"},
      {"SELECT path FROM file WHERE CASE WHEN bytes > 1 THEN 1 END = 1", "may be NULL"},
      {"SELECT f.path FROM file f LEFT JOIN finding g ON g.file = f.path WHERE g.severity > "
       "sev('low')",
       "may be NULL"},
      {"SELECT subject FROM finding WHERE severity = sev('high') OR 'medium'", "not a condition"},
      {"SELECT subject FROM finding WHERE waived = 0 OR 2", "not a condition"},
      {"SELECT path FROM file WHERE bytes", "not a condition"},
      {"SELECT path FROM file WHERE NOT bytes", "not a condition"},
      {"SELECT path FROM file WHERE 1 < bytes < 9", "comparison of a comparison"},
      {"SELECT path FROM file WHERE path = path = 'a'", "comparison of a comparison"},
      {"SELECT point FROM request WHERE environment = 'prod'", "never 'prod'"},
      {"SELECT point FROM request WHERE environment IN ('prod')", "never 'prod'"},
      {"SELECT point FROM request WHERE environment >= 'production'", "letters"},
      {"SELECT id FROM deployment WHERE previewed = 2", "0 or 1"},
      {"SELECT id FROM deployment WHERE age > created_at", "is in"},
      {"SELECT count(*) AS n FROM file", "always answers"},
      {"SELECT max(bytes) AS n FROM file WHERE bytes > 3", "always answers"},
      {"SELECT path FROM file LIMIT 1", "LIMIT"},
      {"SELECT path, path FROM file", "two columns"},
      {"SELECT bytes + 1 FROM file", "name"},
      {"SELECT path FROM file WHERE path = 3", "text"},
      {"SELECT path FROM file WHERE coalesce(path, 3) = 'a'", "mixes"},
      {"SELECT name AS subject FROM env_var UNION SELECT bytes FROM file", "mixes"},
      {"SELECT path FROM file WHERE bytes = 1.5", "whole"}};
  for (const auto& [sql, part] : rows) {
    const std::string message = refusal(sql);
    EXPECT_TRUE(message.contains(part)) << sql << "\n  " << message;
    EXPECT_NE(message, "accepted") << sql;
  }
}

TEST(SqlLint, RefusesWhatIsNotOfTheLanguage) {
  for (const std::string_view sql :
       {"",
        " ",
        "SELECT",
        "SELECT 1",
        "DELETE FROM finding",
        "PRAGMA user_version",
        "ATTACH 'x' AS y",
        "SELECT path FROM file; SELECT path FROM file",
        "EXPLAIN SELECT 1 AS a",
        "WITH RECURSIVE n AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM n) SELECT x FROM n",
        "WITH finding AS (SELECT 1 AS subject) SELECT subject FROM finding",
        "SELECT name FROM sqlite_master",
        "SELECT name FROM pragma_table_info('file')",
        "SELECT random() AS r",
        "SELECT datetime('now') AS d",
        "SELECT CURRENT_TIMESTAMP AS t",
        "SELECT load_extension('x') AS x",
        "SELECT path FROM file WHERE path = ?1",
        "SELECT path FROM file WHERE path = x'41'",
        "SELECT path FROM file WHERE path REGEXP 'a'",
        "SELECT path FROM file NATURAL JOIN finding",
        "SELECT printf('%s', path) AS p FROM file",
        "SELECT zeroblob(1000000000) AS z",
        "SELECT CAST(path AS INTEGER) AS n FROM file",
        "SELECT path, row_number() OVER () AS n FROM file",
        "SELECT path FROM file AS",
        "SELECT path FROM file WHERE (bytes > 1",
        "SELECT path FROM file /* a */",
        "SELECT path FROM file WHERE path = 'a",
        "SELECT rowid FROM file",
        "SELECT path FROM file WHERE hex(path) = 'a'"})
    EXPECT_NE(refusal(sql), "accepted") << sql;
}

TEST(SqlLint, NestsOnlySoDeepAndEnds) {
  const std::string open(4000, '(');
  EXPECT_NE(refusal("SELECT path FROM file WHERE " + open), "accepted");
  std::string deep = "SELECT path FROM file WHERE 1 = 1";
  for (int i = 0; i < 60; ++i) deep = "SELECT path FROM file WHERE path IN (" + deep + ")";
  EXPECT_NE(refusal(deep), "accepted");
  std::string calls;
  for (int i = 0; i < 40; ++i) calls += "max(";
  EXPECT_NE(refusal("SELECT " + calls), "accepted");
  std::string nots;
  for (int i = 0; i < 2000; ++i) nots += "NOT ";
  EXPECT_EQ(refusal("SELECT path FROM file WHERE " + nots + "bytes > 1"), "accepted");
}

TEST(SqlLint, NamesTheLine) {
  const auto shape = lint_query("SELECT subject\nFROM finding\nWHERE severity >= 'high'");
  ASSERT_FALSE(shape.has_value());
  EXPECT_EQ(shape.error().line, 3);
  EXPECT_EQ(shape.error().hint, "write sev('high')");
}

}  // namespace
}  // namespace slipway
