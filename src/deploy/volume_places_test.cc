#include "deploy/volume_places.h"

#include <gtest/gtest.h>

#include <set>

namespace slipway {
namespace {

VolumePlaces places(std::string root, std::vector<std::string> volumes) {
  return volume_places(
      Service{.name = "web", .root = std::move(root), .volumes = std::move(volumes)});
}

TEST(VolumePlaces, AreBelowTheAppOrOutsideOfTheSystem) {
  const auto found = places("", {"data", "/data", "/app/uploads", "/home/app/.cache", "/mnt/disk"});
  EXPECT_TRUE(found.problems.empty());
  std::vector<std::string> paths;
  for (const VolumePlace& each : found.places) paths.push_back(each.path);
  EXPECT_EQ(paths, (std::vector<std::string>{"/app/data", "/app/uploads", "/data",
                                             "/home/app/.cache", "/mnt/disk"}));
}

TEST(VolumePlaces, OthersAreProblemsAndNotPlaces) {
  for (const char* path :
       {"../data",    "a/../../b",    "/app/../etc", "/etc/ssl", "/proc",
        "/proc/self", "/usr/local/x", "/sys/fs",     "/dev/shm", "/",
        "/app",       "/app/",        ".",           "",         "/tmp/x",
        "/run/x",     "/var/run/y",   "/bin",        "/lib64/x", "/var/lib/slipway/volumes/x",
        "a\nb",       "/home/app",    "/var"}) {
    const auto found = places("", {path});
    EXPECT_TRUE(found.places.empty()) << path;
    EXPECT_EQ(found.problems.size(), 1u) << path;
    for (const std::string& line : found.problems)
      EXPECT_EQ(line.find('\n'), std::string::npos) << path;
  }
  EXPECT_TRUE(places("../x", {"data"}).places.empty());
  EXPECT_FALSE(places("", {"/etcetera"}).places.empty()) << "only begins like one";
}

TEST(VolumePlaces, HaveOneNameEachThatIsAFileName) {
  std::set<std::string> names;
  const std::vector<std::pair<std::string, std::string>> all{
      {"", "data"},       {"", "a/b"},      {"", "a~b"},   {"a", "b/c"},
      {"", "/data"},      {"web", "/data"}, {"", "@data"}, {"", "/home/app/data"},
      {"", "~home~data"}, {"", ".data"},    {"", "a b"},   {"", std::string(400, 'x')}};
  for (const auto& [root, path] : all) {
    const auto found = places(root, {path});
    ASSERT_EQ(found.places.size(), 1u) << path;
    const std::string& name = found.places.front().name;
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_EQ(name.find('/'), std::string::npos);
    EXPECT_NE(name.front(), '.');
    EXPECT_LE(name.size(), 200u);
  }
  EXPECT_EQ(places("a", {"b"}).places.front().name, places("", {"a/b"}).places.front().name)
      << "the same folder is the same volume";
}

TEST(VolumePlaces, ADatabaseInTheRootIsAFile) {
  EXPECT_EQ(places("", {"dev.db"}).places.front().kind, VolumePlace::Kind::file);
  EXPECT_EQ(places("", {"db"}).places.front().kind, VolumePlace::Kind::directory);
  Service service{.name = "web", .volumes = {"database"}};
  service.evidence.push_back({.fact = "volumes: SQLite database database"});
  EXPECT_EQ(volume_places(service).places.front().kind, VolumePlace::Kind::file);
}

TEST(VolumePlaces, OuterOnesComeFirstAndTwinsOnce) {
  const auto found = places("", {"data/uploads", "data", "./data/", "/app/data"});
  ASSERT_EQ(found.places.size(), 2u);
  EXPECT_EQ(found.places[0].path, "/app/data");
  EXPECT_EQ(found.places[1].path, "/app/data/uploads");
}

}  // namespace
}  // namespace slipway
