#include "api/touches.h"

#include <algorithm>
#include <charconv>

#include "api/project_names.h"
#include "audit/record.h"
#include "base/text.h"

namespace slipway {
namespace {

// What somebody may be asked for. Without a project: the whole server.
struct Touched {
  Permission permission = Permission::none;
  std::string project, environment;
};

template <class IdType>
Result<IdType> id_of(const ApiCall& call, std::string_view noun) {
  const std::string& text = call.path_value("id");
  if (const auto id = IdType::parse(text)) return *id;
  return fail(Errc::not_found,
              fmt::format("no {} is called '{}'", noun, sanitize_line(text.substr(0, 80))));
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

Result<Touched> of_approval(const ApiContext& context, const ApiCall& call) {
  GovernanceStore& store = context.governance.store();
  const std::string every(every_environment);
  const std::string& text = call.path_value("id");
  const bool votes = call.permission == Permission::approve;
  if (const auto id = WaiverId::parse(text)) {
    SLIPWAY_TRY(const Waiver waiver, store.waiver(*id));
    return Touched{votes ? Permission::waive : call.permission, waiver.project, every};
  }
  if (const auto id = BreakGlassId::parse(text)) {
    SLIPWAY_TRY(const BreakGlass emergency, store.break_glass(*id));
    return Touched{votes ? Permission::break_glass : call.permission, emergency.project, every};
  }
  SLIPWAY_TRY(const ApprovalId id, id_of<ApprovalId>(call, "approval"));
  SLIPWAY_TRY(const ApprovalRequest request, store.approval(id));
  return Touched{call.permission, request.project, std::string(environment_of(request))};
}

Error absent(std::string_view noun, std::string_view name) {
  return {.code = Errc::not_found,
          .message = fmt::format("no {} is called '{}'", noun, sanitize_line(name.substr(0, 80)))};
}

// What is said of an object that the caller may not know of, which is what is said of one that does
// not exist. Nothing where its place is in the path, and so known.
std::optional<Error> absence(const ApiCall& call, Touches touches) {
  switch (touches) {
    case Touches::upload:
      return absent("upload", call.path_value("id"));
    case Touches::rollout:
      return absent("rollout", call.path_value("id"));
    case Touches::approval:
      return absent("approval", call.path_value("id"));
    case Touches::waiver:
      return absent("waiver", call.path_value("id"));
    case Touches::emergency:
      return absent("emergency", call.path_value("id"));
    case Touches::domain:
      return absent("domain", call.path_value("name"));
    case Touches::record:
      return absent("audit record", call.path_value("seq"));
    default:
      return std::nullopt;
  }
}

Result<Touched> of_alert(const ApiContext& context, const ApiCall& call) {
  const std::string& project = call.path_value("project");
  // Whether there is such a webhook is its project's business.
  SLIPWAY_CHECK(authorize(context, call, project, {}));
  SLIPWAY_TRY(const std::vector<AlertSubscription> all, context.alerts.list(project));
  const auto found = std::ranges::find(all, call.path_value("id"),
                                       [](const AlertSubscription& each) { return each.id.str(); });
  return Touched{call.permission, project,
                 found == all.end() ? std::string() : std::string(environment_of(*found))};
}

// Several projects may claim one name: the claim that the caller may speak of, or any.
Result<Touched> of_domain(const ApiContext& context, const ApiCall& call) {
  SLIPWAY_TRY(const std::vector<Domain> all,
              context.domains.list(call.request.query_value("project").value_or("")));
  Touched touched{.permission = call.permission};
  for (const Domain& each : all) {
    if (each.name != to_lower(call.path_value("name"))) continue;
    touched.project = each.project;
    touched.environment = each.environment;
    if (authorize(context, call, each.project, each.environment)) return touched;
  }
  if (!touched.project.empty()) return touched;
  return fail(Errc::not_found,
              fmt::format("nobody has claimed {}", sanitize_line(call.path_value("name"))),
              "see: slipway domain ls");
}

Result<Touched> of_record(const ApiContext& context, const ApiCall& call) {
  // Its handler says what is wrong with a number.
  std::uint64_t seq = 0;
  const std::string& text = call.path_value("seq");
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), seq);
  if (problem != std::errc{} || end != text.data() + text.size())
    return Touched{.permission = call.permission};
  SLIPWAY_TRY(const std::string record_text, context.audit.store().get(seq));
  SLIPWAY_TRY(const AuditRecord record, parse_audit_record(record_text));
  return Touched{call.permission, record.event.project, record.event.environment};
}

Result<Touched> object_of(const ApiContext& context, const ApiCall& call, Touches touches) {
  const Permission permission = call.permission;
  switch (touches) {
    case Touches::project:
    case Touches::new_project:
      return Touched{permission, call.path_value("project"), {}};
    case Touches::environment:
    case Touches::new_environment:
      return Touched{permission, call.path_value("project"), call.path_value("environment")};
    case Touches::deployment: {
      SLIPWAY_TRY(Deployment found, find_deployment(context, call, call.path_value("ref")));
      return Touched{permission, std::move(found.project), std::move(found.alias)};
    }
    case Touches::upload: {
      SLIPWAY_TRY(const UploadId id, id_of<UploadId>(call, "upload"));
      SLIPWAY_TRY(Upload found, context.repository.get_upload(id));
      return Touched{permission, std::move(found.project), {}};
    }
    case Touches::rollout: {
      SLIPWAY_TRY(const RolloutId id, id_of<RolloutId>(call, "rollout"));
      SLIPWAY_TRY(Rollout found, context.releases.rollout(id));
      return Touched{permission, std::move(found.project), std::move(found.environment)};
    }
    case Touches::approval:
      return of_approval(context, call);
    case Touches::waiver: {
      SLIPWAY_TRY(const WaiverId id, id_of<WaiverId>(call, "waiver"));
      SLIPWAY_TRY(Waiver found, context.governance.store().waiver(id));
      return Touched{permission, std::move(found.project), std::string(every_environment)};
    }
    case Touches::emergency: {
      SLIPWAY_TRY(const BreakGlassId id, id_of<BreakGlassId>(call, "emergency"));
      SLIPWAY_TRY(BreakGlass found, context.governance.store().break_glass(id));
      return Touched{permission, std::move(found.project), std::string(every_environment)};
    }
    case Touches::alert:
      return of_alert(context, call);
    case Touches::domain: {
      return of_domain(context, call);
    }
    case Touches::record:
      return of_record(context, call);
    case Touches::undeclared:
    case Touches::nothing:
    case Touches::self:
    case Touches::caller:
    case Touches::listed:
    case Touches::server:
    case Touches::team:
    case Touches::body:
    case Touches::new_body:
    case Touches::decision:
      break;
  }
  return Touched{.permission = permission};
}

}  // namespace

