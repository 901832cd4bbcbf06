#include "cli/follow.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "base/text.h"
#include "cli/reconnect.h"
#include "cli/stream.h"
#include "cli/view.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t tail_limit = 40;
constexpr Duration silence_limit = 30min;  // a build step may say nothing for long

// What the events so far amount to, and where a stream that is taken up again goes on. When the
// server restarted, the deployment is made again from its source: its events are other ones, and
// all of them are shown.
class Follower {
 public:
  explicit Follower(ProgressView& progress) : progress_(progress) {}

  void stream_starts() { parser_ = {}; }
  // As the API's `after`; "" before the first event.
  [[nodiscard]] const std::string& place() const { return place_; }
  Status feed(std::string_view bytes) {
    return parser_.feed(
        bytes, [this](std::string_view event, std::string_view data) { return take(event, data); });
  }
  [[nodiscard]] bool done() const { return done_; }
  FollowedDeployment outcome() && {
    return {.deployment = std::move(deployment_), .log_tail = {tail_.begin(), tail_.end()}};
  }

 private:
  Status take(std::string_view event, std::string_view data) {
    SLIPWAY_TRY(const json::value value, parse_json(data));
    if (!value.is_object()) return {};
    const json::object& object = value.get_object();
    if (const std::string& id = parser_.last_id(); !id.empty()) go_to(id);
    if (event == "step") take_step(object);
    if (event == "log") take_log(text_at(object, "line"));
    if (event == "state" && text_at(object, "state") == "queued")
      progress_.wait_for("waiting for a free build slot");
    if (event == "done") {
      deployment_ = object;
      done_ = true;
      // There is nothing after it; stop reading.
      return fail(Errc::canceled, "done");
    }
    return {};
  }

  void go_to(const std::string& id) {
    const auto feed_of = [](std::string_view place) { return place.substr(0, place.find('.')); };
    if (!place_.empty() && feed_of(place_) != feed_of(id)) {
      progress_.note("the server restarted and makes the deployment again");
      ended_.clear();
      last_running_.clear();
    }
    place_ = id;
  }

  void take_step(const json::object& step) {
    const std::string name = text_at(step, "name"), state = text_at(step, "state");
    const std::string detail = text_at(step, "detail");
    if (state == "running") {
      if (last_running_ != name) progress_.start(name, detail);
      last_running_ = name;
    } else if (ended_.emplace(name, state).second) {
      progress_.end(name, state, std::chrono::milliseconds(number_at(step, "took_ms")), detail);
    }
  }

  void take_log(const std::string& line) {
    tail_.push_back(line);
    if (tail_.size() > tail_limit) tail_.pop_front();
    progress_.log_line(line);
  }

  ProgressView& progress_;
  SseParser parser_;
  std::deque<std::string> tail_;
  std::map<std::string, std::string> ended_;
  std::string last_running_, place_;
  bool done_ = false;
  json::object deployment_;
};

// The log that says more, unless the server named it already.
void suggest_logs(Error& error, const std::string& id) {
  const bool started = error.code == Errc::start_failed || error.phase == "start";
  const std::string command = fmt::format("slipway logs {}{}", id, started ? "" : " --build");
  if (std::ranges::find(error.next, command, &NextStep::command) == error.next.end())
    error.next.push_back(
        {command, started ? "for all that the app wrote" : "for the whole build log"});
}

std::string cache_text(const json::object& deployment) {
  const json::object& cache = object_at(deployment, "cache");
  std::vector<std::string> hits;
  if (text_at(cache, "install") == "hit") hits.push_back("dependencies");
  if (text_at(cache, "build") == "hit") hits.push_back("build");
  return hits.empty() ? "" : join(hits, " and ") + " reused";
}

}  // namespace

ProgressView::Mode progress_mode(const Context& context) {
  if (context.common.quiet) return ProgressView::Mode::quiet;
  return context.console.err_style().live ? ProgressView::Mode::live : ProgressView::Mode::plain;
}

ProgressView::BuildLog progress_log(const Context& context) {
  return context.common.verbose ? ProgressView::BuildLog::all : ProgressView::BuildLog::last_line;
}

Result<FollowedDeployment> follow_deployment(Context& context, ApiClient& api, std::string_view id,
                                             ProgressView& progress) {
  Follower follower(progress);
  const std::string target = deployment_target(id) + "/events";
  Reconnect connection(context, api);
  for (;;) {
    follower.stream_starts();
    const std::string& place = follower.place();
    const Status status =
        connection.api().stream(place.empty() ? target : target + "?after=" + url_encode(place),
                                silence_limit, [&](std::string_view bytes) {
                                  connection.heard();
                                  return follower.feed(bytes);
                                });
    if (follower.done()) return std::move(follower).outcome();
    if (connection.first_failure())
      progress.note("the connection to the server broke; trying again");
    if (!connection.again(status)) {
      Error error = status ? Error{.code = Errc::unavailable,
                                   .message = "the server stopped telling about the deployment"}
                           : status.error();
      error.next.push_back({fmt::format("slipway inspect {}", id), "to see how it went on"});
      return fail(std::move(error));
    }
  }
}

void add_ways_out(const json::object& waiting, Error& error) {
  for (const json::value& step : array_at(waiting, "next"))
    if (step.is_object())
      error.next.push_back(
          {text_at(step.get_object(), "command"), text_at(step.get_object(), "when")});
  if (!error.next.empty()) error.hint = "nobody here could approve it: somebody else would have to";
}

