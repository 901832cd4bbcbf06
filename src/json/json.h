#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <map>
#include <string>
#include <string_view>

#include "model/deployment.h"
#include "model/plan.h"

namespace slipway {

namespace json = boost::json;

// Strict parse of one JSON document, depth at most 64. Errors: invalid_argument with the offset.
[[nodiscard]] Result<json::value> parse_json(std::string_view text);
// Two-space indentation for people and for files under version control.
[[nodiscard]] std::string pretty(const json::value& value);

// The forms of DESIGN.md §5. from_json() ignores members it does not know and names the member that
// is wrong or missing.
[[nodiscard]] json::object to_json(const Error& error);
// Beside an error that only says that people are to agree: `waits_for` and `approval`, as in a
// deployment or a rollout that waits. Nothing for other errors.
void add_what_it_waits_for(const Error& error, json::object& out);
[[nodiscard]] json::object to_json(const Actor& actor);
[[nodiscard]] json::object to_json(const Service& service);
[[nodiscard]] json::object to_json(const Plan& plan);
[[nodiscard]] Result<Actor> actor_from_json(const json::value& value);
[[nodiscard]] Result<Error> error_from_json(const json::value& value);
[[nodiscard]] Result<Plan> plan_from_json(const json::value& value);

// A deployment as the database keeps it: everything, including values of environment variables.
[[nodiscard]] json::object to_record(const Deployment& deployment);
[[nodiscard]] Result<Deployment> deployment_from_record(const json::value& value);

// A deployment as clients see it: no values of environment variables, URLs added.
struct DeploymentUrls {
  std::string url, alias_url;                                           // of the first service
  std::map<std::string, std::string> service_urls, service_alias_urls;  // of the others, by label
};
[[nodiscard]] json::object to_json(const Deployment& deployment, const DeploymentUrls& urls);

}  // namespace slipway
