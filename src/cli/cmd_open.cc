// slipway open: the URL, and a browser where there is one.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>

#include "base/text.h"
#include "cli/server.h"
#include "sys/process.h"

namespace slipway::cli {
namespace {

std::optional<std::filesystem::path> find_program(const CliEnvironment& env,
                                                  std::string_view name) {
  for (const std::string_view directory : split(env.variable("PATH"), ':')) {
    const std::filesystem::path candidate = std::filesystem::path(directory) / name;
    if (candidate.is_absolute() && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return std::nullopt;
}

bool has_desktop(const CliEnvironment& env) {
  return !env.variable("DISPLAY").empty() || !env.variable("WAYLAND_DISPLAY").empty();
}

// A browser that does not come is no failure: the URL is printed anyway.
void open_browser(const CliEnvironment& env, const std::string& url) {
  const std::optional<std::filesystem::path> opener = find_program(env, "xdg-open");
  if (!opener || !has_desktop(env)) return;
  if (!url.starts_with("http://") && !url.starts_with("https://")) return;
  SpawnOptions options;
  options.session = SpawnOptions::Session::own;
  for (const auto& [name, value] : env.variables)
    options.env.push_back(fmt::format("{}={}", name, value));
  const std::vector<std::string> argv{opener->string(), url};
  [[maybe_unused]] const Result<Pidfd> browser = spawn(argv, options);
}

}  // namespace

Action define_open(Arguments& arguments, CommonOptions& common) {
  struct Own {
    std::optional<std::string> id;
    bool print = false;
  };
  auto own = std::make_shared<Own>();
  arguments.positional("ID", own->id, "id, beginning of one, URL, project, or alias--project",
                       ValueKind::deployment, Presence::required);
  arguments.flag("-p, --print", own->print, "print the URL only, open nothing");
  arguments.flag("--json", common.json, "print the deployment as JSON, open nothing");
  return [own](Context& context) -> Result<int> {
    SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
    SLIPWAY_TRY(const json::object deployment, api->get(deployment_target(*own->id)));
    if (context.common.json) {
      context.console.out(printable_json(deployment));
      return 0;
    }
    const std::string url = text_at(deployment, "url");
    if (!own->print) open_browser(context.env, url);
    context.console.out(sanitize_line(url) + "\n");
    return 0;
  };
}

}  // namespace slipway::cli
