#include "api/dispatch.h"

#include <algorithm>

#include "api/routes.h"
#include "base/log.h"
#include "base/text.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

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

// Ends a stream whose token was revoked or has expired: looks once a second.
class GuardedWriter final : public StreamWriter {
 public:
  GuardedWriter(StreamWriter& out, const ApiContext& context, const std::string& token)
      : out_(out), context_(context), token_(token), looked_at_(context.clock.monotonic()) {}
  [[nodiscard]] Status write(std::string_view bytes) override {
    if (ended()) return fail(Errc::unauthenticated, "the token does not work any more");
    return out_.write(bytes);
  }
  [[nodiscard]] bool closed() const override { return out_.closed() || ended(); }

 private:
  bool ended() const {
    if (ended_) return true;
    const Duration now = context_.clock.monotonic();
    if (now - looked_at_ < 500ms) return false;
    looked_at_ = now;
    ended_ = !context_.identity.authenticate(token_);
    return ended_;
  }
  StreamWriter& out_;
  const ApiContext& context_;
  const std::string& token_;
  mutable Duration looked_at_;
  mutable bool ended_ = false;
};

}  // namespace

Status ApiDispatcher::admit(const ApiRoute& route, ApiCall& call) const {
  call.permission = route.permission;
  if (route.permission == Permission::none) return {};
  const std::string_view token = call.bearer();
  if (token.empty())
    return fail(Errc::unauthenticated, "this needs a token",
                "run `slipway login`, or set SLIPWAY_TOKEN");
  SLIPWAY_TRY(call.principal, context_.identity.authenticate(token));
  call.by.actor = call.principal.actor;
  call.by.role = to_string(call.principal.role);
  if (const auto wait = context_.speed.request(call.principal)) {
    call.retry_after = *wait;
    return fail(Errc::rate_limited,
                fmt::format("too many requests by {}", sanitize_line(call.by.actor.name)),
                "wait as long as Retry-After says");
  }
  SLIPWAY_CHECK(permits(call.principal, route.permission));
  if (route.reach == Reach::some || call.principal.reaches_all()) return {};
  return fail({.code = Errc::permission_denied,
               .message = "this is about the whole server, and the token reaches a part of it",
               .hint = "use a token that is narrowed to no project and no environment, of a member "
                       "of the team `default`",
               .cause = "not_permitted"});
}

Result<ApiResponse> ApiDispatcher::answer(const ApiRoute& route, ApiCall& call) {
  const auto handle = [&]() -> ApiResponse {
    auto response = route.handle(context_, call);
    return response ? *std::move(response) : problem_response(response.error());
  };
  const auto given = find_header(call.request.headers, "Idempotency-Key");
  if (route.method != "POST" || !given || given->empty()) return handle();
  if (given->size() > 255)
    return fail(Errc::invalid_argument, "the Idempotency-Key is longer than 255 characters");
  SLIPWAY_TRY(const std::string body, call.body_text());
  const Digest fingerprint = Sha256{}.field(call.request.path).field(body).finish();
  return replies_.reply(call.idempotency_key(), fingerprint, handle);
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
    const Status admitted = admit(route, call);
    Result<ApiResponse> response =
        admitted ? answer(route, call) : Result<ApiResponse>(fail(admitted.error()));
    if (!response) response = problem_response(response.error());
    if (call.retry_after && response->status == 429) {
      std::erase_if(response->headers,
                    [](const auto& header) { return same_name(header.first, "Retry-After"); });
      const auto wait = std::chrono::ceil<std::chrono::seconds>(*call.retry_after);
      response->headers.emplace_back("Retry-After", std::to_string(wait.count()));
    }
    if (auto* stream = std::get_if<ApiResponse::Stream>(&response->body);
        stream != nullptr && route.permission != Permission::none)
      *stream = [this, inner = std::move(*stream),
                 token = std::string(call.bearer())](StreamWriter& out) {
        GuardedWriter guarded(out, context_, token);
        inner(guarded);
      };
    return response;
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
    if (!response) response = problem_response(response.error());
    // Outside of what is kept for a repeated request: it is of now.
    response->headers.emplace_back("Slipway-Checkpoint", context_.audit.latest()->compact);
    return *std::move(response);
  } catch (const std::exception& error) {
    log_error("an API request ended in a bug", {{"path", request.path}, {"error", error.what()}});
    return problem_response(
        {.code = Errc::internal, .message = "the server made a mistake; its log says more"});
  }
}

}  // namespace slipway
