#include "api/approval_answers.h"
#include "api/release_answers.h"
#include "api/routes.h"
#include "json/reader.h"
#include "model/environment_class.h"
#include "policy/code_variables.h"

namespace slipway::handlers {
namespace {

json::object var_json(const EnvironmentVar& var) {
  const bool secret = var.disclosure == Disclosure::secret;
  return {{"name", var.name},
          {"kind", to_string(var.kind)},
          {"secret", secret},
          {"value", secret ? json::value(nullptr) : json::value(var.value)}};
}

json::object head_json(const Configuration& configuration) {
  return {{"project", configuration.project},
          {"environment", configuration.environment},
          {"version", configuration.version},
          {"created_at", configuration.version == 0
                             ? json::value(nullptr)
                             : json::value(to_rfc3339(configuration.created_at))},
          {"actor", to_json(configuration.actor)},
          {"note", configuration.note}};
}

json::object configuration_json(const Configuration& configuration) {
  json::object out = head_json(configuration);
  json::array vars;
  for (const EnvironmentVar& var : configuration.vars) vars.push_back(var_json(var));
  out["vars"] = std::move(vars);
  return out;
}

Result<EnvironmentVar> read_var(const json::value& value) {
  EnvironmentVar var;
  std::string kind = "run";
  bool secret = false;
  JsonReader reader(value);
  reader.require("name").require("value");
  reader.read("name", var.name).read("value", var.value).read("kind", kind).read("secret", secret);
  SLIPWAY_CHECK(reader.status());
  const auto parsed = parse_var_kind(kind);
  if (!parsed) return fail(Errc::invalid_argument, "kind must be run, build or both");
  var.kind = *parsed;
  var.disclosure = secret ? Disclosure::secret : Disclosure::plain;
  return var;
}

// Whether the caller and the policies allow the draft; the context with the decision in it. Plain
// variables and secrets are asked about at points of their own.
Result<AuditContext> allow(const ApiContext& context, const ApiCall& call,
                           const Environments::Draft& draft) {
  const std::string& project = call.path_value("project");
  const std::string& environment = call.path_value("environment");
  const bool production = environment == production_environment;
  std::vector<Asked> asked;
  for (const Disclosure side : {Disclosure::plain, Disclosure::secret}) {
    const auto is_of_it = [&](const VarChange& each) { return each.disclosure == side; };
    if (std::ranges::none_of(draft.changes, is_of_it)) continue;
    const bool secret = side == Disclosure::secret;
    SLIPWAY_TRY(std::vector<AskedVariable> variables, context.environments.asked(draft, side));
    if (secret)
      SLIPWAY_CHECK(authorize(context, call, Permission::secret_write, project, environment));
    asked.push_back({.point = secret ? DecisionPoint::secret : DecisionPoint::config,
                     .by = call.by,
                     .project = project,
                     .environment = std::string(environment_class(environment)),
                     .resource = fmt::format("configuration/{}/{}", project, environment),
                     .action = "env_write",
                     .variables = variables,
                     .more = [production, kind = secret ? "secret" : "env",
                              changes = std::move(variables)](Facts& facts) {
                       for (const AskedVariable& each : changes)
                         facts.add("config_change",
                                   {{"kind", kind},
                                    {"name", each.name},
                                    {"subject", fmt::format("{}:{}", kind, each.name)},
                                    {"change", each.change},
                                    {"live", production ? 1 : 0},
                                    {"undo_for", 365 * 24 * 3600},
                                    {"used_by", std::string(to_string(each.kind))},
                                    {"loads_code", loads_code(each.name) ? 1 : 0}});
                     }});
  }
  if (asked.empty()) return call.by;  // nothing changes
  return context.governance.require_all(std::move(asked),
                                        context.environments.digest(call.by.actor, draft));
}

// Where a release serves, the next one has the new configuration; the answer says which rollout
// makes it, or why there is none. The configuration is kept either way.
void add_release(const ApiContext& context, const AuditContext& by, const Configuration& now,
                 bool wanted, json::object& out) {
  out["rollout"] = nullptr;
  if (!wanted || now.environment == preview_environment) return;
  const auto rollout = context.releases.reconfigure(by, now.project, now.environment, now.version);
  if (!rollout)
    out["release_error"] = to_json(rollout.error());
  else if (*rollout)
    out["rollout"] = rollout_answer(context, **rollout);
}

// What others asked for was a change of the version that this one replaces.
Result<Configuration> commit(const ApiContext& context, const AuditContext& by,
                             Environments::Draft draft) {
  const bool changes = !draft.changes.empty();
  SLIPWAY_TRY(Configuration next, context.environments.commit(by, std::move(draft)));
  if (changes)
    context.governance.withdraw_others(
        fmt::format("configuration/{}/{}", next.project, next.environment), "env_write",
        fmt::format("the configuration changed meanwhile, to version {}; ask again", next.version));
  return next;
}

}  // namespace

Result<ApiResponse> show_env(const ApiContext& context, ApiCall& call) {
  const std::string& environment = call.path_value("environment");
  SLIPWAY_CHECK(check_environment_name(environment));
  SLIPWAY_CHECK(authorize(context, call, call.path_value("project"), environment));
  SLIPWAY_TRY(const Configuration now,
              context.environments.show(call.path_value("project"), environment));
  json::object out = configuration_json(now);
  // What was asked of it: it waits, or was refused lately.
  const std::string resource = fmt::format("configuration/{}/{}", now.project, environment);
  json::array waiting, refused;
  SLIPWAY_TRY(const auto open, context.governance.store().approvals_of(resource));
  for (const ApprovalRequest& each : open)
    if (each.state == "open") waiting.push_back(approval_answer(context, call, each));
  SLIPWAY_TRY(const auto closed, refused_about(context, call, resource));
  for (const ApprovalRequest& each : closed)
    refused.push_back(approval_answer(context, call, each));
  out["waiting"] = std::move(waiting);
  out["refused"] = std::move(refused);
  return json_response(200, out);
}

Result<ApiResponse> change_env(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const json::value body, call.body_json());
  ConfigurationChange change;
  bool release = true;
  JsonReader reader(body);
  reader.read_each("set", change.set, read_var)
      .read("remove", change.remove)
      .read("note", change.note)
      .read("release", release);
  SLIPWAY_CHECK(reader.status());
  const std::string& project = call.path_value("project");
  const std::string& environment = call.path_value("environment");
  SLIPWAY_CHECK(check_names(project, preview_environment));
  // First, so that no error tells names of somebody else's variables.
  SLIPWAY_CHECK(authorize(context, call, project, environment));
  SLIPWAY_TRY(Environments::Draft draft,
              context.environments.preview(project, environment, change));
  SLIPWAY_TRY(const AuditContext by, allow(context, call, draft));
  SLIPWAY_TRY(const bool created,
              context.identity.claim_project(by, call.principal, call.permission, project));
  // What was allowed is what is stored.
  SLIPWAY_TRY(const Configuration next, commit(context, by, std::move(draft)));
  json::object out = configuration_json(next);
  out["project_created"] = created;
  add_release(context, by, next, release, out);
  return json_response(200, out);
}