std::optional<Error> deployment_error(const json::object& deployment) {
  const std::string state = text_at(deployment, "state");
  const std::optional<DeploymentState> known = parse_deployment_state(state);
  if (known && is_live(*known)) return std::nullopt;
  if (known && !is_settled(*known)) {
    if (text_at(deployment, "waits_for") != "approval") return std::nullopt;
    const std::string approval = text_at(deployment, "approval");
    Error error{.code = Errc::failed_precondition,
                .message = fmt::format("{} is waiting for approval {}", text_at(deployment, "id"),
                                       approval),
                .hint = "it goes on by itself once enough people agreed"};
    add_ways_out(deployment, error);
    if (error.next.empty())
      error.next.push_back({"slipway approve " + approval, "by somebody else"});
    error.next.push_back({"slipway why " + text_at(deployment, "id"), "for what it takes"});
    return error;
  }
  if (const json::value* value = deployment.if_contains("error"); value && value->is_object())
    if (Result<Error> error = error_from_json(*value)) return *std::move(error);
  const std::string reason = text_at(deployment, "state_reason");
  Error error{.code = state == "canceled" || state == "deleted" ? Errc::canceled
                      : state == "failed"                       ? Errc::build_failed
                                                                : Errc::failed_precondition,
              .message = fmt::format("{} is {}{}", text_at(deployment, "id"), state,
                                     reason.empty() ? "" : ": " + reason)};
  return error;
}

namespace {

// What building and running it taught: one line each, with its fix.
std::string findings_block(const json::array& findings, const Style& style) {
  constexpr std::size_t most = 8;
  std::string out;
  std::size_t shown = 0;
  for (const json::value& each : findings) {
    if (!each.is_object()) continue;
    if (shown++ == most) {
      out += fmt::format("  {}and {} more: --json has them all\n", style.dim(pad("", 9)),
                         findings.size() - most);
      break;
    }
    const json::object& finding = each.get_object();
    const std::string file = text_at(finding, "file");
    const auto line = number_at(finding, "line");
    const std::string place = file.empty() ? ""
                              : line > 0   ? fmt::format(" ({}:{})", file, line)
                                           : fmt::format(" ({})", file);
    const bool repaired = text_at(finding, "code").starts_with("repaired_");
    out += fmt::format("  {}{}\n",
                       repaired ? style.dim(pad("repaired", 9)) : style.yellow(pad("finding", 9)),
                       sanitize_line(text_at(finding, "message") + place));
    if (const std::string fix = text_at(finding, "fix"); !fix.empty())
      out += fmt::format("  {}{}\n", style.dim(pad("  fix", 9)), sanitize_line(fix));
  }
  return out;
}

}  // namespace

namespace {

// Workers alone: what its URL would say helps nobody.
bool answers_requests(const json::object& deployment) {
  const json::array& services = array_at(deployment, "services");
  return services.empty() || std::ranges::any_of(services, [](const json::value& service) {
           return service.is_object() && !text_at(service.get_object(), "url").empty();
         });
}

}  // namespace

void print_deployment_summary(Context& context, const json::object& deployment, Duration took) {
  const Style style = context.console.err_style();
  const std::string state = text_at(deployment, "state");
  std::string out;
  const auto add = [&](std::string_view label, std::string_view text) {
    if (!text.empty())
      out += fmt::format("  {}{}\n", style.dim(pad(label, 9)), sanitize_line(text));
  };
  const std::string cached = cache_text(deployment);
  out += fmt::format(
      "{} {} in {}{}\n", style.green(style.unicode ? "✓" : "ok:"),
      style.bold(sanitize_line(text_at(deployment, "project")) + " is " + sanitize_line(state)),
      format_took(took), cached.empty() ? "" : style.dim(" (" + cached + ")"));
  // On a terminal the URL follows on stdout; saying it twice would help nobody.
  if (answers_requests(deployment)) {
    if (!context.env.out_tty) add("url", text_at(deployment, "url"));
    add("alias", text_at(deployment, "alias_url"));
  } else {
    add("no url", "it works and answers no requests");
    add("logs", fmt::format("slipway logs {}", text_at(deployment, "id")));
  }
  if (const std::string at = text_at(deployment, "expires_at"); !at.empty())
    add("expires", format_when(at, context.clock.now()));
  out += findings_block(array_at(deployment, "findings"), style);
  context.console.err(out);
}

int report_deployment(Context& context, const FollowedDeployment& followed, Duration took) {
  const json::object& deployment = followed.deployment;
  const std::optional<Error> error = deployment_error(deployment);
  if (context.common.json) context.console.out(printable_json(deployment));
  if (!error) {
    if (!context.common.quiet) print_deployment_summary(context, deployment, took);
    if (!context.common.json)
      context.console.out(
          sanitize_line(text_at(deployment, answers_requests(deployment) ? "url" : "id")) + "\n");
    return 0;
  }
  Error shown = *error;
  if (text_at(deployment, "state") == "failed") suggest_logs(shown, text_at(deployment, "id"));
  // With --verbose the log went by in full already.
  context.console.err(
      render_error(shown, context.console.err_style(),
                   context.common.verbose ? std::vector<std::string>{} : followed.log_tail));
  return info(error->code).exit_code;
}

}  // namespace slipway::cli
