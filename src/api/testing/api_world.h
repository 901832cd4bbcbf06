#pragma once

// For tests: the API over deploy/testing/world.h, with members and tokens.

#include <string>
#include <utility>

#include "api/dispatch.h"
#include "api/routes.h"
#include "release/alerts.h"
#include "release/testing/release_world.h"

namespace slipway::testing {

inline json::value json_of(const ApiResponse& response) {
  return parse_json(std::get<std::string>(response.body)).value();
}
inline std::string code_of(const ApiResponse& response) {
  return std::string(json_of(response).at("code").as_string());
}
inline std::string id_of(const std::string& token) {
  const std::string path = parse_token(token).value().path();
  return path.substr(path.rfind('/') + 1);
}

class ApiWorld {
 public:
  // `policy`: as World's.
  explicit ApiWorld(const std::string& policy = {}) : world(policy) {}
  // `token` empty: without one.
  ApiResponse call(const std::string& token, std::string method, std::string path,
                   std::string body = {}, HttpHeaders headers = {}) {
    ApiRequest request{
        .method = std::move(method), .path = std::move(path), .headers = std::move(headers)};
    if (!token.empty()) request.headers.emplace_back("Authorization", "Bearer " + token);
    request.body_bytes = body.size();
    request.body = std::move(body);
    return api(request);
  }
  ApiResponse call_at(const std::string& token, std::string method, std::string path,
                      std::vector<std::pair<std::string, std::string>> query) {
    ApiRequest request{.method = std::move(method),
                       .path = std::move(path),
                       .query = std::move(query),
                       .headers = {{"Authorization", "Bearer " + token}}};
    return api(request);
  }
  // Of a new member, or of one with a new role.
  std::string token_of(const std::string& member, Role role, const std::string& team = "default") {
    stores().identity->set_member({}, team, member, role).value();
    return stores().identity->create_token({}, {team, member, {}}).value().text;
  }
  // As a holder makes it offline.
  static std::string narrowed(const std::string& token, Restriction restriction) {
    restriction.id = TokenId::random().str();
    return to_text(narrow(parse_token(token).value(), restriction).value()).value();
  }
  Stores& stores() { return world.stores; }

  ReleaseWorld world;
  SpeedGate speed{world.clock, {}};
  std::unique_ptr<AuditLog> audit =
      AuditLog::open(world.settings.data / "audit.key", *world.stores.audit, world.clock, {})
          .value();
  Alerts alerts{{.settings = world.settings,
                 .clock = world.clock,
                 .store = *world.stores.alerts,
                 .box = world.secret_box,
                 .server_url = "http://localhost:7070"}};
  Witnesses witnesses{{.settings = world.settings,
                       .clock = world.clock,
                       .store = *world.stores.witnesses,
                       .audit = *audit}};
  Domains domains{{.settings = world.settings,
                   .clock = world.clock,
                   .store = *world.stores.domains,
                   .governance = *world.governance,
                   .names = world.names,
                   .lookup = [](const std::string&) { return std::vector<std::string>(); },
                   .publish = {}}};
  EnvironmentWork work;
  ApiContext context{.service = world.service,
                     .identity = *world.stores.identity,
                     .repository = *world.stores.repository,
                     .speed = speed,
                     .audit = *audit,
                     .governance = *world.governance,
                     .environments = world.environments,
                     .releases = *world.releases,
                     .release_store = *world.stores.releases,
                     .crews = *world.crews,
                     .work = work,
                     .volumes = world.volumes,
                     .volume_store = *world.stores.volumes,
                     .domains = domains,
                     .alerts = alerts,
                     .witnesses = witnesses,
                     .clock = world.clock,
                     .names = world.names,
                     .server_url = "http://localhost:7070",
                     .metrics = [] { return std::string("up 1\n"); }};
  ApiDispatcher api{context};
};

}  // namespace slipway::testing
