#include "db/governance_records.h"

#include "base/text.h"
#include "json/convert.h"
#include "json/reader.h"

namespace slipway {
namespace {

std::int64_t seconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

json::object to_json(const Violation& violation) {
  json::object row;
  for (const auto& [name, value] : violation.row) row[name] = slipway::to_json(value);
  return {{"rule", violation.rule},
          {"enforcement", to_string(violation.enforcement)},
          {"state", to_string(violation.state)},
          {"message", violation.message},
          {"subject", or_null(violation.subject)},
          {"row", std::move(row)},
          {"lifted_by", or_null(violation.lifted_by)},
          {"is_error", violation.is_error}};
}

json::object to_json(const ApprovalNeed& need) {
  return {{"rule", need.rule},
          {"need", need.need},
          {"have", need.have},
          {"roles", to_array(need.roles)},
          {"people", to_array(need.people)},
          {"valid_for_s", seconds(need.valid_for)},
          {"given_by", to_array(need.given_by)}};
}

json::object to_json(const Remedy& remedy) {
  return {{"kind", to_string(remedy.kind)},
          {"rule", remedy.rule},
          {"subject", or_null(remedy.subject)},
          {"description", remedy.description},
          {"command", or_null(remedy.command)},
          {"until", remedy.until ? json::value(*remedy.until) : json::value(nullptr)},
          {"actor_may", remedy.actor_may},
          {"who", or_null(remedy.who)}};
}

json::object to_json(const Vote& vote) {
  return {{"choice", vote.choice == Vote::Choice::approve ? "approve" : "reject"},
          {"actor", slipway::to_json(vote.actor)},
          {"role", vote.role},
          {"at", to_rfc3339(vote.at)},
          {"reason", or_null(vote.reason)}};
}

Result<Actor> actor_from_json(const json::value& value) {
  Actor actor;
  JsonReader reader(value, "actor");
  reader.read("kind", actor.kind).read("name", actor.name);
  reader.read("on_behalf_of", actor.on_behalf_of).read("chain", actor.chain);
  reader.read("token", actor.token).read("session", actor.session).read("task", actor.task);
  SLIPWAY_CHECK(reader.status());
  return actor;
}

Status read_actor(const JsonReader& reader, std::string_view name, Actor& out) {
  if (const json::value* member = reader.find(name); member != nullptr && !member->is_null()) {
    SLIPWAY_TRY(out, actor_from_json(*member));
  }
  return {};
}

Status read_actor(const JsonReader& reader, std::string_view name, std::optional<Actor>& out) {
  if (const json::value* member = reader.find(name); member != nullptr && !member->is_null()) {
    SLIPWAY_TRY(out, actor_from_json(*member));
  }
  return {};
}

template <class IdType>
void read_id(JsonReader& reader, std::string_view name, IdType& out) {
  std::string text;
  reader.read(name, text);
  if (text.empty()) return;
  if (const auto id = IdType::parse(text))
    out = *id;
  else
    reader.wrong(name, "an id");
}

Result<ApprovalNeed> need_from_json(const json::value& value) {
  ApprovalNeed need;
  std::int64_t valid_for = 0;
  JsonReader reader(value, "needs");
  reader.read("rule", need.rule).read("need", need.need).read("have", need.have);
  reader.read("roles", need.roles).read("people", need.people).read("valid_for_s", valid_for);
  reader.read("given_by", need.given_by);
  SLIPWAY_CHECK(reader.status());
  need.valid_for = std::chrono::seconds(valid_for);
  return need;
}

Result<Vote> vote_from_json(const json::value& value) {
  Vote vote;
  std::string choice;
  JsonReader reader(value, "votes");
  reader.read("choice", choice).read("role", vote.role).read("at", vote.at);
  reader.read("reason", vote.reason);
  SLIPWAY_CHECK(reader.status());
  SLIPWAY_CHECK(read_actor(reader, "actor", vote.actor));
  vote.choice = choice == "approve" ? Vote::Choice::approve : Vote::Choice::reject;
  return vote;
}

Result<AskedVariable> variable_from_json(const json::value& value) {
  AskedVariable out;
  std::string kind;
  bool secret = false;
  JsonReader reader(value, "variables");
  reader.read("name", out.name).read("change", out.change).read("kind", kind);
  reader.read("secret", secret).read("value", out.value).read("before", out.before);
  SLIPWAY_CHECK(reader.status());
  out.kind = parse_var_kind(kind).value_or(VarKind::run);
  out.disclosure = secret ? Disclosure::secret : Disclosure::plain;
  return out;
}

}  // namespace

std::string policy_statement(const StoredPolicySet& set) {
  return fmt::format("slipway policy set\n{}\n{}\n{}\n", set.version, set.digest.str(),
                     join(set.advisory, ","));
}

json::value to_json(const FactValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return json::value(*number);
  if (const auto* text = std::get_if<std::string>(&value)) return json::value(*text);
  return nullptr;
}

json::object to_json(const Decision& decision) {
  const auto convert = [](const auto& element) { return to_json(element); };
  return {{"point", to_string(decision.point)},
          {"verdict", to_string(decision.verdict)},
          {"summary", decision.summary()},
          {"policy", json::object{{"version", decision.policy_version},
                                  {"digest", decision.policy_digest.str()}}},
          {"facts", decision.facts_digest.str()},
          {"took_us", decision.took.count()},
          {"rules", to_array(decision.rules)},
          {"skipped", to_array(decision.skipped)},
          {"violations", to_array(decision.violations, convert)},
          {"approvals", to_array(decision.approvals, convert)},
          {"break_glass", or_null(decision.break_glass)},
          {"remedies", to_array(decision.remedies, convert)},
          {"alternatives", to_array(decision.alternatives, convert)}};
}

json::object to_json(const StoredDecision& stored) {
  json::object out = to_json(stored.decision);
  out["id"] = stored.id.str();
  out["time"] = to_rfc3339(stored.at);
  out["project"] = or_null(stored.project);
  out["environment"] = stored.environment;
  out["resource"] = or_null(stored.resource);
  out["actor"] = to_json(stored.actor);
  out["role"] = stored.role;
  return out;
}

json::object to_json(const PolicyProblem& problem) {
  return {{"level", problem.level == PolicyProblem::Level::error ? "error" : "warning"},
          {"line", problem.line},
          {"rule", or_null(problem.rule)},
          {"message", problem.message},
          {"hint", or_null(problem.hint)}};
}

json::object to_json(const StoredPolicySet& set) {
  return {{"version", set.version},
          {"name", set.name},
          {"digest", set.digest.str()},
          {"advisory", to_array(set.advisory)},
          {"created_at", to_rfc3339(set.created_at)},
          {"author", to_json(set.author)},
          {"reason", or_null(set.reason)},
          {"signature", or_null(set.signature)},
          {"key", or_null(set.key)}};
}

json::object to_json(const AskedVariable& variable) {
  return {{"name", variable.name},
          {"change", variable.change},
          {"kind", to_string(variable.kind)},
          {"secret", variable.disclosure == Disclosure::secret},
          {"value", variable.value ? json::value(*variable.value) : nullptr},
          {"before", variable.before ? json::value(*variable.before) : nullptr}};
}

json::object to_json(const ApprovalRequest& request) {
  const auto convert = [](const auto& element) { return to_json(element); };
  return {{"id", request.id.str()},
          {"state", request.state},
          {"action", request.action},
          {"resource", request.resource},
          {"project", request.project},
          {"environment", request.environment},
          {"point", to_string(request.point)},
          {"decision", request.decision.str()},
          {"requester", to_json(request.requester)},
          {"role", or_null(request.role)},
          {"change", or_null(request.change)},
          {"request_id", or_null(request.request_id)},
          {"source_address", or_null(request.source_address)},
          {"needs", to_array(request.needs, convert)},
          {"approvers", or_null(request.approvers)},
          {"next", to_array(request.next,
                            [](const NextStep& step) {
                              return json::object{{"command", step.command}, {"when", step.when}};
                            })},
          {"created_at", to_rfc3339(request.created_at)},
          {"expires_at", to_rfc3339(request.expires_at)},
          {"closed_at", or_null(request.closed_at)},
          {"closed_reason", or_null(request.closed_reason)},
          {"used_at", or_null(request.used_at)},
          {"votes", to_array(request.votes, convert)},
          {"variables", to_array(request.variables, convert)},
          {"about", request.about}};
}

json::object to_json(const Waiver& waiver) {
  return {{"id", waiver.id.str()},
          {"state", waiver.state},
          {"rule", waiver.rule},
          {"subject", or_null(waiver.subject)},
          {"project", waiver.project},
          {"reason", waiver.reason},
          {"author", to_json(waiver.author)},
          {"approver", waiver.approver ? json::value(to_json(*waiver.approver)) : nullptr},
          {"created_at", to_rfc3339(waiver.created_at)},
          {"expires_at", to_rfc3339(waiver.expires_at)},
          {"closed_at", or_null(waiver.closed_at)}};
}

json::object to_json(const BreakGlass& emergency) {
  return {{"id", emergency.id.str()},
          {"state", emergency.state},
          {"project", emergency.project},
          {"reason", emergency.reason},
          {"first", to_json(emergency.first)},
          {"second", emergency.second ? json::value(to_json(*emergency.second)) : nullptr},
          {"created_at", to_rfc3339(emergency.created_at)},
          {"started_at", or_null(emergency.started_at)},
          {"expires_at", to_rfc3339(emergency.expires_at)},
          {"closed_at", or_null(emergency.closed_at)}};
}

Result<StoredPolicySet> policy_set_from_json(const json::value& value) {
  StoredPolicySet set;
  std::string digest;
  JsonReader reader(value, "policy_set");
  reader.read("version", set.version).read("name", set.name).read("digest", digest);
  reader.read("advisory", set.advisory).read("created_at", set.created_at);
  reader.read("reason", set.reason).read("signature", set.signature).read("key", set.key);
  if (const auto parsed = Digest::parse(digest))
    set.digest = *parsed;
  else
    reader.wrong("digest", "a digest");
  SLIPWAY_CHECK(reader.status());
  SLIPWAY_CHECK(read_actor(reader, "author", set.author));
  return set;
}

Result<ApprovalRequest> approval_from_json(const json::value& value) {
  ApprovalRequest request;
  std::string point;
  JsonReader reader(value, "approval");
  read_id(reader, "id", request.id);
  read_id(reader, "decision", request.decision);
  reader.read("state", request.state).read("action", request.action);
  reader.read("resource", request.resource).read("project", request.project);
  reader.read("environment", request.environment).read("point", point);
  reader.read("request_id", request.request_id).read("source_address", request.source_address);
  reader.read_each("needs", request.needs, need_from_json);
  reader.read("created_at", request.created_at).read("expires_at", request.expires_at);
  reader.read("closed_at", request.closed_at).read("closed_reason", request.closed_reason);
  reader.read("role", request.role).read("change", request.change);
  reader.read("used_at", request.used_at).read("approvers", request.approvers);
  reader.read_each("next", request.next, [](const json::value& element) -> Result<NextStep> {
    NextStep step;
    JsonReader inner(element, "next");
    inner.read("command", step.command).read("when", step.when);
    SLIPWAY_CHECK(inner.status());
    return step;
  });
  reader.read_each("votes", request.votes, vote_from_json);
  reader.read_each("variables", request.variables, variable_from_json);
  if (const json::value* about = value.as_object().if_contains("about");
      about && about->is_object())
    request.about = about->get_object();
  if (const auto parsed = parse_decision_point(point))
    request.point = *parsed;
  else
    reader.wrong("point", "a decision point");
  SLIPWAY_CHECK(reader.status());
  SLIPWAY_CHECK(read_actor(reader, "requester", request.requester));
  return request;
}

Result<Waiver> waiver_from_json(const json::value& value) {
  Waiver waiver;
  JsonReader reader(value, "waiver");
  read_id(reader, "id", waiver.id);
  reader.read("state", waiver.state).read("rule", waiver.rule).read("subject", waiver.subject);
  reader.read("project", waiver.project).read("reason", waiver.reason);
  reader.read("created_at", waiver.created_at).read("expires_at", waiver.expires_at);
  reader.read("closed_at", waiver.closed_at);
  SLIPWAY_CHECK(reader.status());
  SLIPWAY_CHECK(read_actor(reader, "author", waiver.author));
  SLIPWAY_CHECK(read_actor(reader, "approver", waiver.approver));
  return waiver;
}

Result<BreakGlass> break_glass_from_json(const json::value& value) {
  BreakGlass emergency;
  JsonReader reader(value, "break_glass");
  read_id(reader, "id", emergency.id);
  reader.read("state", emergency.state).read("project", emergency.project);
  reader.read("reason", emergency.reason).read("created_at", emergency.created_at);
  reader.read("started_at", emergency.started_at).read("expires_at", emergency.expires_at);
  reader.read("closed_at", emergency.closed_at);
  SLIPWAY_CHECK(reader.status());
  SLIPWAY_CHECK(read_actor(reader, "first", emergency.first));
  SLIPWAY_CHECK(read_actor(reader, "second", emergency.second));
  return emergency;
}

}  // namespace slipway
