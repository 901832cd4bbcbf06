#include "api/identity_json.h"

#include "base/text.h"
#include "identity/joined.h"
#include "json/reader.h"

namespace slipway {
namespace {

json::value names(const std::optional<std::vector<std::string>>& list) {
  if (!list) return nullptr;
  return json::array(list->begin(), list->end());
}

json::array names(PermissionSet permissions) {
  json::array out;
  for (const Permission permission : all_permissions)
    if (permission != Permission::none && permissions.contains(permission))
      out.push_back(json::value(to_string(permission)));
  return out;
}

json::value or_null(const std::optional<std::int64_t>& number) {
  return number ? json::value(*number) : json::value(nullptr);
}
json::value or_null(const std::optional<Timestamp>& time) {
  return time ? json::value(to_rfc3339(*time)) : json::value(nullptr);
}
json::value or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}

}  // namespace

json::object to_json(const Restriction& restriction) {
  return {{"label", or_null(restriction.label)},
          {"projects", names(restriction.projects)},
          {"actions",
           restriction.actions ? json::value(names(*restriction.actions)) : json::value(nullptr)},
          {"environments", names(restriction.environments)},
          {"deploys", or_null(restriction.deploys)},
          {"money_micros", or_null(restriction.money_micros)},
          {"expires_at", or_null(restriction.expires_at)},
          {"agent", or_null(restriction.agent)},
          {"session", or_null(restriction.session)},
          {"task", or_null(restriction.task)}};
}

Result<Restriction> restriction_from_json(const json::value& value, Timestamp now) {
  Restriction out;
  std::optional<std::vector<std::string>> actions;
  std::optional<std::int64_t> ttl_ms;
  JsonReader reader(value);
  reader.read("label", out.label).read("projects", out.projects).read("actions", actions);
  reader.read("environments", out.environments).read("deploys", out.deploys);
  reader.read("money_micros", out.money_micros).read("expires_at", out.expires_at);
  reader.read("ttl_ms", ttl_ms).read("agent", out.agent);
  reader.read("session", out.session).read("task", out.task);
  if (ttl_ms &&
      (*ttl_ms <= 0 || *ttl_ms > std::chrono::milliseconds(std::chrono::days{3650}).count()))
    reader.wrong("ttl_ms", "between 1 and ten years");
  SLIPWAY_CHECK(reader.status());
  if (ttl_ms) out.expires_at = now + std::chrono::milliseconds(*ttl_ms);
  if (out.expires_at) out.expires_at = std::chrono::floor<std::chrono::seconds>(*out.expires_at);
  if (actions) {
    PermissionSet set;
    for (const std::string& name : *actions) {
      const auto permission = parse_permission(name);
      if (!permission || permission == Permission::none)
        return fail(Errc::invalid_argument,
                    fmt::format("no action is called '{}'", sanitize_line(name)),
                    "they are: " +
                        to_string(PermissionSet::all().without(PermissionSet{Permission::none})));
      set.insert(*permission);
    }
    if (set.empty()) return fail(Errc::invalid_argument, "actions must name one at least");
    out.actions = set;
  }
  return out;
}

json::object to_json(const TokenRecord& record) {
  json::object out = to_json(record.restriction);
  out["id"] = record.path.substr(record.path.rfind('/') + 1);
  out["path"] = record.path;
  out["team"] = or_null(record.team);
  out["member"] = or_null(record.member);
  out["deploys_used"] = record.deploys;
  out["money_used_micros"] = record.money_micros;
  out["created_at"] = to_rfc3339(record.created_at);
  out["created_by"] = or_null(record.created_by);
  out["last_used_at"] = or_null(record.last_used_at);
  out["revoked"] = record.revoked;
  return out;
}

json::object rights_json(const Principal& holder) {
  const Restriction all = joined(holder.restrictions);
  json::object out = to_json(all);
  out["all_of_role"] = !all.actions.has_value();
  out["actions"] = names(holder.permissions());
  return out;
}

json::object to_json(const Principal& principal) {
  json::array restrictions;
  for (const Restriction& restriction : principal.restrictions) {
    json::object one = to_json(restriction);
    one["id"] = restriction.id;
    restrictions.push_back(std::move(one));
  }
  return {{"role", to_string(principal.role)},
          {"token", principal.path},
          {"permissions", names(principal.permissions())},
          {"narrowed", std::move(restrictions)},
          {"deploys_left", or_null(principal.deploys_left)},
          {"money_left_micros", or_null(principal.money_left_micros)}};
}

}  // namespace slipway
