#include "db/giving_way.h"

#include <fmt/format.h>

#include <tuple>

#include "identity/role.h"

namespace slipway {
namespace {

// The role of whoever asked for the approval that it waits for, as it was then.
Result<std::optional<Role>> role_of(Database::Session& session, const Rollout& waiting) {
  SLIPWAY_TRY(Statement query, session.prepare("SELECT json_extract(record,'$.role') FROM approval"
                                               " WHERE id=?"));
  SLIPWAY_TRY(const bool row, query.bind(1, waiting.approval).step());
  if (!row || query.is_null(0)) return std::nullopt;
  return parse_role(query.text(0));
}

Result<bool> gives_way(Database::Session& session, const AuditContext& by, const Rollout& waiting) {
  const auto person = [](const Actor& actor) {
    return std::tie(actor.kind, actor.name, actor.on_behalf_of);
  };
  if (by.actor.kind == "system" || person(by.actor) == person(waiting.actor)) return true;
  if (by.actor.kind != "human") return false;
  SLIPWAY_TRY(const std::optional<Role> then, role_of(session, waiting));
  const std::optional<Role> now = parse_role(by.role);
  return then && now && role_permissions(*then).without(role_permissions(*now)).empty();
}

std::unexpected<Error> stays(const Rollout& waiting) {
  Error error{
      .code = Errc::conflict,
      .message = fmt::format("{} waits for people already: {} {} asked to promote {} to {} of {}",
                             waiting.id.str(), waiting.actor.kind, waiting.actor.name,
                             waiting.deployment.str(), waiting.environment, waiting.project),
      .hint = "it is approved, rejected or canceled first"};
  if (!waiting.approval.empty()) {
    error.next.push_back({"slipway approve " + waiting.approval, "to let it go on"});
    error.next.push_back({"slipway reject " + waiting.approval, "to end it"});
  }
  error.next.push_back({fmt::format("slipway rollout {} --cancel", waiting.id.str()),
                        fmt::format("for {}, or another person who may", waiting.actor.name)});
  return fail(std::move(error));
}

}  // namespace

Result<std::vector<Rollout>> giving_way(Database::Session& session, const AuditContext& by,
                                        const Rollout& next, const std::vector<Rollout>& open) {
  std::vector<Rollout> out;
  if (next.kind == RolloutKind::configuration) return out;
  for (const Rollout& each : open) {
    if (each.state != RolloutState::waiting || each.kind != RolloutKind::promotion) continue;
    SLIPWAY_TRY(const bool gives, gives_way(session, by, each));
    if (gives)
      out.push_back(each);
    else if (next.kind == RolloutKind::promotion)
      return stays(each);
  }
  return out;
}

}  // namespace slipway
