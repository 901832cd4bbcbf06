#include "deploy/opa.h"

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
  Mutex mutex;
  CondVar answered;
  std::optional<Result<Opinion>> answer;
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

OpaClient::~OpaClient() {
  for (auto& [question, thread] : in_flight_) thread.join();
}

Result<Opinion> OpaClient::ask(const std::string& document, Duration timeout) {
  const auto question = std::make_shared<Question>();
  {
    const MutexLock lock(mutex_);
    std::erase_if(in_flight_, [](auto& each) {
      const MutexLock inner(each.first->mutex);
      if (!each.first->answer) return false;
      each.second.join();  // it has answered: all that is left is its return
      return true;
    });
    if (in_flight_.size() >= most_in_flight)
      return fail(Errc::unavailable, "too many of its answers are late");
    // It may outlive this call, though not this object.
    in_flight_.emplace_back(question, std::thread([this, question, document, timeout] {
                              Result<Opinion> answer = exchange(base_, target_, document, timeout);
                              const MutexLock inner(question->mutex);
                              question->answer = std::move(answer);
                              question->answered.notify_all();
                            }));
  }
  MutexLock lock(question->mutex);
  if (!question->answered.wait_for(
          question->mutex, timeout,
          [&]() SLIPWAY_REQUIRES(question->mutex) { return question->answer.has_value(); }))
    return fail(Errc::deadline_exceeded,
                fmt::format("it did not answer within {}", format_duration(timeout)));
  return *question->answer;
}

}  // namespace slipway
