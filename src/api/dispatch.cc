#include "api/dispatch.h"

#include <algorithm>
#include <optional>
#include <span>

#include "api/routes.h"
#include "api/touches.h"
#include "base/log.h"
#include "base/text.h"
#include "db/urgent.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

// Whether `path` has the form of `pattern`; the segments that stood for {names} go to `values`, and
// all that are left to {path}.
bool match(std::string_view pattern, std::string_view path,
           std::vector<std::pair<std::string_view, std::string>>& values) {
  const auto wanted = split(pattern, '/'), given = split(path, '/');
  const bool open_end = wanted.back() == "{path}";
  if (open_end ? wanted.size() > given.size() : wanted.size() != given.size()) return false;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (open_end && i + 1 == wanted.size()) {
      values.emplace_back("path", fmt::format("{}", fmt::join(std::span(given).subspan(i), "/")));
    } else if (wanted[i].starts_with('{')) {
      if (given[i].empty()) return false;
      values.emplace_back(wanted[i].substr(1, wanted[i].size() - 2), given[i]);
    } else if (wanted[i] != given[i]) {
      return false;
    }
  }
  return true;
}

// The row that a request's head means, or why there is none.
struct Found {
  const ApiRoute* route = nullptr;
  std::vector<std::pair<std::string_view, std::string>> path_values;
  std::optional<ApiResponse> refusal;
};
Found find_route(const ApiRequest& request) {
  std::vector<std::string_view> allowed;
  for (const ApiRoute& route : api_routes()) {
    Found found{.route = &route};
    if (!match(route.path, request.path, found.path_values)) continue;
    if (route.method == request.method) return found;
    if (std::ranges::find(allowed, route.method) == allowed.end()) allowed.push_back(route.method);
  }
  if (allowed.empty())
    return {.refusal = problem_response({.code = Errc::not_found,
                                         .message = "no such path in the API",
                                         .hint = "see /v1/openapi.json"})};
  ApiResponse refused = problem_response(
      {.code = Errc::invalid_argument,
       .message = fmt::format("{} does not go with this path", sanitize_line(request.method))});
  refused.status = 405;
  refused.headers.emplace_back("Allow", fmt::format("{}", fmt::join(allowed, ", ")));
  return {.refusal = std::move(refused)};
}

// What admit() found out, for answer().
struct Admitted {
  const ApiRoute* route = nullptr;
  AuditContext by;
  Principal principal;
  ApiCall::Projects projects = ApiCall::Projects::existing;
  std::vector<std::pair<std::string_view, std::string>> path_values;
};

// Whose share of the server a request takes: that of whoever the token was first made for. All
// agents below it share one, whatever they call themselves, and it is another than the person's.
std::string share_of(const Principal& principal) {
  const std::string root = principal.path.substr(0, principal.path.find('/'));
  return principal.is_agent() ? root + " agents" : root;
}

ApiResponse refusal_of(const Error& error, const std::optional<Duration>& retry_after) {
  ApiResponse response = problem_response(error);
  if (!retry_after || response.status != 429) return response;
  std::erase_if(response.headers,
                [](const auto& header) { return same_name(header.first, "Retry-After"); });
  const auto wait = std::chrono::ceil<std::chrono::seconds>(*retry_after);
  response.headers.emplace_back("Retry-After", std::to_string(wait.count()));
  return response;
}

std::string_view bearer_of(const ApiRequest& request) {
  const auto header = find_header(request.headers, "Authorization");
  if (!header || to_lower(header->substr(0, 7)) != "bearer ") return {};
  return trim(header->substr(7));
}

Error no_token() {
  return {.code = Errc::unauthenticated,
          .message = "this needs a token",
          .hint = "run `slipway login`, or set SLIPWAY_TOKEN"};
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
  if (token.empty()) return fail(no_token());
  SLIPWAY_TRY(call.principal, context_.identity.authenticate(token));
  call.by.actor = call.principal.actor;
  call.by.role = to_string(call.principal.role);
  if (const auto wait = context_.speed.request(call.principal)) {
    call.retry_after = *wait;
    return fail(Errc::rate_limited,
                fmt::format("too many requests by {}", sanitize_line(call.by.actor.name)),
                "wait as long as Retry-After says");
  }
  context_.identity.note_use(call.principal);
  if (route.touches != Touches::self) SLIPWAY_CHECK(permits(call.principal, route.permission));
  return authorize_touched(context_, call, route.touches);
}

