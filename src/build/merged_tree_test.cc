#include "build/merged_tree.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fstream>

#include "build/site.h"
#include "build/step.h"
#include "sys/files.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;

struct Layers {
  TempDir dir = *TempDir::create("/var/tmp", "slipway-merged-");
  fs::path low = dir.path() / "low", high = dir.path() / "high";
  Layers() {
    fs::create_directories(low);
    fs::create_directories(high);
  }
  static void write(const fs::path& file, std::string_view text = "x") {
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  static bool whiteout(const fs::path& file) {
    fs::create_directories(file.parent_path());
    return ::mknod(file.c_str(), S_IFCHR, ::makedev(0, 0)) == 0;
  }
  static bool opaque(const fs::path& directory) {
    fs::create_directories(directory);
    return ::setxattr(directory.c_str(), "trusted.overlay.opaque", "y", 1, 0) == 0;
  }
  MergedTree tree() const { return MergedTree({low, high}); }
  std::vector<std::string> paths(std::string_view below = "") const {
    std::vector<std::string> out;
    const auto found = tree().walk(below, 1000, [](const auto&) { return true; });
    for (const auto& entry : found.value()) out.push_back(entry.path);
    return out;
  }
};

using Paths = std::vector<std::string>;

TEST(MergedTree, UpperFilesHideLowerOnes) {
  Layers l;
  Layers::write(l.low / "a", "low");
  Layers::write(l.low / "d/b");
  Layers::write(l.high / "a", "high!");
  Layers::write(l.high / "d/c");
  EXPECT_EQ(l.paths(), (Paths{"a", "d/b", "d/c"}));
  EXPECT_EQ(l.tree().list("")->front().size, 5u);
  EXPECT_EQ(l.paths("d"), (Paths{"d/b", "d/c"}));
  EXPECT_TRUE(l.paths("none").empty());
  EXPECT_TRUE(l.tree().is_directory("d"));
  EXPECT_FALSE(l.tree().is_directory("a"));
  EXPECT_FALSE(l.tree().is_directory("../low"));
}

TEST(MergedTree, AFileInAnUpperLayerHidesADirectoryAndTheOtherWayRound) {
  Layers l;
  Layers::write(l.low / "x/deep");
  Layers::write(l.high / "x");
  Layers::write(l.low / "y");
  Layers::write(l.high / "y/deep");
  EXPECT_EQ(l.paths(), (Paths{"x", "y/deep"}));
}

TEST(MergedTree, WhiteoutsAndOpaqueDirectoriesHideWhatIsBelow) {
  Layers l;
  if (!Layers::whiteout(l.high / "gone") || !Layers::opaque(l.high / "new"))
    GTEST_SKIP() << "needs root to make whiteouts";
  Layers::write(l.low / "gone/deep");
  Layers::write(l.low / "new/old");
  Layers::write(l.high / "new/fresh");
  EXPECT_EQ(l.paths(), Paths{"new/fresh"});
  EXPECT_EQ(l.paths("new"), Paths{"new/fresh"});
  EXPECT_FALSE(l.tree().is_directory("gone"));
}

TEST(MergedTree, LinksAreNeverFollowed) {
  Layers l;
  fs::create_directory_symlink("/etc", l.high / "etc");
  EXPECT_FALSE(l.tree().is_directory("etc"));
  EXPECT_TRUE(l.paths("etc").empty());
  EXPECT_EQ(l.tree().list("")->front().kind, MergedTree::Entry::Kind::symlink);
}

TEST(MergedTree, StopsAtItsLimit) {
  Layers l;
  for (int i = 0; i < 5; ++i) Layers::write(l.low / std::to_string(i));
  EXPECT_EQ(l.tree().walk("", 4, [](const auto&) { return true; }).error().code, Errc::too_large);
}

TEST(FindOutput, TakesTheOneUsualFolderThatHasAnIndex) {
  Layers l;
  Layers::write(l.low / "web/build/index.html");
  Layers::write(l.low / "web/dist/main.js");
  EXPECT_EQ(find_output(l.tree(), "web"), "web/build");
  Layers::write(l.high / "web/out/index.html");
  EXPECT_EQ(find_output(l.tree(), "web"), "");
}

TEST(FindOutput, TakesAFolderOfAnyNameWhenItIsTheOnlyOneWithAnIndex) {
  Layers l;
  Layers::write(l.low / "_static/index.html");
  Layers::write(l.low / "node_modules/index.html");
  Layers::write(l.low / "src/main.js");
  EXPECT_EQ(find_output(l.tree(), ""), "_static");
  Layers::write(l.high / "other/index.html");
  EXPECT_EQ(find_output(l.tree(), ""), "");
}

TEST(OpenDirectories, LetTheSourceShowBesideWhatInstallMade) {
  Layers l;
  // Install saw package.json alone, so src and node_modules were new to it.
  if (!Layers::opaque(l.high / "app/src") || !Layers::opaque(l.high / "app/a/b"))
    GTEST_SKIP() << "needs root to mark directories";
  Layers::write(l.high / "app/src/generated");
  Layers::write(l.low / "app/src/main.js");
  Layers::write(l.low / "app/a/b/own.js");
  EXPECT_EQ(l.paths("app/src"), Paths{"app/src/generated"});
  open_directories(l.high, {.entries = {{.path = "a/package.json"}, {.path = "package.json"}}},
                   "app");
  EXPECT_EQ(l.paths("app/src"), (Paths{"app/src/generated", "app/src/main.js"}));
  EXPECT_EQ(l.paths("app/a/b"), Paths{"app/a/b/own.js"});
}

TEST(OpenDirectories, DoNotGoThroughLinks) {
  Layers l;
  const fs::path outside = l.dir.path() / "outside";
  if (!Layers::opaque(outside / "d")) GTEST_SKIP() << "needs root to mark directories";
  fs::create_directories(l.high / "app");
  fs::create_directory_symlink(outside, l.high / "app/a");
  open_directories(l.high, {.entries = {{.path = "a/d/package.json"}}}, "app");
  char value = 0;
  EXPECT_EQ(::getxattr((outside / "d").c_str(), "trusted.overlay.opaque", &value, 1), 1);
}

TEST(LogTail, KeepsTheEnd) {
  LogTail tail(4);
  for (const char* piece : {"ab", "cd", "ef", "g", "hi"}) tail.append(piece);
  EXPECT_EQ(tail.text(), "fghi");
  tail.append("0123456789");
  EXPECT_EQ(tail.text(), "6789");
}

}  // namespace
}  // namespace slipway
