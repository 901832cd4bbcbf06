#include <gtest/gtest.h>

#include <set>

#include "cli/command.h"
#include "identity/role.h"

namespace slipway::cli {
namespace {

// What works without asking a server for anything that takes a token. `doctor` looks at this
// machine and at the server's open pages.
const std::set<std::string_view> local{"detect", "init",   "scan",       "sbom",
                                       "serve",  "doctor", "completion", "version"};

TEST(Needs, EveryCommandThatAsksAServerSaysWhatItTakes) {
  for (const Command& command : commands())
    EXPECT_EQ(command.needs.empty(), local.contains(command.name)) << command.name;
}

TEST(Needs, EveryCommandIsOfUseToSomebody) {
  for (const Command& command : commands())
    EXPECT_FALSE(!command.needs.empty() &&
                 (command.needs & role_permissions(Role::admin)) != command.needs)
        << command.name;
}

}  // namespace
}  // namespace slipway::cli
