#include "build/recipe.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

#include "base/text.h"

namespace slipway {
namespace {

const Toolchain* find_tool(const std::vector<Toolchain>& tools, std::string_view name) {
  const auto found = std::ranges::find(tools, name, &Toolchain::name);
  return found == tools.end() ? nullptr : &*found;
}

bool is_python(const Ground& ground) {
  return find_tool(ground.tools, "python") != nullptr && ground.service->provider == "python";
}

std::string search_path(const Ground& ground, const std::vector<Toolchain>& tools) {
  const std::string work = work_directory(*ground.service);
  std::vector<std::string> parts;
  if (find_tool(tools, "node") != nullptr || find_tool(tools, "bun") != nullptr) {
    parts.push_back(work + "/node_modules/.bin");
    if (work != "/app") parts.emplace_back("/app/node_modules/.bin");
  }
  if (is_python(ground)) parts.push_back(work + "/.venv/bin");
  for (const Toolchain& tool : tools)
    for (const std::string& directory : tool.path)
      if (std::ranges::find(parts, directory) == parts.end() && directory != "/usr/bin")
        parts.push_back(directory);
  for (const char* directory :
       {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"})
    parts.emplace_back(directory);
  return join(parts, ":");
}

void add_common(const Ground& ground, const std::vector<Toolchain>& tools, EnvVars& env) {
  env["PATH"] = search_path(ground, tools);
  env["HOME"] = "/home/app";
  env["LANG"] = "C.UTF-8";
  for (const Toolchain& tool : tools)
    for (const auto& [name, value] : tool.env) env[name] = value;
  if (is_python(ground)) {
    env["VIRTUAL_ENV"] = work_directory(*ground.service) + "/.venv";
    env["PYTHONUNBUFFERED"] = "1";
    env["UV_PROJECT_ENVIRONMENT"] = env["VIRTUAL_ENV"];
    env["UV_PYTHON_DOWNLOADS"] = "never";
  }
  if (find_tool(tools, "deno") != nullptr)  // its cache is what the app runs from
    env["DENO_DIR"] = work_directory(*ground.service) + "/.deno";
}

// What packages fetch or do at their install that no deploy needs; docs/repairs.md lists them.
constexpr std::pair<std::string_view, std::string_view> install_switches[] = {
    {"HUSKY", "0"},
    {"CYPRESS_INSTALL_BINARY", "0"},
    {"ELECTRON_SKIP_BINARY_DOWNLOAD", "1"},
    {"CHROMEDRIVER_SKIP_DOWNLOAD", "true"},
    {"GECKODRIVER_SKIP_DOWNLOAD", "1"},
    {"DISABLE_OPENCOLLECTIVE", "1"},
    {"ADBLOCK", "1"},
    {"SUPPRESS_SUPPORT", "1"},
};

// uv takes a folder of the project's own for unchanged when its manifest's time is: blobs keep
// theirs, so that a change of its code alone would install the old code.
constexpr std::string_view renew_local_packages =
    "find . -name .venv -prune -o -name node_modules -prune -o \\( -name pyproject.toml -o -name "
    "setup.py -o -name setup.cfg \\) -exec touch {} + 2>/dev/null\n";

bool calls_pip(std::string_view command) {
  static const RE2 pip(R"((^|[;&|(]\s*)(python3?\s+-m\s+)?pip3?\s)");
  return RE2::PartialMatch(command, pip);
}

// Whether a later command calls pip, or a script of the project's own, which may.
bool wants_pip_later(const Service& service) {
  static const RE2 script(R"((^|[\s;&|(])[\w./-]+\.sh($|[\s;&|)]))");
  for (const std::string& command :
       {service.build.value_or(""), service.release.value_or(""), service.start.value_or("")})
    if (calls_pip(command) || RE2::PartialMatch(command, script)) return true;
  return false;
}

// Makes .venv unless it is there. With uv in a tenth of a second; pip comes into it only when
// something calls it.
std::string venv_prelude(const Ground& ground, std::string_view command) {
  const Toolchain& python = *find_tool(ground.tools, "python");
  for (std::string_view maker : {"uv venv", "uv sync", "-m venv"})
    if (command.find(maker) != std::string_view::npos) return {};
  if (find_tool(ground.tools, "uv") == nullptr)
    return fmt::format("[ -x .venv/bin/python ] || {} -m venv .venv || exit\n", python.program);
  const bool seed = calls_pip(command) || wants_pip_later(*ground.service);
  return fmt::format(
      "[ -x .venv/bin/python ] || uv venv --quiet --no-project{} --python {} .venv || exit\n",
      seed ? " --seed" : "", python.program);
}

// The resolved interpreter for uv's own commands, but not for `uv pip`, which would then install
// into it instead of the environment. And tools that uv runs from its own cache, so that nobody has
// to install them.
std::string uv_functions(const Ground& ground, std::string_view command) {
  std::string out;
  if (find_tool(ground.tools, "uv") == nullptr) return out;
  if (command.find("uv ") != std::string_view::npos)
    out += fmt::format(
        "uv() {{ case $1 in venv|sync|run|lock) UV_PYTHON={} command uv \"$@\" ;; "
        "*) command uv \"$@\" ;; esac; }}\n",
        find_tool(ground.tools, "python")->program);
  for (std::string_view tool : {"poetry", "pdm", "pipenv", "hatch"})
    if (command.find(tool) != std::string_view::npos)
      out +=
          fmt::format("command -v {0} >/dev/null || {0}() {{ uv tool run {0} \"$@\"; }}\n", tool);
  return out;
}

}  // namespace

std::string work_directory(const Service& service) {
  return service.root.empty() ? "/app" : "/app/" + service.root;
}

std::optional<std::string> install_script(const Ground& ground) {
  const std::string command = ground.service->install.value_or("");
  if (is_python(ground)) {
    const bool uv = find_tool(ground.tools, "uv") != nullptr;
    const std::string prelude = venv_prelude(ground, command);
    std::string out = prelude + (uv ? std::string(renew_local_packages) : "") +
                      uv_functions(ground, command) + (command.empty() ? ":" : command);
    // The command makes an environment of its own, where uv puts no pip.
    if (uv && prelude.empty() && wants_pip_later(*ground.service))
      out = fmt::format("{{\n{}\n}} && uv pip install --quiet pip", out);
    return out;
  }
  if (command.empty()) return std::nullopt;
  return command;
}

std::optional<std::string> build_script(const Ground& ground) {
  if (!ground.service->build || ground.service->build->empty()) return std::nullopt;
  const std::string& command = *ground.service->build;
  if (is_python(ground)) return uv_functions(ground, command) + command;
  if (find_tool(ground.tools, "rust") == nullptr) return command;
  // Cargo's target directory is a cache of the project's; the programs themselves belong to the
  // app.
  return fmt::format(
      "{}\nstatus=$?\n[ $status = 0 ] || exit $status\n"
      "for from in \"$CARGO_TARGET_DIR\"/release \"$CARGO_TARGET_DIR\"/debug "
      "\"$CARGO_TARGET_DIR\"/*/release; do\n"
      "  [ -d \"$from\" ] || continue\n"
      "  for to in /app {}; do\n"
      "    to=$to/target${{from#\"$CARGO_TARGET_DIR\"}}\n"
      "    mkdir -p \"$to\" || exit\n"
      "    find \"$from\" -maxdepth 1 -type f -perm -u+x -exec cp -pft \"$to\" {{}} + || exit\n"
      "  done\ndone\n",
      command, ground.service->root.empty() ? "" : shell_quote(work_directory(*ground.service)));
}

EnvVars step_environment(const Ground& ground, BuildStep step) {
  EnvVars env;
  add_common(ground, ground.tools, env);
  env["TMPDIR"] = "/home/app/tmp";
  // create-react-app turns warnings into errors where CI is set.
  env["CI"] = ground.service->framework == "react-scripts" ||
                      ground.service->framework == "create-react-app"
                  ? "false"
                  : "true";
  env["DO_NOT_TRACK"] = "1";
  if (const Toolchain* node = find_tool(ground.tools, "node")) {
    for (const char* name : {"npm_config_fund", "npm_config_audit", "npm_config_update_notifier",
                             "npm_config_progress"})
      env[name] = "false";
    for (const char* name :
         {"NEXT_TELEMETRY_DISABLED", "ASTRO_TELEMETRY_DISABLED", "NUXT_TELEMETRY_DISABLED",
          "GATSBY_TELEMETRY_DISABLED", "STORYBOOK_DISABLE_TELEMETRY"})
      env[name] = "1";
    env["NG_CLI_ANALYTICS"] = "false";
    env["COREPACK_ENABLE_DOWNLOAD_PROMPT"] = "0";
    for (const auto& [name, value] : install_switches) env[std::string(name)] = value;
    // Installs and builds have the dependencies of development, whatever NODE_ENV or .npmrc say;
    // also where a build installs for itself.
    env["npm_config_include"] = "dev";
    // Yarn 2 and newer know no such setting, and end for it.
    const Toolchain* yarn = find_tool(ground.tools, "yarn");
    const bool berry = yarn != nullptr && yarn->version.major > 1;
    if (!berry) env["YARN_PRODUCTION"] = "false";
    // Without node_modules the app runs from the packages' archives: they lie beside it.
    if (berry && ground.service->start.value_or("").starts_with("yarn "))
      env["YARN_ENABLE_GLOBAL_CACHE"] = "false";
    if (ground.service->package_manager == "pnpm") {
      env["npm_config_production"] = "false";
      // That a package's own script is not allowed to run is no reason to fail.
      env["npm_config_strict_dep_builds"] = "false";
      env["pnpm_config_strict_dep_builds"] = "false";
    }
    if (node->program == "/usr/bin/node") env["npm_package_config_node_gyp_nodedir"] = "/usr";
    if (step == BuildStep::build) env["NODE_ENV"] = "production";
  }
  if (is_python(ground)) {
    env["UV_LINK_MODE"] = "copy";  // its cache is another mount
    env["UV_COMPILE_BYTECODE"] = "1";
    env["UV_NO_PROGRESS"] = "1";
    env["UV_VENV_CLEAR"] = "1";
    env["PIP_DISABLE_PIP_VERSION_CHECK"] = "1";
    env["PIP_NO_INPUT"] = "1";
    env["PIP_ROOT_USER_ACTION"] = "ignore";
    env["PIP_PROGRESS_BAR"] = "off";
    env["POETRY_VIRTUALENVS_IN_PROJECT"] = "true";
    env["POETRY_NO_INTERACTION"] = "1";
    env["PIPENV_VENV_IN_PROJECT"] = "1";
  }
  if (const Toolchain* go = find_tool(ground.tools, "go")) {
    const auto range = toolchain_range("go", ground.service->runtime.version);
    env["GOTOOLCHAIN"] =
        ground.service->provider == "go" && !range.allows(go->version) ? "auto" : "local";
    env["GOFLAGS"] = "-buildvcs=false";
  }
  if (find_tool(ground.tools, "rust") != nullptr) env["CARGO_TERM_PROGRESS_WHEN"] = "never";
  return env;
}

EnvVars run_environment(const Ground& ground) {
  EnvVars env;
  add_common(ground, ground.run_tools, env);
  if (find_tool(ground.run_tools, "node") != nullptr ||
      find_tool(ground.run_tools, "bun") != nullptr) {
    env["NODE_ENV"] = "production";
    env["NEXT_TELEMETRY_DISABLED"] = "1";
    env["ASTRO_TELEMETRY_DISABLED"] = "1";
    env["npm_config_update_notifier"] = "false";
    env["npm_config_cache"] = "/tmp/.npm";
  }
  if (is_python(ground)) {
    // Programs of packages (alembic, pytest) find the app's modules, as `python file.py` does.
    env["PYTHONPATH"] = work_directory(*ground.service);
    env["STREAMLIT_BROWSER_GATHER_USAGE_STATS"] = "false";
    env["UV_NO_SYNC"] = "1";  // what was installed is what runs
    env["UV_OFFLINE"] = "1";
    env["UV_CACHE_DIR"] = "/tmp/.uv";
  }
  return env;
}

}  // namespace slipway
