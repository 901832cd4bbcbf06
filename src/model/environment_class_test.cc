#include "model/environment_class.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

TEST(EnvironmentClass, OfEveryNameButProductionAndStagingIsPreview) {
  EXPECT_EQ(environment_class("production"), "production");
  EXPECT_EQ(environment_class("staging"), "staging");
  for (const char* name : {"preview", "qa", "beta", "prod", "Production", ""})
    EXPECT_EQ(environment_class(name), "preview") << name;
}

}  // namespace
}  // namespace slipway
