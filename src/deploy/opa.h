#pragma once

#include <memory>
#include <string>

#include "base/task_group.h"
#include "policy/second_opinion.h"

namespace slipway {

// Asks an Open Policy Agent, or whatever answers like its Data API, at one URL. An answer counts
// only when it comes whole within the time that ask() is given; everything else is an error, which
// denies. A server that keeps sending after that is read no further. Thread-safe; its end waits
// for requests in flight, each of which gives up after the same time without progress.
class OpaClient final : public SecondOpinion {
 public:
  // "http://127.0.0.1:8181/v1/data/slipway/allow". Errors: invalid_argument.
  [[nodiscard]] static Result<std::unique_ptr<OpaClient>> create(std::string_view url);
  ~OpaClient() override = default;

  [[nodiscard]] Result<Opinion> ask(const std::string& document, Duration timeout) override;

 private:
  struct Question;
  static constexpr std::size_t most_in_flight = 32;
  OpaClient(std::string base, std::string target)
      : base_(std::move(base)), target_(std::move(target)) {}

  std::string base_, target_;
  TaskGroup in_flight_{"second opinion", most_in_flight};  // last: its tasks use the others
};

}  // namespace slipway
