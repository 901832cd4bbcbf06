#include "policy/code_variables.h"

#include <algorithm>

#include "base/text.h"

namespace slipway {
namespace {

// Sorted, in capitals.
constexpr std::string_view names[] = {
    "BASH_ENV",
    "BUNDLE_GEMFILE",
    "BUN_OPTIONS",
    "CATALINA_OPTS",
    "CLASSPATH",
    "DOTNET_ADDITIONAL_DEPS",
    "DOTNET_SHARED_STORE",
    "DOTNET_STARTUP_HOOKS",
    "ELIXIR_ERL_OPTIONS",
    "ENV",
    "ERL_AFLAGS",
    "ERL_FLAGS",
    "ERL_LIBS",
    "ERL_ZFLAGS",
    "GCONV_PATH",
    "GIT_EXEC_PATH",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GLIBC_TUNABLES",
    "GUNICORN_CMD_ARGS",
    "JAVA_OPTS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "JRUBY_OPTS",
    "LD_AUDIT",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "LUA_INIT",
    "MAVEN_OPTS",
    "NODE_EXTRA_CA_CERTS",
    "NODE_OPTIONS",
    "NODE_PATH",
    "NODE_REPL_EXTERNAL_MODULE",
    "OPENSSL_CONF",
    "OPENSSL_ENGINES",
    "OPENSSL_MODULES",
    "PATH",
    "PERL5DB",
    "PERL5LIB",
    "PERL5OPT",
    "PERLLIB",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "PROMPT_COMMAND",
    "PYTHONBREAKPOINT",
    "PYTHONHOME",
    "PYTHONINSPECT",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
    "RUBYLIB",
    "RUBYOPT",
    "R_PROFILE",
    "R_PROFILE_USER",
    "SHELLOPTS",
    "UWSGI_PYTHONPATH",
    "VIRTUAL_ENV",
    "_JAVA_OPTIONS",
};
static_assert(std::ranges::is_sorted(names));

}  // namespace

bool loads_code(std::string_view name) {
  if (name.starts_with("CORECLR_PROFILER") || name.starts_with("COR_PROFILER") ||
      name.starts_with("BASH_FUNC_"))
    return true;
  // npm reads its settings in any case.
  const std::string lower = to_lower(name);
  if (lower == "npm_config_node_options" || lower == "npm_config_script_shell" ||
      lower == "npm_config_userconfig" || lower == "npm_config_globalconfig")
    return true;
  return std::ranges::binary_search(names, name);
}

}  // namespace slipway
