#include "api/server_start.h"

#include <gtest/gtest.h>

#include "engine/fake_engine.h"
#include "sys/files.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;

TEST(ServerStart, RemovesTheFilesOfWhatEndedAlsoWhenThatWasWhileItStarted) {
  const TempDir data = TempDir::create(fs::temp_directory_path(), "server-start-").value();
  FakeEngine engine;
  for (const char* id : {"serves", "ends", "never-ran"}) {
    ASSERT_TRUE(make_directories(data.path() / "instances" / id / "upper"));
    if (std::string_view(id) == "never-ran") continue;
    SandboxSpec spec;
    spec.id = id;
    spec.argv = {"serve"};
    ASSERT_TRUE(engine.start(spec, data.path(), 0));
  }
  ASSERT_TRUE(make_directories(data.path() / "scratch/home-1"));

  const auto kept = remove_left_overs(data.path(), engine);
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_EQ(*kept, (std::set<std::string>{"serves", "ends"}));
  EXPECT_FALSE(fs::exists(data.path() / "instances/never-ran"));
  EXPECT_FALSE(fs::exists(data.path() / "scratch/home-1"));

  engine.exit("ends", {.code = 0});
  ASSERT_TRUE(make_directories(data.path() / "instances/is-being-started"));
  ASSERT_TRUE(remove_ended_since(data.path(), engine, *kept));
  EXPECT_FALSE(fs::exists(data.path() / "instances/ends"));
  EXPECT_TRUE(fs::exists(data.path() / "instances/serves/upper"));
  EXPECT_TRUE(fs::exists(data.path() / "instances/is-being-started"));
}

}  // namespace
}  // namespace slipway
