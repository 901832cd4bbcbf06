#include "model/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>
#include <string>
#include <vector>

namespace slipway {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ManifestEntry entry(std::string path, std::string_view content = "x",
                    FileMode mode = FileMode::regular) {
  return {.path = std::move(path), .mode = mode, .size = content.size(), .digest = sha256(content)};
}

Manifest tree(std::vector<ManifestEntry> entries) {
  auto manifest = Manifest::from_entries(std::move(entries));
  EXPECT_TRUE(manifest.has_value()) << manifest.error().message;
  return manifest.value_or(Manifest{});
}

// Trees over few names, so that files, directories and changes meet each other.
rc::Gen<Manifest> any_manifest() {
  return rc::gen::exec([] {
    std::map<std::string, ManifestEntry> files;
    const auto count = *rc::gen::inRange(0, 12);
    for (int i = 0; i < count; ++i) {
      const auto parts = *rc::gen::container<std::vector<std::string>>(
          rc::gen::element<std::string>("a", "b", "a-b", "a.b", "c d", "\xc3\xa9"));
      std::string path;
      for (const std::string& part : parts) path += (path.empty() ? "" : "/") + part;
      const auto content = *rc::gen::element<std::string>("1", "22", "", "333");
      const auto mode = content.empty() ? FileMode::regular
                                        : *rc::gen::element(FileMode::regular, FileMode::executable,
                                                            FileMode::symlink);
      auto candidate = files;
      candidate[path] = entry(path, content, mode);
      std::vector<ManifestEntry> entries;
      for (const auto& [name, file] : candidate) entries.push_back(file);
      if (Manifest::from_entries(entries)) files = std::move(candidate);
    }
    Manifest manifest;
    for (const auto& [name, file] : files) manifest.entries.push_back(file);
    return manifest;
  });
}

TEST(Manifest, TextIsOneLineAFile) {
  const Manifest manifest = tree({entry("b.txt", "hi"), entry("a/run", "#!", FileMode::executable),
                                  entry("a/link", "run", FileMode::symlink)});
  EXPECT_EQ(manifest.to_text(), "l " + sha256("run").hex() + " 3 a/link\n" + "x " +
                                    sha256("#!").hex() + " 2 a/run\n" + "f " + sha256("hi").hex() +
                                    " 2 b.txt\n");
  EXPECT_EQ(manifest.digest(), sha256(manifest.to_text()));
  EXPECT_EQ(manifest.total_bytes(), 7u);
  ASSERT_NE(manifest.find("a/run"), nullptr);
  EXPECT_EQ(manifest.find("a"), nullptr);
}

TEST(Manifest, ParseUndoesToText) {
  EXPECT_TRUE(rc::check("parse(to_text(m)) == m", [] {
    const Manifest manifest = *any_manifest();
    const auto parsed = Manifest::parse(manifest.to_text());
    RC_ASSERT(parsed.has_value());
    RC_ASSERT(*parsed == manifest);
  }));
}

TEST(Manifest, ParseAcceptsOnlyWhatToTextWrites) {
  EXPECT_TRUE(rc::check("a changed byte is refused, or is another canonical text", [] {
    Manifest manifest = *any_manifest();
    RC_PRE(!manifest.entries.empty());
    std::string text = manifest.to_text();
    text[*rc::gen::inRange<std::size_t>(0, text.size())] = *rc::gen::arbitrary<char>();
    if (const auto parsed = Manifest::parse(text)) RC_ASSERT(parsed->to_text() == text);
  }));
}

TEST(Manifest, RefusesWhatIsNotCanonical) {
  const std::string hex = sha256("x").hex();
  const std::string good = "f " + hex + " 1 a\n";
  ASSERT_TRUE(Manifest::parse(good).has_value());
  ASSERT_TRUE(Manifest::parse("").has_value());
  const std::string bad[] = {
      "f " + hex + " 1 a",                       // no end of line
      "f " + hex + " 01 a\n",                    // leading zero
      "f " + hex + " +1 a\n",                    // sign
      "f " + hex + " 1 \n",                      // no path
      "f " + hex + "  1 a\n",                    // two spaces
      "F " + hex + " 1 a\n",                     // mode
      "f sha256:" + hex + " 1 a\n",              // prefixed digest
      "f " + hex + " 99999999999999999999 a\n",  // does not fit
      "l " + hex + " 0 a\n",                     // a link to nothing
      good + good,                               // twice
      "f " + hex + " 1 b\n" + good,              // out of order
      "f " + hex + " 1 a/b\n" + good,            // out of order and file + directory
      good + "f " + hex + " 1 a-b\n" + "f " + hex + " 1 a/b\n",  // file and directory, not adjacent
      "\n",
  };
  for (const std::string& text : bad) EXPECT_FALSE(Manifest::parse(text).has_value()) << text;
}

TEST(Manifest, TotalSizeIsLimitedWithoutOverflow) {
  const std::string hex = sha256("x").hex();
  const auto parsed = Manifest::parse("f " + hex + " 18446744073709551615 a\n" + "f " + hex +
                                      " 18446744073709551615 b\n");
  ASSERT_FALSE(parsed.has_value());
  EXPECT_EQ(parsed.error().code, Errc::too_large);
}

TEST(ManifestPath, SaysWhatIsWrong) {
  for (const char* path : {"a", "a/b", ".well-known/x", "a b", "\xc3\xa9", "..a", "a..", "..."})
    EXPECT_TRUE(check_manifest_path(path).has_value()) << path;
  const std::string deep(2 * max_path_depth, '/');
  std::string nested = "a";
  for (std::size_t i = 0; i < max_path_depth; ++i) nested += "/a";
  const std::string bad[] = {"",
                             "/a",
                             "a/",
                             "a//b",
                             ".",
                             "a/../b",
                             "./a",
                             "a/.",
                             "a\nb",
                             "a\x7f",
                             "\xc2\x80",
                             "\xff",
                             "\xc0\xae",
                             "\xed\xa0\x80",
                             std::string("a\0b", 3),
                             std::string(256, 'a'),
                             deep,
                             nested};
  for (const std::string& path : bad) EXPECT_FALSE(check_manifest_path(path).has_value()) << path;
  EXPECT_THAT(check_manifest_path("/etc").error().message, HasSubstr("absolute"));
  EXPECT_THAT(check_manifest_path("a/../b").error().message, HasSubstr("\"..\""));
}

TEST(ManifestPath, LinksStayInTheTree) {
  EXPECT_TRUE(check_link_target("l", "a").has_value());
  EXPECT_TRUE(check_link_target("l", "./a/b").has_value());
  EXPECT_TRUE(check_link_target("a/b/l", "../../c").has_value());
  EXPECT_TRUE(check_link_target("a/l", "..").has_value());
  EXPECT_FALSE(check_link_target("l", "..").has_value());
  EXPECT_FALSE(check_link_target("a/l", "../../c").has_value());
  EXPECT_FALSE(check_link_target("l", "/etc/passwd").has_value());
  EXPECT_FALSE(check_link_target("l", "").has_value());
  // "x" may be a link to "..": what is behind it cannot be told from the text.
  EXPECT_FALSE(check_link_target("l", "x/../y").has_value());
}

TEST(ManifestDelta, ApplyUndoesDelta) {
  EXPECT_TRUE(rc::check("apply(a, delta(a, b)) == b", [] {
    const Manifest a = *any_manifest(), b = *any_manifest();
    const auto applied = apply(a, delta(a, b));
    RC_ASSERT(applied.has_value());
    RC_ASSERT(*applied == b);
    const ManifestDiff change = diff(a, b);
    RC_ASSERT((a == b) ==
              (change.added.empty() && change.modified.empty() && change.removed.empty()));
  }));
}

TEST(ManifestDelta, NamesWhatChanged) {
  const Manifest a = tree({entry("gone"), entry("same"), entry("touched", "1")});
  const Manifest b = tree({entry("new"), entry("same"), entry("touched", "2")});
  const ManifestDiff change = diff(a, b);
  EXPECT_THAT(change.added, ElementsAre("new"));
  EXPECT_THAT(change.modified, ElementsAre("touched"));
  EXPECT_THAT(change.removed, ElementsAre("gone"));
}

TEST(ManifestDelta, AnotherBaseIsAConflict) {
  const Manifest a = tree({entry("a")}), b = tree({entry("b")});
  const auto applied = apply(b, delta(a, b));
  ASSERT_FALSE(applied.has_value());
  EXPECT_EQ(applied.error().code, Errc::conflict);
}

TEST(ManifestDelta, RefusesNonsense) {
  const Manifest base = tree({entry("a"), entry("b")});
  const Digest digest = base.digest();
  const ManifestDelta bad[] = {
      {.base = digest, .changed = {}, .removed = {"c"}},
      {.base = digest, .changed = {}, .removed = {"a", "a"}},
      {.base = digest, .changed = {entry("a", "2")}, .removed = {"a"}},
      {.base = digest, .changed = {entry("c"), entry("c")}, .removed = {}},
      {.base = digest, .changed = {entry("a/b")}, .removed = {}},
      {.base = digest, .changed = {entry("../b")}, .removed = {}},
  };
  for (const ManifestDelta& each : bad) {
    const auto applied = apply(base, each);
    ASSERT_FALSE(applied.has_value());
    EXPECT_EQ(applied.error().code, Errc::invalid_argument);
  }
}

}  // namespace
}  // namespace slipway
