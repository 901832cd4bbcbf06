#include "api/context.h"

#include <boost/json/serialize.hpp>

#include "base/text.h"

namespace slipway {

const std::string& ApiCall::path_value(std::string_view name) const {
  static const std::string none;
  for (const auto& [key, value] : path_values)
    if (key == name) return value;
  return none;
}

namespace {

// A body is many times as large once it is parsed when it is made of next to nothing: so many
// values are more than the largest tree of files needs.
constexpr std::size_t most_values = 1'200'000, counted_from = 1u << 20;

// At the least as many as there are values.
std::size_t count_values(std::string_view text) {
  std::size_t count = 1;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == ',' || c == '[' || c == '{') {
      ++count;
    }
  }
  return count;
}

}  // namespace

Result<json::value> ApiCall::body_json() const {
  const std::string& text = request.body;
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return json::object();
  if (text.size() > counted_from && count_values(text) > most_values)
    return fail(Errc::too_large, fmt::format("the body has more than {} values", most_values));
  SLIPWAY_TRY(json::value value, parse_json(text));
  if (!value.is_object()) return fail(Errc::invalid_argument, "the body must be a JSON object");
  return value;
}

std::string ApiCall::idempotency_key() const {
  const auto key = find_header(request.headers, "Idempotency-Key");
  if (!key || key->empty()) return {};
  return principal.path.empty() || principal.path == local_token_id
             ? std::string(*key)
             : fmt::format("{} {}", principal.path, *key);
}

std::string_view ApiCall::bearer() const {
  const auto header = find_header(request.headers, "Authorization");
  if (!header || to_lower(header->substr(0, 7)) != "bearer ") return {};
  return trim(header->substr(7));
}

ApiResponse json_response(int status, const json::value& value) {
  return {.status = status,
          .headers = {{"Content-Type", "application/json"}},
          .body = json::serialize(value) + "\n"};
}

ApiResponse problem_response(const Error& error) {
  const ErrcInfo& row = info(error.code);
  json::object problem = to_json(error);
  problem["type"] = "about:blank";
  problem["status"] = row.http_status;
  problem["title"] = row.name;
  add_what_it_waits_for(error, problem);
  ApiResponse response{.status = row.http_status,
                       .headers = {{"Content-Type", "application/problem+json"}},
                       .body = json::serialize(problem) + "\n"};
  if (error.code == Errc::unauthenticated)
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (row.retry == ErrcInfo::Retry::yes) response.headers.emplace_back("Retry-After", "1");
  return response;
}

json::object deployment_json(const ApiContext& context, const Deployment& deployment) {
  DeploymentUrls urls{.url = context.service.url(deployment),
                      .alias_url = context.service.alias_url(deployment)};
  for (const Companion& each : deployment.companions) {
    const Names& names = context.names;
    urls.service_urls[each.label] = names.url(names.unit_host(deployment, each.label));
    urls.service_alias_urls[each.label] =
        names.url(names.unit_alias_host(deployment.project, deployment.alias, each.label));
  }
  json::object out = to_json(deployment, urls);
  out["next"] = waits_for_approval(deployment)
                    ? next_of(context, "deployment/" + deployment.id.str())
                    : json::array();
  return out;
}

json::array next_of(const ApiContext& context, std::string_view resource) {
  json::array out;
  const auto requests = context.governance.store().approvals_of(resource);
  if (!requests) return out;
  for (const ApprovalRequest& request : *requests) {
    if (request.state != "open") continue;
    for (const NextStep& step : request.next)
      out.push_back(json::object{{"command", step.command}, {"when", step.when}});
    break;
  }
  return out;
}

}  // namespace slipway
