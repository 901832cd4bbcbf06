#include "api/dispatch.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "api/routes.h"
#include "base/log.h"
#include "base/text.h"

namespace slipway {
namespace {

// Whether `path` has the form of `pattern`; the segments that stood for {names} go to `values`.
bool match(std::string_view pattern, std::string_view path,
           std::vector<std::pair<std::string_view, std::string>>& values) {
  const auto wanted = split(pattern, '/'), given = split(path, '/');
  if (wanted.size() != given.size()) return false;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].starts_with('{')) {
      if (given[i].empty()) return false;
      values.emplace_back(wanted[i].substr(1, wanted[i].size() - 2), given[i]);
    } else if (wanted[i] != given[i]) {
      return false;
    }
  }
  return true;
}

}  // namespace

ApiDispatcher::ApiDispatcher(const ApiContext& context, std::string_view token, Actor owner)
    : context_(context), token_(sha256(token)), owner_(std::move(owner)) {}

Result<Actor> ApiDispatcher::authenticate(const ApiRequest& request) const {
  const auto header = find_header(request.headers, "Authorization");
  if (!header || to_lower(header->substr(0, 7)) != "bearer ")
    return fail(Errc::unauthenticated, "this needs a token",
                "run `slipway login`, or set SLIPWAY_TOKEN");
  const Digest given = sha256(trim(header->substr(7)));
  if (CRYPTO_memcmp(given.bytes.data(), token_.bytes.data(), given.bytes.size()) != 0)
    return fail(Errc::unauthenticated, "the token is not known here",
                "run `slipway login` with this server's token");
  return owner_;
}

Result<ApiResponse> ApiDispatcher::dispatch(ApiRequest& request) {
  std::vector<std::string_view> allowed;
  for (const ApiRoute& route : api_routes()) {
    ApiCall call{.request = request};
    if (!match(route.path, request.path, call.path_values)) continue;
    if (route.method != request.method) {
      allowed.push_back(route.method);
      continue;
    }
    call.by.request_id = "req_" + random_id();
    call.by.source_address = request.remote_address;
    if (route.permission != Permission::none) {
      SLIPWAY_TRY(call.by.actor, authenticate(request));
    }
    const auto handle = [&]() -> ApiResponse {
      auto response = route.handle(context_, call);
      return response ? *std::move(response) : problem_response(response.error());
    };
    const std::string key = route.method == "POST" ? call.idempotency_key() : std::string();
    if (key.empty()) return handle();
    if (key.size() > 255)
      return fail(Errc::invalid_argument, "the Idempotency-Key is longer than 255 characters");
    SLIPWAY_TRY(const std::string body, call.body_text());
    const Digest fingerprint = Sha256{}.field(request.path).field(body).finish();
    return replies_.reply(key, fingerprint, handle);
  }
  if (allowed.empty())
    return fail(Errc::not_found, "no such path in the API", "see /v1/openapi.json");
  ApiResponse refused = problem_response(
      {.code = Errc::invalid_argument,
       .message = fmt::format("{} does not go with this path", sanitize_line(request.method))});
  refused.status = 405;
  refused.headers.emplace_back("Allow", fmt::format("{}", fmt::join(allowed, ", ")));
  return refused;
}

ApiResponse ApiDispatcher::operator()(ApiRequest& request) {
  try {
    auto response = dispatch(request);
    if (!response) return problem_response(response.error());
    return *std::move(response);
  } catch (const std::exception& error) {
    log_error("an API request ended in a bug", {{"path", request.path}, {"error", error.what()}});
    return problem_response(
        {.code = Errc::internal, .message = "the server made a mistake; its log says more"});
  }
}

}  // namespace slipway