Result<ApiResponse> ApiDispatcher::handle(const ApiRoute& route, ApiCall& call) {
  const auto handle = [&]() -> ApiResponse {
    // A full disk stops nothing that stops things.
    std::optional<Urgent> urgent;
    if (route.kind == CallKind::brake) urgent.emplace();
    auto response = route.handle(context_, call);
    return response ? *std::move(response) : refusal_of(response.error(), call.retry_after);
  };
  const auto given = find_header(call.request.headers, "Idempotency-Key");
  if (route.method != "POST" || !given || given->empty()) return handle();
  if (given->size() > 255)
    return fail(Errc::invalid_argument, "the Idempotency-Key is longer than 255 characters");
  Sha256 asked;
  asked.field(call.request.path).field(call.request.body);
  for (const auto& [name, value] : call.request.query) asked.field(name).field(value);
  const Digest fingerprint = asked.finish();
  // What a sub-agent does counts for who stands behind it.
  const std::vector<std::string>& chain = call.principal.actor.chain;
  return replies_.reply(chain.empty() ? "" : chain.front(), call.idempotency_key(), fingerprint,
                        handle);
}

ApiPlan ApiDispatcher::plan(const ApiRequest& request) const {
  Found found = find_route(request);
  if (found.refusal) return {.answer = stamped(*std::move(found.refusal))};
  const ApiRoute& route = *found.route;
  if (route.handle == handlers::healthz) return {.health = ApiPlan::Health::asked};
  if (route.permission != Permission::none && bearer_of(request).empty())
    return {.answer = stamped(problem_response(no_token()))};
  return {.kind = route.kind, .body_limit = route.body_limit};
}

ApiAdmission ApiDispatcher::admit(ApiRequest& request) {
  Found found = find_route(request);
  if (found.refusal) return {.refusal = std::move(found.refusal)};
  ApiCall call{.request = request, .path_values = std::move(found.path_values)};
  call.by.request_id = "req_" + random_id();
  call.by.source_address = request.remote_address;
  ApiAdmission out;
  if (const Status admitted = admit(*found.route, call); !admitted) {
    out.refusal = stamped(refusal_of(admitted.error(), call.retry_after));
    return out;
  }
  const bool known = found.route->permission != Permission::none;
  out.principal = known ? share_of(call.principal) : "at " + request.remote_address;
  out.work = !known || call.principal.is_agent() ? WorkClass::preview : WorkClass::release;
  request.admitted =
      std::make_shared<Admitted>(Admitted{.route = found.route,
                                          .by = std::move(call.by),
                                          .principal = std::move(call.principal),
                                          .projects = call.projects,
                                          .path_values = std::move(call.path_values)});
  return out;
}

ApiResponse ApiDispatcher::answer(ApiRequest& request) {
  try {
    const auto admitted = std::static_pointer_cast<Admitted>(request.admitted);
    const ApiRoute& route = *admitted->route;
    ApiCall call{.request = request,
                 .by = std::move(admitted->by),
                 .principal = std::move(admitted->principal),
                 .permission = route.permission,
                 .projects = admitted->projects,
                 .path_values = std::move(admitted->path_values)};
    auto response = handle(route, call);
    if (!response) response = problem_response(response.error());
    if (auto* stream = std::get_if<ApiResponse::Stream>(&response->body);
        stream != nullptr && route.permission != Permission::none)
      *stream = [this, inner = std::move(*stream),
                 token = std::string(call.bearer())](StreamWriter& out) {
        GuardedWriter guarded(out, context_, token);
        inner(guarded);
      };
    return stamped(*std::move(response));
  } catch (const std::exception& error) {
    log_error("an API request ended in a bug", {{"path", request.path}, {"error", error.what()}});
    return problem_response(
        {.code = Errc::internal, .message = "the server made a mistake; its log says more"});
  }
}

ApiResponse ApiDispatcher::stamped(ApiResponse response) const {
  response.headers.emplace_back("Slipway-Checkpoint", context_.audit.latest()->compact);
  return response;
}

Status ApiDispatcher::probe() { return context_.repository.probe(2s); }

ApiResponse ApiDispatcher::health(std::span<const HealthReason> reasons) const {
  json::object out{{"status", reasons.empty() ? "ok" : "failing"}, {"version", SLIPWAY_VERSION}};
  if (reasons.empty()) return stamped(json_response(200, out));
  json::array why;
  for (const HealthReason& each : reasons)
    why.push_back(json::object{{"part", each.part}, {"detail", each.detail}});
  out["reasons"] = std::move(why);
  ApiResponse response = json_response(503, out);
  response.headers.emplace_back("Retry-After", "1");
  return stamped(std::move(response));
}

ApiResponse ApiDispatcher::operator()(ApiRequest& request) {
  ApiPlan planned = plan(request);
  if (planned.answer) return *std::move(planned.answer);
  if (planned.health == ApiPlan::Health::asked) return health({});
  if (planned.kind != CallKind::upload && request.body.size() > planned.body_limit)
    return problem_response(
        {.code = Errc::too_large,
         .message = fmt::format("the body is larger than {} bytes", planned.body_limit)});
  ApiAdmission admission = admit(request);
  return admission.refusal ? *std::move(admission.refusal) : answer(request);
}

}  // namespace slipway
