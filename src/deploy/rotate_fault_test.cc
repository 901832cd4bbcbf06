// Every open, write, sync and rename below a change of the secrets' key fails once, in turn: no
// value is lost, in this process or the next, and the key can be changed afterwards.
#include <gtest/gtest.h>

#include "db/stores.h"
#include "deploy/environments.h"
#include "sys/files.h"
#include "sys/testing/disk_faults.h"

namespace slipway {
namespace {

using testing::DiskFaults;

struct Kept {
  explicit Kept(const std::filesystem::path& root)
      : stores(Stores::open(root / "slipway.db", clock).value()),
        box(SecretBox::open(root / "secrets.key").value()) {}
  ManualClock clock;
  Stores stores;
  SecretBox box;
  Environments environments{{.store = *stores.configurations, .box = box, .clock = clock}};

  std::string value(std::string_view environment) const {
    const auto values = environments.values_for("shop", environment, 1);
    return values ? values->run.at("KEY") : values.error().message;
  }
};

class RotationFaults : public ::testing::TestWithParam<int> {};

TEST_P(RotationFaults, NoValueIsLost) {
  for (int number = 1;; ++number) {
    SCOPED_TRACE(number);
    ASSERT_LT(number, 200) << "it never passes untouched";
    const TempDir directory =
        TempDir::create(std::filesystem::temp_directory_path(), "slipway-rotation-").value();
    Result<std::size_t> rotated = 0;
    bool failed = false;
    {
      Kept kept(directory.path());
      for (const char* environment : {"preview", "production"})
        ASSERT_TRUE(kept.environments.change({}, "shop", environment,
                                             {.set = {{.name = "KEY", .value = "sk-canary-1"}}}));
      DiskFaults::fail_at(number, GetParam());
      rotated = kept.environments.rotate_key({});
      failed = DiskFaults::repair();
      for (const char* environment : {"preview", "production"})
        EXPECT_EQ(kept.value(environment), "sk-canary-1");
    }
    Kept again(directory.path());
    for (const char* environment : {"preview", "production"})
      EXPECT_EQ(again.value(environment), "sk-canary-1");
    EXPECT_EQ(again.environments.rotate_key({}).value_or(0), 2u);
    EXPECT_EQ(again.box.key_count(), 1u);
    EXPECT_EQ(again.value("preview"), "sk-canary-1");
    if (!failed) {
      EXPECT_TRUE(rotated);
      break;
    }
    if (HasFailure()) break;
  }
}

INSTANTIATE_TEST_SUITE_P(Of, RotationFaults, ::testing::Values(EIO, ENOSPC), [](const auto& info) {
  return info.param == EIO ? "OnABrokenDisk" : "OnAFullDisk";
});

}  // namespace
}  // namespace slipway
