#include "build/version.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

bool npm(std::string_view range, std::string_view version) {
  const auto parsed = VersionRange::parse(range, RangeStyle::npm);
  EXPECT_TRUE(parsed) << range;
  return parsed && parsed->allows(*Version::parse(version));
}

bool python(std::string_view range, std::string_view version) {
  const auto parsed = VersionRange::parse(range, RangeStyle::python);
  EXPECT_TRUE(parsed) << range;
  return parsed && parsed->allows(*Version::parse(version));
}

TEST(Version, ReadsWhatToolsPrint) {
  EXPECT_EQ(Version::parse("v20.11.1")->str(), "20.11.1");
  EXPECT_EQ(Version::parse("go1.22")->str(), "1.22.0");
  EXPECT_EQ(Version::parse("17.0.15+6-Debian")->str(), "17.0.15");
  EXPECT_EQ(Version::parse("3.13.0rc1")->str(), "3.13.0-rc1");
  EXPECT_EQ(Version::parse("22.0.0-nightly.1")->prerelease, "nightly.1");
  EXPECT_EQ(Version::parse("11.0.24.1")->str(), "11.0.24");
  EXPECT_FALSE(Version::parse("stable"));
  EXPECT_FALSE(Version::parse(""));
  EXPECT_FALSE(Version::parse("99999999999.1"));
}

TEST(Version, ReleasesComeAfterTheirPrereleases) {
  EXPECT_LT(*Version::parse("20.0.0-rc.1"), *Version::parse("20.0.0"));
  EXPECT_LT(*Version::parse("3.9"), *Version::parse("3.10"));
}

TEST(VersionRange, LetsTheLastWrittenPartRiseAsRubyElixirAndComposerDo) {
  const auto allows = [](std::string_view range, RangeStyle style, std::string_view version) {
    return VersionRange::parse(range, style)->allows(*Version::parse(version));
  };
  EXPECT_TRUE(allows("~> 3.1", RangeStyle::npm, "3.3.0"));  // Gemfile
  EXPECT_FALSE(allows("~> 3.1", RangeStyle::npm, "4.0.0"));
  EXPECT_FALSE(allows("~> 3.1.2", RangeStyle::npm, "3.2.0"));
  EXPECT_TRUE(allows("~> 1.12", RangeStyle::minimum, "1.14.0"));  // mix.exs
  EXPECT_FALSE(allows("~> 1.12", RangeStyle::minimum, "2.0.0"));
  EXPECT_TRUE(allows("~8.1", RangeStyle::composer, "8.2.35"));
  EXPECT_FALSE(allows("~8.1.0", RangeStyle::composer, "8.2.35"));
  EXPECT_TRUE(allows("^8.1|^9.0", RangeStyle::composer, "8.2.35"));
}

TEST(NpmRange, FollowsNodeSemver) {
  EXPECT_TRUE(npm("", "20.1.0"));
  EXPECT_TRUE(npm("*", "20.1.0"));
  EXPECT_TRUE(npm("20", "20.99.1"));
  EXPECT_FALSE(npm("20", "21.0.0"));
  EXPECT_TRUE(npm("20.x", "20.2.0"));
  EXPECT_TRUE(npm("20.2.x", "20.2.7"));
  EXPECT_FALSE(npm("20.2.x", "20.3.0"));
  EXPECT_TRUE(npm(">=18", "20.1.0"));
  EXPECT_TRUE(npm(">= 18.0.0 < 21", "20.1.0"));
  EXPECT_FALSE(npm(">=18 <20", "20.1.0"));
  EXPECT_TRUE(npm("^18.17 || >=20.3", "20.3.0"));
  EXPECT_FALSE(npm("^18.17 || >=20.3", "19.0.0"));
  EXPECT_FALSE(npm("^18.17.0||^20.5", "20.4.9"));
  EXPECT_TRUE(npm("18 - 20", "20.9.9"));
  EXPECT_FALSE(npm("18.1.0 - 20.2.0", "20.2.1"));
  EXPECT_TRUE(npm("~20.1", "20.1.9"));
  EXPECT_FALSE(npm("~20.1.0", "20.2.0"));
  EXPECT_FALSE(npm("^0.2.3", "0.3.0"));
  EXPECT_TRUE(npm("^0.0.3", "0.0.3"));
  EXPECT_FALSE(npm("^0.0.3", "0.0.4"));
  EXPECT_TRUE(npm("v20.11.1", "20.11.1"));
  EXPECT_FALSE(npm("=20.11.1", "20.11.2"));
  EXPECT_TRUE(npm(">20", "21.0.0"));
  EXPECT_FALSE(npm(">20", "20.9.0"));
  EXPECT_TRUE(npm("<=20", "20.9.0"));
  EXPECT_FALSE(npm(">=20", "22.0.0-nightly"));
}

