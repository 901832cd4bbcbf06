#include "api/openapi.h"

#include <set>

namespace slipway {
namespace {

json::object schema(std::string_view type) { return {{"type", type}}; }
json::object list_of(json::object items) {
  return {{"type", "array"}, {"items", std::move(items)}};
}
json::object reference(std::string_view name) {
  return {{"$ref", fmt::format("#/components/schemas/{}", name)}};
}
json::object object_of(json::object properties, std::initializer_list<const char*> required = {}) {
  json::object out{{"type", "object"}, {"properties", std::move(properties)}};
  if (required.size() > 0) out["required"] = json::array(required.begin(), required.end());
  return out;
}
json::object strings() { return list_of(schema("string")); }
json::object string_map() {
  return {{"type", "object"}, {"additionalProperties", schema("string")}};
}
json::object or_null(std::string_view type) { return {{"type", json::array{type, "null"}}}; }

json::object schemas() {
  const json::object text = schema("string"), number = schema("integer"),
                     anything = schema("object");
  json::object error =
      object_of({{"code", text},
                 {"message", text},
                 {"hint", or_null("string")},
                 {"phase", or_null("string")},
                 {"command", or_null("string")},
                 {"exit_code", or_null("integer")},
                 {"cause", or_null("string")},
                 {"file", or_null("string")},
                 {"line", or_null("integer")},
                 {"excerpt", strings()},
                 {"next", list_of(object_of({{"command", text}, {"when", text}}))}},
                {"code", "message"});
  json::object deployment = object_of(
      {{"id", text},
       {"project", text},
       {"team", text},
       {"alias", text},
       {"state",
        json::object{{"type", "string"},
                     {"enum", json::array{"queued", "building", "starting", "ready", "sleeping",
                                          "failed", "canceled", "stopped", "expired", "deleted"}}}},
       {"state_reason", or_null("string")},
       {"url", text},
       {"alias_url", text},
       {"message", or_null("string")},
       {"actor", anything},
       {"created_at", text},
       {"ready_at", or_null("string")},
       {"expires_at", or_null("string")},
       {"deleted_at", or_null("string")},
       {"source", object_of({{"digest", text}, {"files", number}, {"bytes", number}})},
       {"uploaded", object_of({{"files", number}, {"bytes", number}})},
       {"changed", object_of({{"base", or_null("string")},
                              {"added", strings()},
                              {"modified", strings()},
                              {"removed", strings()}})},
       {"plan", anything},
       {"cache", object_of({{"install", text}, {"build", text}})},
       {"timings_ms", anything},
       {"steps", list_of(anything)},
       {"env", strings()},
       {"build_env", strings()},
       {"error", json::object{{"oneOf", json::array{reference("Error"), schema("null")}}}}},
      {"id", "project", "alias", "state", "url", "alias_url"});
  json::object entry =
      object_of({{"path", text}, {"mode", text}, {"size", number}, {"digest", text}},
                {"path", "mode", "size", "digest"});
  return {
      {"Error", std::move(error)},
      {"Deployment", std::move(deployment)},
      {"DeploymentPage", object_of({{"deployments", list_of(reference("Deployment"))},
                                    {"next_cursor", or_null("string")}})},
      {"DeploymentRequest", object_of({{"project", text},
                                       {"upload", text},
                                       {"alias", text},
                                       {"message", text},
                                       {"env", string_map()},
                                       {"build_env", string_map()},
                                       {"ttl_ms", or_null("integer")},
                                       {"overrides", string_map()},
                                       {"timings_ms", anything},
                                       {"uploaded", anything}},
                                      {"upload"})},
      {"RedeployRequest", object_of({{"message", text}})},
      {"UndoRequest", object_of({{"deployment", or_null("string")}})},
      {"UploadRequest", object_of({{"project", text},
                                   {"manifest", text},
                                   {"delta", object_of({{"base", text},
                                                        {"changed", list_of(std::move(entry))},
                                                        {"removed", strings()}})}},
                                  {"project"})},
      {"Upload", object_of({{"id", text}, {"manifest", text}, {"missing", strings()}})},
      {"PackReceipt", object_of({{"files", number}, {"bytes", number}})},
      {"Plan", object_of({{"project", text},
                          {"alias", text},
                          {"plan", anything},
                          {"changed", anything},
                          {"source", anything}})},
      {"WhoAmI", object_of({{"actor", anything},
                            {"team", text},
                            {"server", anything},
                            {"role", text},
                            {"token", text},
                            {"permissions", strings()},
                            {"narrowed", list_of(anything)},
                            {"deploys_left", or_null("integer")},
                            {"money_left_micros", or_null("integer")}})},
      {"TokenRequest", object_of({{"member", text},
                                  {"team", text},
                                  {"label", text},
                                  {"projects", strings()},
                                  {"actions", strings()},
                                  {"environments", strings()},
                                  {"deploys", or_null("integer")},
                                  {"money_micros", or_null("integer")},
                                  {"expires_at", or_null("string")},
                                  {"ttl_ms", or_null("integer")},
                                  {"agent", text},
                                  {"session", text},
                                  {"task", text}})},
      {"NewToken", object_of({{"id", text}, {"path", text}, {"token", text}}, {"id", "token"})},
      {"TokenList", object_of({{"tokens", list_of(anything)}})},
      {"PolicySet", object_of({{"version", number},
                               {"name", text},
                               {"digest", text},
                               {"text", text},
                               {"rules", list_of(anything)},
                               {"advisory", strings()},
                               {"author", anything},
                               {"created_at", text},
                               {"reason", or_null("string")},
                               {"signature", or_null("string")},
                               {"key", or_null("string")},
                               {"trial", reference("PolicyTrial")}})},
      {"PolicyList", object_of({{"policies", list_of(anything)}})},
      {"PolicyRequest", object_of({{"text", text},
                                   {"reason", text},
                                   {"advisory_first", schema("boolean")},
                                   {"replay", number}},
                                  {"text"})},
      {"PolicyTrial", object_of({{"usable", schema("boolean")},
                                 {"problems", list_of(anything)},
                                 {"tests", list_of(anything)},
                                 {"added", strings()},
                                 {"removed", strings()},
                                 {"changed", strings()},
                                 {"weakened", strings()},
                                 {"advisory", strings()},
                                 {"replayed", number},
                                 {"flips", list_of(anything)}})},
      {"DecisionRequest", object_of({{"decision", text},
                                     {"point", text},
                                     {"project", text},
                                     {"environment", text},
                                     {"deployment", text},
                                     {"assume", strings()}})},
      {"Decision", object_of({{"id", text},
                              {"time", text},
                              {"point", text},
                              {"verdict", text},
                              {"summary", text},
                              {"project", or_null("string")},
                              {"environment", text},
                              {"resource", or_null("string")},
                              {"actor", anything},
                              {"role", text},
                              {"policy", anything},
                              {"facts", text},
                              {"rules", strings()},
                              {"skipped", strings()},
                              {"violations", list_of(anything)},
                              {"approvals", list_of(anything)},
                              {"break_glass", or_null("string")},
                              {"remedies", list_of(anything)},
                              {"alternatives", list_of(anything)}})},
      {"DecisionPage", object_of({{"decisions", list_of(reference("Decision"))},
                                  {"next_cursor", or_null("string")}})},
      {"ApprovalList", object_of({{"approvals", list_of(reference("Approval"))},
                                  {"waivers", list_of(reference("Waiver"))},
                                  {"emergencies", list_of(reference("Emergency"))}})},
      {"Approval", object_of({{"id", text},
                              {"state", text},
                              {"action", text},
                              {"resource", text},
                              {"project", text},
                              {"decision", text},
                              {"requester", anything},
                              {"needs", list_of(anything)},
                              {"votes", list_of(anything)},
                              {"created_at", text},
                              {"expires_at", text},
                              {"closed_at", or_null("string")},
                              {"closed_reason", or_null("string")}})},
      {"VoteRequest", object_of({{"reason", text}})},
      {"Waiver", object_of({{"id", text},
                            {"state", text},
                            {"rule", text},
                            {"subject", or_null("string")},
                            {"project", text},
                            {"reason", text},
                            {"author", anything},
                            {"approver", anything},
                            {"created_at", text},
                            {"expires_at", text},
                            {"closed_at", or_null("string")}})},
      {"WaiverList", object_of({{"waivers", list_of(reference("Waiver"))}})},
      {"WaiverRequest", object_of({{"rule", text},
                                   {"subject", text},
                                   {"project", text},
                                   {"reason", text},
                                   {"for_s", number}},
                                  {"rule", "project", "reason", "for_s"})},
      {"Emergency", object_of({{"id", text},
                               {"state", text},
                               {"project", text},
                               {"reason", text},
                               {"first", anything},
                               {"second", anything},
                               {"created_at", text},
                               {"started_at", or_null("string")},
                               {"expires_at", text},
                               {"closed_at", or_null("string")}})},
      {"EmergencyList", object_of({{"emergencies", list_of(reference("Emergency"))}})},
      {"EmergencyRequest", object_of({{"project", text}, {"reason", text}}, {"project", "reason"})},
      {"Revoked", object_of({{"id", text}, {"revoked", schema("boolean")}})},
      {"AgentList", object_of({{"agents", list_of(anything)}})},
      {"KilledAgent", object_of({{"agent", text},
                                 {"removed", strings()},
                                 {"kept_in_production", strings()},
                                 {"failed", list_of(anything)}})},
      {"RevivedAgent", object_of({{"agent", text}, {"revived", schema("boolean")}})},
      {"TeamList", object_of({{"teams", list_of(anything)}})},
      {"TeamRequest", object_of({{"name", text}}, {"name"})},
      {"Team", object_of({{"name", text}})},
      {"MemberRequest", object_of({{"role", text}}, {"role"})},
      {"Member", object_of({{"team", text}, {"name", text}})},
      {"TeamProject", object_of({{"team", text}, {"project", text}})},
      {"Health", object_of({{"status", text}, {"version", text}})},
      {"ProjectList", object_of({{"projects", list_of(anything)}})},
      {"AuditPage",
       object_of({{"records", list_of(anything)}, {"next_cursor", or_null("string")}})},
      {"AuditRecord", object_of({{"record", anything},
                                 {"canonical", text},
                                 {"leaf_hash", text},
                                 {"changed", anything}})},
      {"AuditProof", object_of({{"slipway_audit_proof", number},
                                {"seq", number},
                                {"record", text},
                                {"path", strings()},
                                {"checkpoint", text},
                                {"keys", strings()}})},
      {"AuditCheckpoint", object_of({{"origin", text},
                                     {"size", number},
                                     {"root", text},
                                     {"checkpoint", text},
                                     {"keys", strings()},
                                     {"key", text}})},
      {"AuditConsistency", object_of({{"from", number}, {"to", number}, {"proof", strings()}})},
      {"EnvironmentList", object_of({{"environments", list_of(anything)}})},
      {"Configuration", object_of({{"project", text},
                                   {"environment", text},
                                   {"version", number},
                                   {"created_at", or_null("string")},
                                   {"actor", anything},
                                   {"note", text},
                                   {"vars", list_of(object_of({{"name", text},
                                                               {"kind", text},
                                                               {"secret", schema("boolean")},
                                                               {"value", or_null("string")}}))}})},
      {"ConfigurationChange",
       object_of(
           {{"set",
             list_of(object_of(
                 {{"name", text}, {"value", text}, {"kind", text}, {"secret", schema("boolean")}},
                 {"name", "value"}))},
            {"remove", strings()},
            {"note", text}})},
      {"ConfigurationHistory", object_of({{"versions", list_of(anything)}})},
      {"ConfigurationRollback", object_of({{"version", number}}, {"version"})},
      {"Resealed", object_of({{"resealed", number}})},
      {"AuditPage",
       object_of({{"records", list_of(anything)}, {"next_cursor", or_null("string")}})},
      {"AuditRecord", object_of({{"record", anything},
                                 {"canonical", text},
                                 {"leaf_hash", text},
                                 {"changed", anything}})},
      {"AuditProof", object_of({{"slipway_audit_proof", number},
                                {"seq", number},
                                {"record", text},
                                {"path", strings()},
                                {"checkpoint", text},
                                {"keys", strings()}})},
      {"AuditCheckpoint", object_of({{"origin", text},
                                     {"size", number},
                                     {"root", text},
                                     {"checkpoint", text},
                                     {"keys", strings()},
                                     {"key", text}})},
      {"AuditConsistency", object_of({{"from", number}, {"to", number}, {"proof", strings()}})},
  };
}

json::object operation(const ApiRoute& route) {
  json::object out{{"operationId", route.operation}, {"summary", route.summary}};
  json::array parameters;
  for (std::string_view rest = route.path; rest.find('{') != std::string_view::npos;) {
    rest.remove_prefix(rest.find('{') + 1);
    parameters.push_back(json::object{{"name", rest.substr(0, rest.find('}'))},
                                      {"in", "path"},
                                      {"required", true},
                                      {"schema", schema("string")}});
  }
  if (route.method == "POST")
    parameters.push_back(
        json::object{{"name", "Idempotency-Key"}, {"in", "header"}, {"schema", schema("string")}});
  if (!parameters.empty()) out["parameters"] = std::move(parameters);
  if (route.request == "Pack") {
    out["requestBody"] =
        json::object{{"content", json::object{{"application/vnd.slipway.pack", json::object{}}}}};
  } else if (!route.request.empty()) {
    out["requestBody"] = json::object{
        {"content",
         json::object{{"application/json", json::object{{"schema", reference(route.request)}}}}}};
  }
  json::object success{{"description", "Done"}};
  if (!route.response.empty())
    success["content"] =
        json::object{{"application/json", json::object{{"schema", reference(route.response)}}}};
  out["responses"] = json::object{
      {"2XX", std::move(success)},
      {"default",
       json::object{{"description", "Refused or failed"},
                    {"content", json::object{{"application/problem+json",
                                              json::object{{"schema", reference("Error")}}}}}}}};
  out["x-permission"] = to_string(route.permission);
  if (route.permission == Permission::none) out["security"] = json::array{};
  return out;
}

}  // namespace

json::object openapi_document(std::span<const ApiRoute> routes) {
  json::object paths;
  for (const ApiRoute& route : routes) {
    json::value& path = paths[route.path];
    if (path.is_null()) path = json::object{};
    std::string method(route.method);
    for (char& c : method) c = static_cast<char>(c - 'A' + 'a');
    path.as_object()[method] = operation(route);
  }
  return {{"openapi", "3.1.0"},
          {"info", json::object{{"title", "Slipway"}, {"version", SLIPWAY_VERSION}}},
          {"security", json::array{json::object{{"token", json::array{}}}}},
          {"paths", std::move(paths)},
          {"components",
           json::object{
               {"schemas", schemas()},
               {"securitySchemes",
                json::object{{"token", json::object{{"type", "http"}, {"scheme", "bearer"}}}}}}}};
}

}  // namespace slipway
