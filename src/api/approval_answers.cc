#include "api/approval_answers.h"

#include <algorithm>
#include <iterator>

#include "api/sight.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

constexpr Duration told_for = 24h;
constexpr std::size_t most_refused = 200;  // of each state

// The environment in "configuration/<project>/<environment>".
std::string_view environment_in(std::string_view resource) {
  return resource.substr(resource.rfind('/') + 1);
}

Result<std::vector<ApprovalRequest>> refused(const ApiContext& context, const ApiCall& call,
                                             WaitingFilter filter) {
  filter.kind = WaitingFilter::Kind::approvals;
  filter.limit = most_refused;
  filter.closed_since = context.clock.now() - told_for;
  SLIPWAY_TRY(const Sight sight, Sight::of(context, call));
  filter.visible = [&](std::string_view project, std::string_view environment) {
    return sight.sees(project, environment);
  };
  std::vector<ApprovalRequest> out;
  for (const char* state : {"rejected", "expired", "withdrawn"}) {
    filter.state = state;
    SLIPWAY_TRY(WaitingPage page, context.governance.store().waiting(filter));
    std::ranges::move(page.approvals, std::back_inserter(out));
  }
  return out;
}

}  // namespace

json::object approval_answer(const ApiContext& context, const ApiCall& call,
                             const ApprovalRequest& request) {
  json::object out = to_json(request);
  if (request.variables.empty()) return out;
  const bool may_read = authorize(context, call, Permission::env_read, request.project,
                                  environment_in(request.resource))
                            .has_value();
  json::array variables;
  for (AskedVariable& each : context.environments.readable(request.resource, request.variables)) {
    if (!may_read && each.disclosure == Disclosure::plain) each.value = each.before = std::nullopt;
    variables.push_back(to_json(each));
  }
  out["variables"] = std::move(variables);
  return out;
}

Result<std::vector<ApprovalRequest>> refused_of_caller(const ApiContext& context,
                                                       const ApiCall& call,
                                                       const std::string& project) {
  const Actor& caller = call.by.actor;
  WaitingFilter own{.project = project, .asker = caller.kind + ":" + caller.name};
  SLIPWAY_TRY(std::vector<ApprovalRequest> out, refused(context, call, std::move(own)));
  if (caller.kind != "human") return out;
  WaitingFilter agents{.project = project, .asker_for = caller.name};
  SLIPWAY_TRY(std::vector<ApprovalRequest> more, refused(context, call, std::move(agents)));
  std::ranges::move(more, std::back_inserter(out));
  std::ranges::sort(out, std::ranges::greater{}, &ApprovalRequest::created_at);
  return out;
}

Result<std::vector<ApprovalRequest>> refused_about(const ApiContext& context, const ApiCall& call,
                                                   const std::string& resource) {
  return refused(context, call, {.resource = resource});
}

}  // namespace slipway
