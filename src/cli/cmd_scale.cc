// slipway restart, slipway scale: the instances of the release that serves.
#include <fmt/format.h>

#include <memory>
#include <thread>

#include "base/text.h"
#include "cli/follow.h"
#include "cli/follow_rollout.h"
#include "cli/reconnect.h"
#include "cli/release_view.h"
#include "cli/server.h"
#include "model/release.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

struct CrewArguments {
  std::optional<std::string> project, count, environment;
  bool no_wait = false, force = false;
};

// Until the server did what was asked of the instances; the environment then.
Result<json::object> await_work(Context& context, ApiClient& api, const std::string& project,
                                const std::string& environment, json::object now) {
  Reconnect connection(context, api);
  const std::string id = text_at(object_at(now, "work"), "id");
  while (text_at(object_at(now, "work"), "state") == "running") {
    std::this_thread::sleep_for(200ms);
    Result<json::object> next = connection.api().get(environment_target(project, environment, ""));
    if (!next) {
      if (!connection.again(fail(next.error()))) return fail(std::move(next).error());
      continue;
    }
    connection.heard();
    now = *std::move(next);
    if (text_at(object_at(now, "work"), "id") != id)
      return fail(Errc::unavailable, "the server restarted meanwhile",
                  fmt::format("see what runs: slipway ls --project {}", project));
  }
  return now;
}

Result<int> change(Context& context, const CrewArguments& arguments, std::string_view verb,
                   json::object body) {
  const std::string& project = *arguments.project;
  const std::string environment =
      arguments.environment.value_or(std::string(production_environment));
  SLIPWAY_CHECK(check_place(project, environment));
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(json::object now,
              api->post(environment_target(project, environment, fmt::format("/{}", verb)), body));
  if (!arguments.no_wait) {
    const Duration began = context.clock.monotonic();
    ProgressView progress(context.console, context.clock, progress_mode(context),
                          progress_log(context));
    progress.start(verb, fmt::format("{} of {}", environment, project));
    auto done = await_work(context, *api, project, environment, std::move(now));
    const Duration took = context.clock.monotonic() - began;
    if (!done) return fail(std::move(done).error());
    now = *std::move(done);
    const json::object& work = object_at(now, "work");
    progress.end(verb, text_at(work, "state"), took, "");
    progress.finish();
    if (const json::value* value = work.if_contains("error"); value && value->is_object()) {
      SLIPWAY_TRY(Error error, error_from_json(*value));
      return fail(std::move(error));
    }
  }
  if (context.common.json)
    context.console.out(printable_json(now));
  else if (!context.common.quiet)
    context.console.err(
        render_environments(json::array{json::value(now)}, context.console.err_style()));
  return 0;
}

void declare(Arguments& arguments, CommonOptions& common, CrewArguments& own) {
  arguments.option("-E, --env", "NAME", own.environment, "the environment (production)");
  arguments.flag("--no-wait", own.no_wait, "return at once; it goes on by itself");
  arguments.flag("--json", common.json, "print the environment as JSON");
}

}  // namespace

Action define_restart(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<CrewArguments>();
  arguments.positional("PROJECT", own->project, "the project", ValueKind::project,
                       Presence::required);
  declare(arguments, common, *own);
  return [own](Context& context) { return change(context, *own, "restart", {}); };
}

Action define_scale(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<CrewArguments>();
  arguments.positional("PROJECT", own->project, "the project", ValueKind::project,
                       Presence::required);
  arguments.positional("N", own->count, "so many instances of each web service", ValueKind::text,
                       Presence::required);
  arguments.flag("--force", own->force, "also when they do not fit into the machine's memory");
  declare(arguments, common, *own);
  return [own](Context& context) -> Result<int> {
    SLIPWAY_TRY(const int count, parse_count("N", *own->count));
    json::object body{{"instances", count}};
    if (own->force) body["force"] = true;
    return change(context, *own, "scale", std::move(body));
  };
}

}  // namespace slipway::cli