std::string_view to_string(Touches touches) {
  switch (touches) {
    case Touches::undeclared:
    case Touches::nothing:
      return "";
    case Touches::self:
      return "the caller, with any token";
    case Touches::caller:
      return "the caller's own";
    case Touches::listed:
      return "what one may see";
    case Touches::server:
      return "the server";
    case Touches::team:
      return "the team";
    case Touches::project:
      return "the project";
    case Touches::environment:
      return "the environment";
    case Touches::new_project:
      return "the project, also a new one";
    case Touches::new_environment:
      return "the environment, also of a new project";
    case Touches::body:
      return "what the body names";
    case Touches::new_body:
      return "what the body names, also a new project";
    case Touches::deployment:
      return "the deployment's";
    case Touches::upload:
      return "the upload's project";
    case Touches::rollout:
      return "the rollout's";
    case Touches::decision:
      return "the decision's";
    case Touches::approval:
      return "the request's; every environment for waivers and emergencies";
    case Touches::waiver:
    case Touches::emergency:
      return "every environment of its project";
    case Touches::alert:
      return "the webhook's";
    case Touches::domain:
      return "the domain's";
    case Touches::record:
      return "the record's";
  }
  return "";
}

std::string_view environment_of(const AlertSubscription& alert) {
  return alert.environment.empty() ? every_environment : std::string_view(alert.environment);
}

Status may_read(const ApiContext& context, const ApiCall& call, const json::object& decision) {
  const std::string project = text_of(decision, "project");
  const json::value* actor = decision.if_contains("actor");
  if (project.empty() && actor != nullptr && actor->is_object() &&
      text_of(actor->get_object(), "path") == call.by.actor.path)
    return {};
  return authorize(context, call, project, text_of(decision, "environment"));
}

Status authorize_decision(const ApiContext& context, const ApiCall& call,
                          std::string_view reference) {
  if (const auto id = DecisionId::parse(reference)) {
    const auto decision = context.governance.store().decision(*id);
    const Status may = decision ? may_read(context, call, *decision) : fail(decision.error());
    const bool known = decision && in_reach(context, call, text_of(*decision, "project"));
    if (!may && !known && !call.principal.reaches_all()) return fail(absent("decision", reference));
    return may;
  }
  SLIPWAY_TRY(const Deployment deployment, find_deployment(context, call, reference));
  SLIPWAY_TRY(const DecisionPage page,
              context.governance.store().decisions(
                  {.resource = "deployment/" + deployment.id.str(), .limit = 1}));
  return page.decisions.empty() ? Status() : may_read(context, call, page.decisions.front());
}

Status authorize_touched(const ApiContext& context, ApiCall& call, Touches touches) {
  switch (touches) {
    case Touches::nothing:
    case Touches::self:
    case Touches::caller:
    case Touches::listed:
    case Touches::team:
    case Touches::body:
      return {};
    case Touches::new_body:
      call.projects = ApiCall::Projects::new_ones_too;
      return {};
    case Touches::undeclared:
    case Touches::server:
      return reach_server(call.principal);
    case Touches::decision:
      return authorize_decision(context, call, call.path_value("id"));
    case Touches::upload:
    case Touches::new_project:
    case Touches::new_environment:
      call.projects = ApiCall::Projects::new_ones_too;
      break;
    default:
      break;
  }
  const Result<Touched> touched = object_of(context, call, touches);
  if (auto absent = absence(call, touches); absent && !call.principal.reaches_all()) {
    const bool known = touched ? in_reach(context, call, touched->project)
                               : touched.error().code != Errc::not_found;
    if (!known) return fail(*std::move(absent));
  }
  if (!touched) return fail(touched.error());
  SLIPWAY_CHECK(
      authorize(context, call, touched->permission, touched->project, touched->environment));
  // To those who may speak of it: one that is mistyped is no project with nothing in it.
  if (touches == Touches::project || touches == Touches::environment)
    return must_exist(context, call, touched->project);
  return {};
}

}  // namespace slipway
