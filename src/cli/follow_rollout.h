#pragma once

#include <string>
#include <string_view>

#include "cli/api_client.h"
#include "cli/command.h"
#include "cli/progress.h"

namespace slipway::cli {

// How long to follow a rollout. `switched`: until the traffic is where it should be, or it failed,
// or people are asked; watching goes on without us. `ended`: to its end, through waiting and
// watching.
enum class FollowUntil { switched, ended };

// Options that every command has which starts a rollout.
struct FollowOptions {
  bool no_wait = false, watch = false;
  void declare(Arguments& arguments);
  [[nodiscard]] FollowUntil until() const {
    return watch ? FollowUntil::ended : FollowUntil::switched;
  }
};

// Shows the steps and verdicts of a rollout, given as it is now. When the connection breaks, takes
// up again where it was; gives up after half a minute of silence.
[[nodiscard]] Result<json::object> follow_rollout(Context& context, ApiClient& api,
                                                  json::object rollout, FollowUntil until,
                                                  ProgressView& progress);

// The same with a view of its own. Ctrl-C stops following: the rollout goes on, and the process
// ends with exit code 130 after saying so.
[[nodiscard]] Result<json::object> follow_with_progress(Context& context, ApiClient& api,
                                                        json::object rollout, FollowUntil until);
// Where the traffic goes now, on stderr.
void print_rollout_summary(Context& context, const json::object& rollout);

// Follows as the options say and reports: the summary or the failure on stderr; on stdout the
// environment's URL, or the rollout as JSON. The exit code.
[[nodiscard]] Result<int> conclude_rollout(Context& context, ApiClient& api, json::object rollout,
                                           const FollowOptions& options);
// The last part of that alone: of a rollout that came to rest.
[[nodiscard]] int report_rollout(Context& context, const json::object& rollout);

// The rollout by which a deployment that was made with --prod promotes itself. Errors: why there is
// none.
[[nodiscard]] Result<json::object> promotion_of(ApiClient& api, const json::object& deployment);

// The error that a rollout in its present state amounts to; nothing when it serves or is on its
// way. One that waits for people is a failed_precondition.
[[nodiscard]] std::optional<Error> rollout_error(const json::object& rollout);

// "/v1/projects/shop/environments/production" + `rest`.
[[nodiscard]] std::string environment_target(std::string_view project, std::string_view environment,
                                             std::string_view rest);
// Errors: invalid_argument for what cannot be the name of a project or an environment.
[[nodiscard]] Status check_place(std::string_view project, std::string_view environment);

}  // namespace slipway::cli
