#pragma once

#include <memory>

#include "cli/api_client.h"
#include "cli/command.h"

namespace slipway::cli {

// Goes on with a stream whose connection broke, because the server restarts, say: finds the server
// again (a local one may come back at another port), ever less often, until nothing was heard for
// half a minute. Not thread-safe.
class Reconnect {
 public:
  // `api` is used until it fails, and must outlive this.
  Reconnect(Context& context, ApiClient& api);

  [[nodiscard]] ApiClient& api() const { return *api_; }
  // The stream said something: the outage, if there was one, is over.
  void heard();
  // Whether this was the first failure since something was heard.
  [[nodiscard]] bool first_failure() const { return pause_ == first_pause; }
  // After a stream that failed, or ended too early: waits a moment and says whether to try again.
  // False when trying is hopeless, or has been for too long.
  [[nodiscard]] bool again(const Status& status);

 private:
  static constexpr Duration first_pause = std::chrono::milliseconds{100};

  Context& context_;
  ApiClient* api_;
  std::unique_ptr<ApiClient> own_;
  Duration pause_ = first_pause;
  Deadline outage_;
};

}  // namespace slipway::cli
