#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "api/context.h"
#include "identity/permission.h"

namespace slipway {

// What a request touches, as the row of its route says. An object that the path names is looked up
// and asked for by its own project and environment before the handler runs (touches.h), so that no
// handler can forget to.
enum class Touches : std::uint8_t {
  undeclared,  // no row
  nothing,     // an open page
  self,        // who the caller is: takes a token that works, whatever it may do
  caller,      // what the caller is and has; the store asks for what is others'
  listed,      // a list, which leaves out what the caller may not see
  server,      // no one project
  team,        // {team}: its own members' and the server's
  project,     // {project}, none of its environments in particular
  environment,
  new_project,      // as project; one that is not there yet is made in the caller's team
  new_environment,  // likewise
  body,             // what the body names: its handler asks
  new_body,         // likewise, and it may be the first to speak of a project
  deployment,       // {ref}
  upload,
  rollout,
  decision,
  approval,  // or a waiver or emergency that waits
  waiver,
  emergency,
  alert,
  domain,
  record,  // of the audit log
};
[[nodiscard]] std::string_view to_string(Touches touches);

// What most bodies need; a manifest of many files needs more.
inline constexpr std::uint64_t small_body = 1u << 20, manifest_body = 64u << 20;

// One row of the API: what dispatches, what /v1/openapi.json says, what authorization checks.
struct ApiRoute {
  std::string_view method;
  std::string_view path;  // "/v1/deployments/{ref}"; a last {path} is one segment or more
  Permission permission;
  std::string_view operation;  // OpenAPI operationId
  std::string_view summary;
  std::string_view request;   // name of the body's schema; "" for none
  std::string_view response;  // name of the answer's schema
  Result<ApiResponse> (*handle)(const ApiContext& context, ApiCall& call);
  Touches touches = Touches::undeclared;
  CallKind kind = CallKind::call;  // which threads it takes
  std::uint64_t body_limit = small_body;
};

[[nodiscard]] std::span<const ApiRoute> api_routes();

// Handlers by subject: handlers_uploads.cc, handlers_deployments.cc, handlers_streams.cc,
// handlers_server.cc, handlers_tokens.cc, handlers_team.cc.
namespace handlers {
[[nodiscard]] Result<ApiResponse> healthz(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> metrics(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> openapi(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> whoami(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> open_upload(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> put_pack(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> plan(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> create_deployment(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> list_deployments(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> get_deployment(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> redeploy(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> delete_deployment(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> undo(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> list_projects(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> events(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> logs(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> show_env(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> change_env(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> env_history(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> roll_env_back(const ApiContext&, ApiCall&);
// handlers_alerts.cc
[[nodiscard]] Result<ApiResponse> list_alerts(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> add_alert(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> remove_alert(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> test_alert(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> rotate_secrets_key(const ApiContext&, ApiCall&);
// handlers_server.cc
[[nodiscard]] Result<ApiResponse> collect_garbage(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> go_down(const ApiContext&, ApiCall&);
// handlers_releases.cc
[[nodiscard]] Result<ApiResponse> promote(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> roll_back(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> list_releases(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> list_rollouts(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> get_rollout(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> cancel_rollout(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> resume_environment(const ApiContext&, ApiCall&);
// handlers_environments.cc
[[nodiscard]] Result<ApiResponse> list_environments(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> show_environment(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> restart_environment(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> scale_environment(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> environment_logs(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> create_token(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> list_tokens(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> revoke_token(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> list_agents(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> kill_agent(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> revive_agent(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> list_teams(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> create_team(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> set_member(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> remove_member(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> add_team_project(const ApiContext&, ApiCall&);
// handlers_policy.cc
[[nodiscard]] Result<ApiResponse> show_policy(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> list_policies(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> check_policy(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> set_policy(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> try_decision(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> list_decisions(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> get_decision(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> list_approvals(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> get_approval(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> approve(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> reject(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> list_waivers(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> create_waiver(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> revoke_waiver(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> list_emergencies(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> declare_emergency(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> end_emergency(const ApiContext&, ApiCall&);
// handlers_domains.cc
[[nodiscard]] Result<ApiResponse> list_domains(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> add_domain(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> verify_domain(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> remove_domain(const ApiContext&, ApiCall&);
// handlers_volumes.cc
[[nodiscard]] Result<ApiResponse> list_volumes(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> remove_volumes(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> share_volumes(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> list_snapshots(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> make_snapshot(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> restore_snapshot(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> remove_snapshot(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> list_audit(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> get_audit_record(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> prove_audit_record(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> audit_checkpoint(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> audit_consistency(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> export_audit(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> rotate_audit_key(const ApiContext&, ApiCall&);
// handlers_tlog.cc
[[nodiscard]] Result<ApiResponse> list_witnesses(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> add_witness(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> remove_witness(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> tlog_checkpoint(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> tlog_entries(const ApiContext&, ApiCall&);
[[nodiscard]] Result<ApiResponse> tlog_tile(const ApiContext&, ApiCall&);
}  // namespace handlers

}  // namespace slipway
