#include "deploy/opa.h"

#include "base/guarded.h"
#include "http/client.h"

namespace slipway {
namespace {

constexpr std::size_t longest_answer = 256u << 10;

Result<Opinion> exchange(const std::string& base, const std::string& target,
                         const std::string& document, Duration timeout) {
  SLIPWAY_TRY(HttpClient client, HttpClient::create(base));
  client.set_timeout(timeout);
  SLIPWAY_TRY(const ClientResponse answer,
              client.request("POST", target, document, "application/json"));
  if (answer.status != 200)
    return fail(Errc::unavailable, fmt::format("it answered {}", answer.status));
  if (answer.body.size() > longest_answer) return fail(Errc::too_large, "its answer is too long");
  return parse_opa_answer(answer.body);
}

}  // namespace

// One request, and whoever waits for its answer; whichever is last frees it.
struct OpaClient::Question {
  Guarded<std::optional<Result<Opinion>>> answer;
  CondVar answered;

  void settle(Result<Opinion> with) {
    *answer.lock() = std::move(with);
    answered.notify_all();
  }
};

Result<std::unique_ptr<OpaClient>> OpaClient::create(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos)
    return fail(Errc::invalid_argument, "policy.opa_url is no URL");
  const std::size_t slash = url.find('/', scheme + 3);
  const std::string base(url.substr(0, slash));
  SLIPWAY_TRY([[maybe_unused]] const HttpClient usable, HttpClient::create(base));
  return std::unique_ptr<OpaClient>(new OpaClient(
      base, slash == std::string_view::npos ? std::string("/") : std::string(url.substr(slash))));
}

Result<Opinion> OpaClient::ask(const std::string& document, Duration timeout) {
  const auto question = std::make_shared<Question>();
  // It may outlive this call, though not this object.
  const Status asked = in_flight_.start(
      [this, question, document, timeout](const std::stop_token&) {
        question->settle(exchange(base_, target_, document, timeout));
      },
      [question](const Error& error) { question->settle(fail(error)); });
  if (!asked)
    return fail(Errc::unavailable,
                "too many of its answers are late, or too much runs: " + asked.error().message);
  auto answer = question->answer.lock();
  if (!answer.wait_for(question->answered, timeout,
                       [](const auto& given) { return given.has_value(); }))
    return fail(Errc::deadline_exceeded,
                fmt::format("it did not answer within {}", format_duration(timeout)));
  return **answer;
}

}  // namespace slipway
