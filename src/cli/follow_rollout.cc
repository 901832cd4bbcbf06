#include "cli/follow_rollout.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include "base/text.h"
#include "cli/follow.h"
#include "cli/interrupt.h"
#include "cli/reconnect.h"
#include "cli/release_view.h"
#include "cli/view.h"
#include "model/release.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

constexpr int canceled_code = 130;
constexpr Duration look_again = 100ms;

RolloutState state_of(const json::object& rollout) {
  return parse_rollout_state(text_at(rollout, "state")).value_or(RolloutState::running);
}

bool at_rest(const json::object& rollout, FollowUntil until) {
  const RolloutState state = state_of(rollout);
  if (is_over(state)) return true;
  if (until == FollowUntil::ended) return false;
  return state == RolloutState::waiting || state == RolloutState::watching;
}

// Turns what a rollout is now into what was not shown of it yet.
class Shown {
 public:
  explicit Shown(ProgressView& progress) : progress_(progress) {}

  void take(const json::object& rollout) {
    const json::array& verdicts = array_at(rollout, "verdicts");
    for (; verdicts_ < verdicts.size(); ++verdicts_)
      if (verdicts[verdicts_].is_object())
        progress_.note(render_verdict(verdicts[verdicts_].get_object()));
    const json::array& steps = array_at(rollout, "steps");
    known_.resize(std::max(known_.size(), steps.size()));
    for (std::size_t i = 0; i < steps.size(); ++i)
      if (steps[i].is_object()) take_step(steps[i].get_object(), known_[i]);
    const std::string reason = text_at(rollout, "reason");
    const RolloutState state = state_of(rollout);
    if (state == RolloutState::waiting) progress_.wait_for(reason);
    // A canary without traffic holds for as long as it takes: said once for each share.
    if (state == RolloutState::canary && !text_at(rollout, "waits_for").empty() &&
        held_at_ != steps.size()) {
      held_at_ = steps.size();
      progress_.note(reason);
    }
  }

 private:
  // Several may have one name: a canary's, one for each share.
  void take_step(const json::object& step, std::string& known) {
    const std::string name = text_at(step, "name"), state = text_at(step, "state"),
                      detail = text_at(step, "detail");
    if (state == "running") {
      if (known != state) progress_.start(name, detail);
      progress_.detail(name, detail);
    } else if (known != state) {
      progress_.end(name, state, std::chrono::milliseconds(number_at(step, "took_ms")), detail);
    }
    known = state;
  }

  ProgressView& progress_;
  std::vector<std::string> known_;  // states of the steps
  std::size_t verdicts_ = 0, held_at_ = 0;
};

}  // namespace

void FollowOptions::declare(Arguments& arguments) {
  arguments.flag("--no-wait", no_wait, "return at once; it goes on by itself");
  arguments.flag("--watch", watch, "stay until nobody watches the new release any more");
}

std::string environment_target(std::string_view project, std::string_view environment,
                               std::string_view rest) {
  return fmt::format("/v1/projects/{}/environments/{}{}", url_encode(project),
                     url_encode(environment), rest);
}

Status check_place(std::string_view project, std::string_view environment) {
  for (const auto& [what, name] : {std::pair("project", project), {"environment", environment}})
    if (!is_slug(name))
      return fail(Errc::invalid_argument,
                  fmt::format("'{}' cannot name {} {}", sanitize_line(name),
                              what[0] == 'e' ? "an" : "a", what),
                  "small letters, digits and single dashes, a letter first, 40 at most");
  return {};
}

Result<json::object> follow_rollout(Context& context, ApiClient& api, json::object rollout,
                                    FollowUntil until, ProgressView& progress) {
  const std::string target = "/v1/rollouts/" + url_encode(text_at(rollout, "id"));
  Shown shown(progress);
  Reconnect connection(context, api);
  for (;;) {
    shown.take(rollout);
    if (at_rest(rollout, until)) return rollout;
    Result<json::object> next = connection.api().get(
        fmt::format("{}?wait=20&seen={}", target, url_encode(text_at(rollout, "revision"))));
    if (next) {
      connection.heard();
      // Nothing new so soon: the server does not wait, so we do.
      if (text_at(*next, "revision") == text_at(rollout, "revision"))
        std::this_thread::sleep_for(look_again);
      rollout = *std::move(next);
      continue;
    }
    if (connection.first_failure())
      progress.note("the connection to the server broke; trying again");
    if (!connection.again(fail(next.error()))) {
      Error error = next.error();
      error.next.push_back(
          {fmt::format("slipway rollout {}", text_at(rollout, "id")), "to see how it went on"});
      return fail(std::move(error));
    }
  }
}

Result<json::object> follow_with_progress(Context& context, ApiClient& api, json::object rollout,
                                          FollowUntil until) {
  const InterruptWatch leave([&context, id = sanitize_line(text_at(rollout, "id"))](int) {
    context.console.err(
        fmt::format("\nstopped following; {} goes on. To end it: slipway rollout "
                    "{} --cancel\n",
                    id, id));
    ::_exit(canceled_code);
  });
  ProgressView progress(context.console, context.clock, progress_mode(context),
                        progress_log(context));
  return follow_rollout(context, api, std::move(rollout), until, progress);
}

