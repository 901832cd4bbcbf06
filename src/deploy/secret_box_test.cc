#include "deploy/secret_box.h"

#include <gtest/gtest.h>

#include "sys/files.h"

namespace slipway {
namespace {

class SecretBoxTest : public testing::Test {
 protected:
  TempDir directory =
      TempDir::create(std::filesystem::temp_directory_path(), "slipway-box-").value();
  std::filesystem::path file = directory.path() / "keys";
  SecretBox box = SecretBox::open(file).value();
  static Status nothing_stored() { return {}; }
};

TEST_F(SecretBoxTest, WhoReadAValueBeforeARotationOpensItAfter) {
  const std::string read_before = box.seal("canary", "place").value();
  ASSERT_TRUE(box.rotate(nothing_stored));
  EXPECT_EQ(box.unseal(read_before, "place").value(), "canary");
  EXPECT_EQ(box.key_count(), 1u);
}

TEST_F(SecretBoxTest, ARetiredKeyIsNotInTheFileAndGoesWithTheNextRotation) {
  const std::string old = box.seal("canary", "place").value();
  ASSERT_TRUE(box.rotate(nothing_stored));
  EXPECT_FALSE(SecretBox::open(file)->unseal(old, "place"));
  ASSERT_TRUE(box.rotate(nothing_stored));
  EXPECT_FALSE(box.unseal(old, "place"));
}

}  // namespace
}  // namespace slipway
