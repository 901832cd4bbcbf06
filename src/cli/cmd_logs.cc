// slipway logs: what the app, or its build, wrote.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/follow_rollout.h"
#include "cli/reconnect.h"
#include "cli/server.h"
#include "cli/stream.h"
#include "cli/view.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

struct LogsArguments {
  std::optional<std::string> id, since, filter, tail, service, environment;
  bool build = false, follow = false, times = false;
};

// Where a log is asked for. `after`: the cursor of the last line that was shown, when the stream is
// taken up again; it says more than --since and --tail.
Result<std::string> target_of(const LogsArguments& arguments, std::string_view after) {
  const std::string of = arguments.environment
                             ? environment_target(*arguments.id, *arguments.environment, "")
                             : deployment_target(*arguments.id);
  std::string target = fmt::format("{}/logs?kind={}", of, arguments.build ? "build" : "run");
  if (arguments.follow) target += "&follow=1";
  if (arguments.since) {
    if (!parse_duration(*arguments.since) && !parse_rfc3339(*arguments.since))
      return fail(Errc::invalid_argument,
                  fmt::format("--since '{}' is no time", sanitize_line(*arguments.since)),
                  "write it as 10m, 24h or 2026-01-31T09:30:00Z");
    if (after.empty()) target += "&since=" + url_encode(*arguments.since);
  }
  if (arguments.service) target += "&service=" + url_encode(*arguments.service);
  if (arguments.filter) target += "&filter=" + url_encode(*arguments.filter);
  if (arguments.tail) {
    SLIPWAY_TRY(const int tail, parse_count("--tail", *arguments.tail));
    if (after.empty()) target += fmt::format("&tail={}", tail);
  }
  if (!after.empty()) target += fmt::format("&after={}", url_encode(after));
  return target;
}

// One record for a terminal or a pipe. Colours stay where they can be seen, and end with the line.
std::string shown_line(const json::object& record, const LogsArguments& arguments,
                       const Style& style) {
  const std::string raw = text_at(record, "line");
  std::string line = sanitize_line(raw, style.color ? Colors::keep : Colors::strip);
  if (style.color && line.contains('\x1b')) line += "\x1b[0m";
  if (style.color && text_at(record, "stream") == "err" && line == raw) line = style.yellow(line);
  if (const std::string service = text_at(record, "service"); !service.empty())
    line = style.dim(sanitize_line(service) + " |") + " " + line;
  if (arguments.times) line = style.dim(sanitize_line(text_at(record, "time"))) + "  " + line;
  return line + "\n";
}

// Whether nothing more will be written: a followed stream that ends has either reached that or lost
// its server.
Result<bool> is_over(ApiClient& api, const LogsArguments& arguments) {
  // The next release of an environment takes over from the one whose log has ended.
  if (arguments.environment) return false;
  SLIPWAY_TRY(const json::object deployment, api.get(deployment_target(*arguments.id)));
  const auto state = parse_deployment_state(text_at(deployment, "state"));
  return !state || (is_settled(*state) && (arguments.build || !is_live(*state)));
}

Result<int> logs(Context& context, const LogsArguments& arguments) {
  if (arguments.environment) SLIPWAY_CHECK(check_place(*arguments.id, *arguments.environment));
  std::string place;  // the cursor of the last line
  SLIPWAY_TRY(std::string target, target_of(arguments, place));
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  const Style style = context.console.out_style();
  Reconnect connection(context, *api);
  LineSplitter splitter;
  std::size_t count = 0;
  const auto take = [&](std::string_view line, std::string& out) -> Status {
    if (line.empty()) return {};
    ++count;
    SLIPWAY_TRY(const json::value record, parse_json(line));
    if (!record.is_object()) return {};
    if (context.common.json)
      out.append(escape_hidden(line)) += '\n';
    else
      out += shown_line(record.get_object(), arguments, style);
    place = text_at(record.get_object(), "cursor");
    return {};
  };
  const auto consume = [&](std::string_view bytes) -> Status {
    connection.heard();
    std::string out;
    SLIPWAY_CHECK(
        splitter.feed(bytes, [&](std::string_view line) -> Status { return take(line, out); }));
    context.console.out(out);
    if (context.console.out_closed()) return fail(Errc::canceled, "nobody reads any more");
    return {};
  };
  for (;;) {
    splitter = {};
    Status status =
        connection.api().stream(target, arguments.follow ? Duration(24h) : Duration(60s), consume);
    if (context.console.out_closed()) return 0;
    if (!arguments.follow) {
      if (!status) return fail(status.error());
      break;
    }
    if (status) {
      const Result<bool> over = is_over(connection.api(), arguments);
      if (over && *over) break;
      if (!over && over.error().code == Errc::not_found) break;  // removed for good meanwhile
      if (!over) status = fail(over.error());
    }
    const bool next_release = status && arguments.environment;
    if (next_release) connection.heard();
    if (connection.first_failure() && !next_release && !context.common.quiet)
      context.console.err("the connection to the server broke; trying again\n");
    if (!connection.again(status))
      return fail(status ? Error{.code = Errc::unavailable, .message = "the server ends the stream"}
                         : status.error());
    SLIPWAY_TRY(target, target_of(arguments, place));
  }
  if (count == 0 && !context.common.quiet && !context.common.json)
    context.console.err(arguments.build ? "the build wrote nothing\n"
                        : arguments.environment
                            ? "its instances wrote nothing\n"
                            : fmt::format("the app wrote nothing; its build log: slipway logs {} "
                                          "--build\n",
                                          shell_quote(sanitize_line(*arguments.id))));
  return 0;
}

}  // namespace

Action define_logs(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<LogsArguments>();
  arguments.positional("ID", own->id, "id, beginning of one, URL, project, or alias--project",
                       ValueKind::deployment, Presence::required);
  arguments.option("-E, --env", "NAME", own->environment,
                   "of the release that serves in this environment of the project ID");
  arguments.flag("--build", own->build, "the build's output instead of the app's");
  arguments.option("--service", "NAME", own->service, "only what this service wrote");
  arguments.flag("-f, --follow", own->follow, "go on as it is written");
  arguments.option("--since", "TIME", own->since, "from then on: 10m, 24h, 2026-01-31T09:30:00Z");
  arguments.option("--filter", "RE", own->filter, "only lines that match this (RE2 syntax)");
  arguments.option("-n, --tail", "N", own->tail, "only the last N lines");
  arguments.flag("-t, --times", own->times, "the time before each line");
  arguments.flag("--json", common.json, "one JSON object a line: time, stream, line");
  return [own](Context& context) { return logs(context, *own); };
}

}  // namespace slipway::cli