Result<ApiResponse> env_history(const ApiContext& context, ApiCall& call) {
  SLIPWAY_CHECK(
      authorize(context, call, call.path_value("project"), call.path_value("environment")));
  SLIPWAY_TRY(const std::vector<Configuration> all,
              context.environments.history(call.path_value("project"),
                                           call.path_value("environment"), 100));
  json::array out;
  for (const Configuration& each : all) {
    json::object head = head_json(each);
    json::array names;
    for (const EnvironmentVar& var : each.vars) names.push_back(json::value(var.name));
    head["names"] = std::move(names);
    out.push_back(std::move(head));
  }
  return json_response(200, json::object{{"versions", std::move(out)}});
}

Result<ApiResponse> roll_env_back(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const json::value body, call.body_json());
  std::int64_t version = -1;
  bool release = true;
  JsonReader reader(body);
  reader.require("version").read("version", version).read("release", release);
  SLIPWAY_CHECK(reader.status());
  const std::string& project = call.path_value("project");
  const std::string& environment = call.path_value("environment");
  SLIPWAY_CHECK(authorize(context, call, project, environment));
  SLIPWAY_TRY(Environments::Draft draft,
              context.environments.preview_rollback(project, environment, version));
  SLIPWAY_TRY(const AuditContext by, allow(context, call, draft));
  SLIPWAY_TRY(const Configuration now, commit(context, by, std::move(draft)));
  json::object out = configuration_json(now);
  add_release(context, by, now, release, out);
  return json_response(200, out);
}

Result<ApiResponse> rotate_secrets_key(const ApiContext& context, ApiCall& call) {
  // Approvals are bound to values as the key sealed them: they end with it.
  if (call.by.actor.kind == "agent")
    return fail(
        Errc::permission_denied, "an agent does not rotate the key: that takes a person",
        fmt::format("ask {}", call.by.actor.on_behalf_of.empty() ? std::string("somebody")
                                                                 : call.by.actor.on_behalf_of));
  SLIPWAY_TRY(const std::size_t values,
              context.environments.rotate_key(call.by, [&]() -> Result<std::size_t> {
                SLIPWAY_TRY(const std::size_t webhooks, context.alerts.reseal(call.by));
                SLIPWAY_TRY(const std::size_t deployments, context.repository.reseal(call.by));
                return webhooks + deployments;
              }));
  return json_response(200, json::object{{"resealed", values}});
}

}  // namespace slipway::handlers
