#include "build/doctor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "sys/files.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;

void script(const fs::path& file, std::string_view text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << "#!/bin/sh\n" << text << "\n";
  fs::permissions(file, fs::perms(0755));
}

TEST(BuildDoctor, NamesWhatIsThereAndHowToMendWhatIsNot) {
  const auto dir = TempDir::create("/tmp", "slipway-doctor-").value();
  script(dir.path() / "node/bin/node",
         fmt::format("echo v22.1.0; echo {}/node/bin/node", dir.path().string()));
  const auto checks = check_toolchains({{"PATH", (dir.path() / "node/bin").string()}});
  const auto state = [&](std::string_view name) {
    return std::ranges::find(checks, name, &HostCheck::name)->state;
  };
  EXPECT_EQ(state("toolchain node"), HostCheck::State::ok);
  EXPECT_EQ(std::ranges::find(checks, "toolchain node", &HostCheck::name)->detail, "22.1.0");
  EXPECT_EQ(state("toolchain go"), HostCheck::State::warn);
  for (const HostCheck& check : checks)
    EXPECT_EQ(check.fix.empty(), check.state == HostCheck::State::ok) << check.name;
}

TEST(BuildDoctor, ARegistryThatDoesNotAnswerIsAWarningWithAFix) {
  const auto dir = TempDir::create("/tmp", "slipway-doctor-").value();
  script(dir.path() / "npm", "[ \"$1\" = ping ]");
  script(dir.path() / "cargo", "exit 1");
  script(dir.path() / "go", "exec sleep 60");
  const auto checks =
      check_registries({{"PATH", dir.path().string() + ":/bin"}}, std::chrono::milliseconds{500});
  const auto find = [&](std::string_view name) {
    return *std::ranges::find(checks, name, &HostCheck::name);
  };
  EXPECT_EQ(find("registry npm").state, HostCheck::State::ok);
  EXPECT_EQ(find("registry crates").state, HostCheck::State::warn);
  EXPECT_EQ(find("registry go").state, HostCheck::State::warn);
  EXPECT_FALSE(find("registry go").fix.empty());
}

}  // namespace
}  // namespace slipway
