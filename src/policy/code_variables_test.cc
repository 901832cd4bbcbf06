#include "policy/code_variables.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

TEST(CodeVariables, AreNamesByWhichAProgramLoadsCode) {
  for (const char* name :
       {"NODE_OPTIONS", "LD_PRELOAD", "PYTHONSTARTUP", "PYTHONBREAKPOINT", "ELIXIR_ERL_OPTIONS",
        "LUA_INIT", "R_PROFILE", "npm_config_node_options", "NPM_CONFIG_NODE_OPTIONS",
        "BASH_FUNC_ls%%", "CORECLR_PROFILER_PATH", "LD_LIBRARY_PATH", "UWSGI_PYTHONPATH"})
    EXPECT_TRUE(loads_code(name)) << name;
}

// Which module, settings or gems an app is made of, and from where.
TEST(CodeVariables, AreNamesThatSayWhichModuleTheAppIs) {
  for (const char* name : {"FLASK_APP",
                           "DJANGO_SETTINGS_MODULE",
                           "CELERY_CONFIG_MODULE",
                           "GEM_PATH",
                           "GEM_HOME",
                           "SPRING_CONFIG_LOCATION",
                           "SPRING_CONFIG_IMPORT",
                           "SPRING_CONFIG_ADDITIONAL_LOCATION",
                           "spring.config.location",
                           "SPRING_APPLICATION_JSON",
                           "UVICORN_APP",
                           "UWSGI_MODULE",
                           "NODE_CONFIG_DIR",
                           "PRISMA_QUERY_ENGINE_LIBRARY",
                           "NAPI_RS_NATIVE_LIBRARY_PATH",
                           "LUA_INIT_5_4",
                           "YARN_YARN_PATH",
                           "GIT_CONFIG_GLOBAL",
                           "PYTHONWARNINGS",
                           "MAVEN_ARGS",
                           "GRADLE_USER_HOME",
                           "ASPNETCORE_HOSTINGSTARTUPASSEMBLIES",
                           "APP_SERVICES_CACHE",
                           "RELEASE_VM_ARGS",
                           "GOFLAGS",
                           "RUSTC_WRAPPER",
                           "ODBCSYSINI"})
    EXPECT_TRUE(loads_code(name)) << name;
}

TEST(CodeVariables, AreNoOthers) {
  for (const char* name : {"", "PORT", "DATABASE_URL", "NPM_CONFIG_REGISTRY", "MY_NODE_OPTIONS",
                           "node_options", "LUA_INITIAL", "FLASK_SECRET_KEY", "DJANGO_SECRET_KEY",
                           "SPRING_DATASOURCE_URL", "UVICORN_PORT", "CELERY_BROKER_URL", "APP_ENV"})
    EXPECT_FALSE(loads_code(name)) << name;
}

}  // namespace
}  // namespace slipway
