// The test program is also the shim of the sandboxes it starts, as `slipway` is of the server's.
#include <gtest/gtest.h>

#include <string_view>

#include "engine/shim.h"

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == slipway::shim_command)
    return slipway::shim_main(argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