TEST(NpmRange, RefusesWhatIsNoRange) {
  for (const char* text : {"lts/iron", "node", ">=", "20;rm -rf", "$(id)", "20 && x", "latest"})
    EXPECT_FALSE(VersionRange::parse(text, RangeStyle::npm)) << text;
}

TEST(NpmRange, IsWrittenBackInPlainCharacters) {
  EXPECT_EQ(VersionRange::parse("^20.1 || 22.x", RangeStyle::npm)->npm_text(),
            ">=20.1.0 <21.0.0 || >=22.0.0 <23.0.0");
  EXPECT_EQ(VersionRange::parse("20.11.1", RangeStyle::npm)->npm_text(), "20.11.1");
  EXPECT_EQ(VersionRange::parse("*", RangeStyle::npm)->npm_text(), "*");
}

TEST(NpmRange, WidensAnExactPatchOnly) {
  const auto range = VersionRange::parse("20.11.1", RangeStyle::npm)->without_patch();
  EXPECT_TRUE(range.allows(*Version::parse("20.11.9")));
  EXPECT_FALSE(range.allows(*Version::parse("20.12.0")));
}

TEST(PythonRange, FollowsPep440AndPoetry) {
  EXPECT_TRUE(python(">=3.9", "3.11.7"));
  EXPECT_FALSE(python(">=3.12", "3.11.7"));
  EXPECT_TRUE(python(">=3.9,<4.0", "3.13.0"));
  EXPECT_TRUE(python("3.11", "3.11.7"));
  EXPECT_FALSE(python("3.11", "3.12.0"));
  EXPECT_TRUE(python("3.11.*", "3.11.2"));
  EXPECT_TRUE(python("==3.11.*", "3.11.2"));
  EXPECT_TRUE(python("~=3.11", "3.12.0"));
  EXPECT_FALSE(python("~=3.11.2", "3.12.0"));
  EXPECT_TRUE(python("^3.10", "3.13.0"));
  EXPECT_FALSE(python("~3.10", "3.11.0"));
  EXPECT_TRUE(python("python-3.11.4", "3.11.4"));
  EXPECT_FALSE(python("3.11.4", "3.11.7"));
  EXPECT_TRUE(python(">=3.8, !=3.9.1", "3.9.2"));
  EXPECT_FALSE(python(">=3.8, !=3.9.1", "3.9.1"));
  EXPECT_TRUE(python(">3.9", "3.9.1"));
  EXPECT_EQ(VersionRange::parse("^3.10", RangeStyle::python)->python_text(), ">=3.10.0,<4.0.0");
}

TEST(MinimumRange, TakesABareVersionAsTheLeast) {
  const auto go = VersionRange::parse("1.22", RangeStyle::minimum);
  EXPECT_TRUE(go->allows(*Version::parse("go1.26.8")));
  EXPECT_FALSE(go->allows(*Version::parse("go1.21.0")));
}

}  // namespace
}  // namespace slipway
