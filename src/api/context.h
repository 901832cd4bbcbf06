#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "api/environment_work.h"
#include "base/clock.h"
#include "db/identity_store.h"
#include "deploy/audit_log.h"
#include "deploy/domains.h"
#include "deploy/service.h"
#include "deploy/witnesses.h"
#include "http/message.h"
#include "identity/speed_gate.h"
#include "json/json.h"
#include "release/alerts.h"
#include "release/releases.h"

namespace slipway {

// What handlers work with. Everything must outlive them.
struct ApiContext {
  DeployService& service;
  IdentityStore& identity;
  Repository& repository;
  SpeedGate& speed;
  AuditLog& audit;
  GovernanceService& governance;
  Environments& environments;
  Releases& releases;
  ReleaseStore& release_store;
  Crews& crews;
  EnvironmentWork& work;
  const Volumes& volumes;
  VolumeStore& volume_store;
  Domains& domains;
  Alerts& alerts;
  Witnesses& witnesses;
  const Clock& clock;
  const Names& names;
  std::string server_url;
  std::function<std::string()> metrics;  // Prometheus text
  // Of the machine as a whole; what is asked for is recorded first.
  std::function<Status(const AuditEvent& event)> record = [](const auto&) { return Status(); };
  // The bytes freed.
  std::function<Result<std::uint64_t>()> collect_garbage = [] { return Result<std::uint64_t>(0); };
  // Ends every app, then the server; returns at once with how many run.
  std::function<Result<std::size_t>()> go_down = [] { return Result<std::size_t>(0); };
};

// One request on its way through a handler: who asks, and the parts of the path that stood for
// {names}.
struct ApiCall {
  ApiRequest& request;
  AuditContext by;                           // who asks, from where, under which request id
  Principal principal;                       // what they may do; its actor is by.actor
  Permission permission = Permission::none;  // what the route needs
  // Whether the route may be the first to speak of a project.
  enum class Projects { existing, new_ones_too } projects = Projects::existing;
  std::vector<std::pair<std::string_view, std::string>> path_values;

  // Set beside an error of rate_limited: when to come again.
  std::optional<Duration> retry_after;

  [[nodiscard]] const std::string& path_value(std::string_view name) const;
  // The body as JSON; an empty one is an empty object.
  [[nodiscard]] Result<json::value> body_json() const;
  // The header's, made the caller's own: nobody gets another's answer by repeating a key.
  [[nodiscard]] std::string idempotency_key() const;
  // The bearer token as it came; for narrowing it. Never to be kept or shown.
  [[nodiscard]] std::string_view bearer() const;
};

[[nodiscard]] ApiResponse json_response(int status, const json::value& value);
// application/problem+json (RFC 9457) with the members of DESIGN.md §5.
[[nodiscard]] ApiResponse problem_response(const Error& error);
// Whether the caller may do what the route is for to this project and environment. Without a
// project it is about the whole server.
[[nodiscard]] Status authorize(const ApiContext& context, const ApiCall& call,
                               std::string_view project, std::string_view environment);
// The same for another permission than the route's.
[[nodiscard]] Status authorize(const ApiContext& context, const ApiCall& call,
                               Permission permission, std::string_view project,
                               std::string_view environment);
// Whether the caller reaches the project at all; without one: the whole server. What is elsewhere
// is, to them, as what does not exist: the same answer, on no page, the end of no page.
[[nodiscard]] bool in_reach(const ApiContext& context, const ApiCall& call,
                            std::string_view project);
// DeployService::find() among what the caller reaches.
[[nodiscard]] Result<Deployment> find_deployment(const ApiContext& context, const ApiCall& call,
                                                 std::string_view reference);
// The deployment that the path's {ref} names, when the caller may do to it what the route is for.
// Every route with a {ref} finds it by this.
[[nodiscard]] Result<Deployment> find_deployment(const ApiContext& context, const ApiCall& call);
// Asked before a deployment is made: project and environment, speed, repeated failures, and how
// many the token is good for; counts it. Give it back when nothing came of it.
[[nodiscard]] Status admit_deployment(const ApiContext& context, ApiCall& call,
                                      std::string_view project, const Digest& source,
                                      const DeployOptions& options);
void give_deployment_back(const ApiContext& context, const ApiCall& call);

// The way out of a wait for an approval that nobody can give; empty when somebody can.
[[nodiscard]] json::array next_of(const ApiContext& context, std::string_view resource);
// The deployment with its URLs.
[[nodiscard]] json::object deployment_json(const ApiContext& context, const Deployment& deployment);

}  // namespace slipway
