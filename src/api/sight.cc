#include "api/sight.h"

namespace slipway {
namespace {

std::string_view text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                : std::string_view();
}

}  // namespace

Result<Sight> Sight::of(const ApiContext& context, const ApiCall& call) {
  Sight out(call);
  const std::string& team = call.principal.team;
  if (team.empty()) return out;
  SLIPWAY_TRY(std::vector<Project> projects, context.repository.projects());
  for (Project& each : projects)
    if (each.team == team) out.own_.insert(std::move(each.name));
  return out;
}

bool Sight::sees(std::string_view project, std::string_view environment) const {
  const Principal& principal = call_->principal;
  if (project.empty()) return permits(principal, call_->permission) && reach_server(principal);
  return permits(principal, call_->permission, project, environment) &&
         (principal.team.empty() || own_.contains(project));
}

bool Sight::sees(const json::object& decision) const {
  const std::string_view project = text_of(decision, "project");
  const json::value* actor = decision.if_contains("actor");
  if (project.empty() && actor != nullptr && actor->is_object() &&
      text_of(actor->get_object(), "path") == call_->by.actor.path)
    return true;
  return sees(project, text_of(decision, "environment"));
}

}  // namespace slipway
