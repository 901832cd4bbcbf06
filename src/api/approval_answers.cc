#include "api/approval_answers.h"

#include <algorithm>

namespace slipway {
namespace {

using namespace std::chrono_literals;

constexpr Duration told_for = 24h;
constexpr std::size_t most_refused = 200;  // of each state that are looked at

// The environment in "configuration/<project>/<environment>".
std::string_view environment_in(std::string_view resource) {
  return resource.substr(resource.rfind('/') + 1);
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

Result<std::vector<ApprovalRequest>> refused_lately(const ApiContext& context,
                                                    const std::string& project) {
  const Timestamp since = context.clock.now() - told_for;
  std::vector<ApprovalRequest> out;
  for (const char* state : {"rejected", "expired", "withdrawn"}) {
    SLIPWAY_TRY(WaitingPage page,
                context.governance.store().waiting({.kind = WaitingFilter::Kind::approvals,
                                                    .state = state,
                                                    .project = project,
                                                    .limit = most_refused}));
    for (ApprovalRequest& each : page.approvals)
      if (each.closed_at && *each.closed_at >= since) out.push_back(std::move(each));
  }
  return out;
}

bool asked_by_caller(const ApiCall& call, const ApprovalRequest& request) {
  const Actor &caller = call.by.actor, &requester = request.requester;
  return requester.name == caller.name ||
         (caller.kind == "human" && requester.on_behalf_of == caller.name);
}

}  // namespace slipway
