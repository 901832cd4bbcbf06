#include "store/gitignore.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "base/text.h"
#include "store/test_support.h"
#include "store/workspace.h"

namespace slipway {
namespace {

using Kind = IgnoreRules::Kind;
using Verdict = IgnoreRules::Verdict;

bool ignored(std::string_view rules, std::string_view path, Kind kind = Kind::file) {
  return IgnoreRules::parse(rules).match(path, kind) == Verdict::ignore;
}

TEST(IgnoreRules, NamesMatchAnywhereAndSlashesAnchor) {
  EXPECT_TRUE(ignored("foo", "foo"));
  EXPECT_TRUE(ignored("foo", "a/b/foo"));
  EXPECT_TRUE(ignored("/foo", "foo"));
  EXPECT_FALSE(ignored("/foo", "a/foo"));
  EXPECT_TRUE(ignored("a/foo", "a/foo"));
  EXPECT_FALSE(ignored("a/foo", "b/a/foo"));
  EXPECT_FALSE(ignored("foo", "food"));
}

TEST(IgnoreRules, TrailingSlashMeansDirectories) {
  EXPECT_TRUE(ignored("foo/", "foo", Kind::directory));
  EXPECT_FALSE(ignored("foo/", "foo", Kind::file));
  EXPECT_TRUE(ignored("foo/", "a/foo", Kind::directory));
}

TEST(IgnoreRules, StarsStayInsideAComponentAndDoubleStarsDoNot) {
  EXPECT_TRUE(ignored("*.log", "a/b.log"));
  EXPECT_TRUE(ignored("a/*.log", "a/b.log"));
  EXPECT_FALSE(ignored("a/*.log", "a/b/c.log"));
  EXPECT_TRUE(ignored("**/b", "b"));
  EXPECT_TRUE(ignored("**/b", "a/c/b"));
  EXPECT_TRUE(ignored("a/**", "a/b/c"));
  EXPECT_FALSE(ignored("a/**", "a"));
  EXPECT_TRUE(ignored("a/**/b", "a/b"));
  EXPECT_TRUE(ignored("a/**/b", "a/x/y/b"));
  EXPECT_FALSE(ignored("a/**b", "a/x/b"));
  EXPECT_TRUE(ignored("a?c", "abc"));
  EXPECT_FALSE(ignored("x/a?c", "x/a/c"));
}

TEST(IgnoreRules, BracketExpressions) {
  EXPECT_TRUE(ignored("[a-c]x", "bx"));
  EXPECT_FALSE(ignored("[!a-c]x", "bx"));
  EXPECT_FALSE(ignored("[^a-c]x", "bx"));
  EXPECT_TRUE(ignored("[]-]x", "]x"));
  EXPECT_TRUE(ignored("[]-]x", "-x"));
  EXPECT_TRUE(ignored("[[:digit:]_]", "_"));
  EXPECT_TRUE(ignored("[\\]]", "]"));
  EXPECT_FALSE(ignored("[a", "[a"));
  EXPECT_FALSE(ignored("[[:nope:]]", "n"));
}

TEST(IgnoreRules, CommentsEscapesAndSpaces) {
  EXPECT_FALSE(ignored("#a", "#a"));
  EXPECT_TRUE(ignored("\\#a", "#a"));
  EXPECT_TRUE(ignored("\\!a", "!a"));
  EXPECT_TRUE(ignored("a   ", "a"));
  EXPECT_TRUE(ignored("a\\ ", "a "));
  EXPECT_TRUE(ignored("a\r\nb\r\n", "a"));
  EXPECT_TRUE(
      ignored("\xef\xbb\xbf"
              "a",
              "a"));
  EXPECT_FALSE(ignored("a\\", "a"));
}

TEST(IgnoreRules, TheLastMatchDecides) {
  EXPECT_FALSE(ignored("*.log\n!keep.log", "keep.log"));
  EXPECT_TRUE(ignored("!keep.log\n*.log", "keep.log"));
  EXPECT_EQ(IgnoreRules::parse("!a").match("a", Kind::file), Verdict::include);
  EXPECT_EQ(IgnoreRules::parse("b").match("a", Kind::file), std::nullopt);
}

TEST(IgnoreRules, PatternsCannotMakeMatchingSlow) {
  std::string pattern = "x/";
  for (int i = 0; i < 400; ++i) pattern += "a*?**/";
  const std::string text = "x/" + std::string(3000, 'a');
  const std::clock_t start = std::clock();  // of work, not of waiting for a processor
  EXPECT_FALSE(ignored(pattern + "b", text));
  EXPECT_FALSE(ignored("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
  EXPECT_LT(std::clock() - start, 5 * CLOCKS_PER_SEC);
}

// What git would not ignore below `folder`.
std::vector<std::string> git_files(const std::filesystem::path& folder) {
  const std::string command = "GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 git -C " +
                              shell_quote(folder.string()) +
                              " ls-files --others --exclude-standard -z";
  FILE* pipe = ::popen(command.c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  std::string out;
  char buffer[4096];
  while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, pipe))
    out.append(buffer, got);
  EXPECT_EQ(::pclose(pipe), 0);
  std::vector<std::string> files;
  for (const std::string_view each : split(out, '\0'))
    if (!each.empty()) files.emplace_back(each);
  std::ranges::sort(files);
  return files;
}

std::vector<std::string> scanned_files(const std::filesystem::path& folder,
                                       const std::filesystem::path& cache) {
  const auto scanned = scan_folder(folder, cache);
  EXPECT_TRUE(scanned.has_value()) << scanned.error().message;
  std::vector<std::string> files;
  if (scanned)
    for (const ManifestEntry& entry : scanned->manifest.entries) files.push_back(entry.path);
  return files;
}

rc::Gen<std::string> any_rules() {
  const auto atom = rc::gen::weightedElement<std::string>(
      {{6, "a"},   {6, "b"},      {3, "ab"},   {3, "a.b"},    {6, "*"},           {4, "**"},
       {2, "?"},   {2, "[ab]"},   {1, "[!a]"}, {1, "[^b-z]"}, {1, "[[:alpha:]]"}, {1, "[]a]"},
       {6, "/"},   {4, "**/"},    {3, "/**"},  {1, "\\"},     {2, "!"},           {1, "#"},
       {1, " "},   {1, "["},      {1, "]"},    {1, "-"},      {1, "."},           {1, "[a/b]"},
       {1, "\\ "}, {1, "[\\]a]"}, {1, "[[:x"}, {1, "\t"},     {1, "***"},         {1, "\r"}});
  return rc::gen::exec([atom] {
    std::string text;
    const int rules = *rc::gen::inRange(0, 5);
    for (int i = 0; i < rules; ++i) {
      if (*rc::gen::inRange(0, 3) == 0) text += "!";
      const int atoms = *rc::gen::inRange(1, 6);
      for (int j = 0; j < atoms; ++j) text += *atom;
      text += "\n";
    }
    return text;
  });
}

TEST(IgnoreRules, AgreeWithGit) {
  const TempDir root = test::temp_dir();
  const auto folder = root.path() / "tree";
  // "b" and "ab" are directories in some places and files in others.
  for (const char* directory : {"ab/b/a.b/", "b/b/ab/", "b/a/", "b/", "[/", ""})
    for (const char* name : {"a", "b", "ab", "a.b", "[", "a b", "#a", "!b", "a "})
      if (!std::filesystem::is_directory(folder / directory / name))
        test::write(folder / directory / name, "");
  if (std::system(("git init -q " + shell_quote(folder.string())).c_str()) != 0)
    GTEST_SKIP() << "git is not installed: nothing to compare with";
  ASSERT_FALSE(git_files(folder).empty());
  EXPECT_TRUE(rc::check("scan_folder() keeps what git does not ignore", [&] {
    const std::string top = *any_rules(), below = *any_rules();
    test::write(folder / ".gitignore", top);
    test::write(folder / "b/.gitignore", below);
    RC_ASSERT(scanned_files(folder, root.path() / "cache") == git_files(folder));
  }));
}

}  // namespace
}  // namespace slipway