Result<json::object> promotion_of(ApiClient& api, const json::object& deployment) {
  const std::string id = text_at(deployment, "id");
  if (const std::string rollout = text_at(deployment, "rollout"); !rollout.empty())
    return api.get("/v1/rollouts/" + url_encode(rollout));
  Error error{.code = Errc::failed_precondition, .message = "it was not promoted"};
  if (const json::value* value = deployment.if_contains("not_promoted");
      value != nullptr && value->is_object())
    if (Result<Error> known = error_from_json(*value)) error = *std::move(known);
  error.message = fmt::format("{} is ready, but was not promoted: {}", id, error.message);
  error.next.push_back({"slipway promote " + id, "to promote it on purpose"});
  return fail(std::move(error));
}

std::optional<Error> rollout_error(const json::object& rollout) {
  const std::string id = text_at(rollout, "id"), reason = text_at(rollout, "reason");
  const RolloutState state = state_of(rollout);
  if (state == RolloutState::waiting) {
    Error error{
        .code = Errc::failed_precondition,
        .message = fmt::format("{} waits for people{}", id, reason.empty() ? "" : ": " + reason),
        .hint = "it goes on by itself once enough people agreed"};
    add_ways_out(rollout, error);
    if (const std::string approval = text_at(rollout, "approval");
        !approval.empty() && error.next.empty())
      error.next.push_back({"slipway approve " + approval, "by somebody else"});
    if (const std::string decision = text_at(rollout, "decision"); !decision.empty())
      error.next.push_back({"slipway why " + decision, "for what it takes"});
    error.next.push_back({"slipway rollout " + id + " -f", "to follow it"});
    return error;
  }
  if (!is_over(state) || state == RolloutState::done) return std::nullopt;
  Error error{.code = state == RolloutState::canceled ? Errc::canceled
                      : state == RolloutState::denied ? Errc::denied_by_policy
                                                      : Errc::start_failed,
              .message = fmt::format("{} is {}{}", id, to_string(state),
                                     reason.empty() ? "" : ": " + reason)};
  if (const json::value* value = rollout.if_contains("error"); value && value->is_object())
    if (Result<Error> known = error_from_json(*value)) error = *std::move(known);
  if (const std::int64_t from = number_at(rollout, "from"); from > 0)
    error.hint +=
        fmt::format("{}release {} {}", error.hint.empty() ? "" : "; ", from,
                    state == RolloutState::rolled_back ? "serves again" : "goes on serving");
  error.next.push_back({"slipway rollout " + id, "for its steps and verdicts"});
  if (state == RolloutState::denied)
    if (const std::string decision = text_at(rollout, "decision"); !decision.empty())
      error.next.push_back({"slipway why " + decision, "for what it would take"});
  return error;
}

void print_rollout_summary(Context& context, const json::object& rollout) {
  const Style style = context.console.err_style();
  std::string out;
  const auto add = [&](std::string_view label, const std::string& text) {
    if (!text.empty()) out += fmt::format("  {}{}\n", style.dim(pad(label, 9)), text);
  };
  const std::string serves =
      fmt::format("{} serves release {}", place_text(rollout), number_at(rollout, "to"));
  out += fmt::format("{} {}  {}\n", style.green(style.unicode ? "✓" : "ok:"), style.bold(serves),
                     style.dim(sanitize_line(text_at(rollout, "deployment"))));
  if (!context.env.out_tty) add("url", sanitize_line(text_at(rollout, "url")));
  add("artifact", render_proof(object_at(rollout, "proof"), style));
  if (const std::int64_t micros = number_at(rollout, "switch_micros"); micros > 0)
    add("switched", "in " + format_micros(micros));
  const std::string project = sanitize_line(text_at(rollout, "project"));
  const std::string environment = text_at(rollout, "environment");
  const std::string place = environment == production_environment
                                ? project
                                : project + " --env " + sanitize_line(environment);
  const std::int64_t from = number_at(rollout, "from");
  if (text_at(rollout, "kind") == to_string(RolloutKind::rollback)) {
    add("paused",
        fmt::format("deploys promote by themselves again after: slipway resume {}", place));
  } else if (from > 0) {
    if (state_of(rollout) == RolloutState::watching)
      add("watched", fmt::format("if it does worse, release {} comes back by itself", from));
    add("undo", "slipway rollback " + place);
  }
  context.console.err(out);
}

int report_rollout(Context& context, const json::object& rollout) {
  const std::optional<Error> error = rollout_error(rollout);
  if (context.common.json) context.console.out(printable_json(rollout));
  if (error) {
    context.console.err(render_error(*error, context.console.err_style()));
    return info(error->code).exit_code;
  }
  if (!context.common.quiet) print_rollout_summary(context, rollout);
  if (!context.common.json) context.console.out(sanitize_line(text_at(rollout, "url")) + "\n");
  return 0;
}

Result<int> conclude_rollout(Context& context, ApiClient& api, json::object rollout,
                             const FollowOptions& options) {
  // Not to wait is not to overlook that it was refused, or waits for people.
  if (options.no_wait && rollout_error(rollout)) return report_rollout(context, rollout);
  if (options.no_wait) {
    if (context.common.json) {
      context.console.out(printable_json(rollout));
    } else {
      context.console.out(sanitize_line(text_at(rollout, "url")) + "\n");
      if (!context.common.quiet)
        context.console.err(fmt::format("{} goes on; see: slipway rollout {} -f\n",
                                        sanitize_line(text_at(rollout, "id")),
                                        sanitize_line(text_at(rollout, "id"))));
    }
    return 0;
  }
  SLIPWAY_TRY(const json::object rested,
              follow_with_progress(context, api, std::move(rollout), options.until()));
  return report_rollout(context, rested);
}

}  // namespace slipway::cli
