#include "build/caches.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "build/cargo_times.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;

struct World {
  TempDir dir = *TempDir::create("/var/tmp", "slipway-caches-");
  ProjectCaches caches{dir.path() / "cache", dir.path() / "scratch"};
  Service service;
  std::unique_ptr<ProjectCaches::Lease> lease(std::string_view project,
                                              const std::vector<std::string>& tools) {
    return caches.lease(project, service, tools).value();
  }
  static fs::path source(const ProjectCaches::Lease& lease, std::string_view target) {
    for (const auto* binds : {&lease.binds, &lease.framework_binds})
      for (const BindMount& bind : *binds)
        if (bind.target == target) return bind.source;
    return {};
  }
};

TEST(ProjectCaches, AreOneProjectsAlone) {
  World w;
  const auto one = w.lease("shop", {"node"}), two = w.lease("Shop", {"node"});
  const auto npm = "/opt/slipway/cache/npm";
  EXPECT_TRUE(fs::is_directory(World::source(*one, npm)));
  EXPECT_NE(World::source(*one, npm), World::source(*two, npm));
  EXPECT_EQ(one->env.at("npm_config_cache"), npm);
  EXPECT_EQ(World::source(*one, npm), World::source(*w.lease("shop", {"node"}), npm));
}

TEST(ProjectCaches, ACacheThatBearsOneUserIsNotSharedByTwoBuilds) {
  World w;
  w.service.cache_dirs = {".next/cache", "/etc", "a/../../b", ""};
  const auto target = "/app/.next/cache";
  auto first = w.lease("shop", {"rust"});
  ASSERT_EQ(first->framework_binds.size(), 1u);
  const fs::path kept = World::source(*first, target);
  const auto second = w.lease("shop", {"rust"});
  EXPECT_NE(World::source(*second, target), kept);
  EXPECT_NE(second->cargo_target, first->cargo_target);
  EXPECT_TRUE(fs::is_directory(World::source(*second, target)));
  first.reset();
  EXPECT_EQ(World::source(*w.lease("shop", {"rust"}), target), kept);
}

TEST(ProjectCaches, AreTrimmedLargestFirstButNotWhileHeld) {
  World w;
  const auto fill = [](const fs::path& directory, std::size_t bytes) {
    std::ofstream(directory / "file") << std::string(bytes, 'x');
  };
  auto lease = w.lease("shop", {"node", "rust"});
  const fs::path npm = World::source(*lease, "/opt/slipway/cache/npm");
  const fs::path target = lease->cargo_target;
  fill(npm, 1000);
  fill(target, 5000);
  ASSERT_TRUE(w.caches.trim("shop", 5500));
  EXPECT_FALSE(fs::exists(npm));
  EXPECT_TRUE(fs::exists(target / "file"));
  lease.reset();
  ASSERT_TRUE(w.caches.trim("shop", 100));
  EXPECT_FALSE(fs::exists(target));
}

TEST(ProjectCaches, GoWithTheirProject) {
  World w;
  const fs::path npm = World::source(*w.lease("shop", {"node"}), "/opt/slipway/cache/npm");
  ASSERT_TRUE(w.caches.remove("shop"));
  EXPECT_FALSE(fs::exists(npm));
  EXPECT_TRUE(w.caches.remove("shop"));
}

// The story: cargo went by times, and a file that went back to its earlier content kept the time at
// which that content was first stored, so the program of the deploy between was shipped again.
TEST(CargoTimes, AFileThatChangesIsNewerThanEveryBuildBefore) {
  World w;
  fs::create_directories(w.dir.path() / "store");
  BlobStore blobs = *BlobStore::open(w.dir.path() / "store");
  const fs::path target = w.dir.path() / "target";
  fs::create_directories(target);
  ManualClock clock;
  int builds = 0;
  // The time that a build sees, in microseconds; nothing for the stored one.
  const auto build = [&](std::string_view text) -> std::optional<std::int64_t> {
    const Manifest source{
        .entries = {{.path = "src/main.rs", .size = text.size(), .digest = *blobs.put(text)}}};
    const fs::path upper = w.dir.path() / fmt::format("upper{}", ++builds);
    clock.advance(std::chrono::seconds{10});
    EXPECT_TRUE(renew_times(source, blobs, target, upper, clock.now()));
    struct stat info{};
    if (::stat((upper / "src/main.rs").c_str(), &info) != 0) return std::nullopt;
    return info.st_mtim.tv_sec * 1'000'000 + info.st_mtim.tv_nsec / 1000;
  };
  const auto now = [&] { return clock.now().time_since_epoch().count(); };
  EXPECT_EQ(build("one"), std::nullopt);
  EXPECT_EQ(build("one"), std::nullopt);
  EXPECT_EQ(build("two"), now());
  const auto since = now();
  EXPECT_EQ(build("two"), since);
  EXPECT_EQ(build("one"), now());
}

}  // namespace
}  // namespace slipway
