#include "policy/code_variables.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

TEST(CodeVariables, AreNamesByWhichAProgramLoadsCode) {
  for (const char* name : {"NODE_OPTIONS", "LD_PRELOAD", "PYTHONSTARTUP", "PYTHONBREAKPOINT",
                           "ELIXIR_ERL_OPTIONS", "LUA_INIT", "R_PROFILE", "npm_config_node_options",
                           "NPM_CONFIG_NODE_OPTIONS", "BASH_FUNC_ls%%", "CORECLR_PROFILER_PATH"})
    EXPECT_TRUE(loads_code(name)) << name;
}

TEST(CodeVariables, AreNoOthers) {
  for (const char* name : {"", "PORT", "DATABASE_URL", "NPM_CONFIG_REGISTRY", "MY_NODE_OPTIONS",
                           "node_options", "LUA_INITIAL"})
    EXPECT_FALSE(loads_code(name)) << name;
}

}  // namespace
}  // namespace slipway
