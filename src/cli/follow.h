#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/api_client.h"
#include "cli/command.h"
#include "cli/progress.h"

namespace slipway::cli {

// A deployment that came to rest, and how its build log ended.
struct FollowedDeployment {
  json::object deployment;
  std::vector<std::string> log_tail;  // raw
};

// Shows the events of a deployment until it is settled. When the connection breaks (the server
// restarts, say), takes up again where it was; gives up after half a minute of
// silence.
[[nodiscard]] Result<FollowedDeployment> follow_deployment(Context& context, ApiClient& api,
                                                           std::string_view id,
                                                           ProgressView& progress);

// That it is live, where, and until when, on stderr.
void print_deployment_summary(Context& context, const json::object& deployment, Duration took);

// How deploy and redeploy end: the summary or the failure on stderr, the URL or the JSON on stdout.
// `took` is since the command began. The exit code.
[[nodiscard]] int report_deployment(Context& context, const FollowedDeployment& followed,
                                    Duration took);

// The view that suits the options and the terminal.
[[nodiscard]] ProgressView::Mode progress_mode(const Context& context);
[[nodiscard]] ProgressView::BuildLog progress_log(const Context& context);

// What the server says to do about a wait for an approval that nobody can give.
void add_ways_out(const json::object& waiting, Error& error);
// The error that a deployment in its present state amounts to; nothing when it is live or on its
// way.
[[nodiscard]] std::optional<Error> deployment_error(const json::object& deployment);

}  // namespace slipway::cli
