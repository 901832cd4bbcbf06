#pragma once

#include <string>
#include <string_view>

#include "base/mutex.h"
#include "cli/api_client.h"
#include "cli/command.h"
#include "cli/interrupt.h"

namespace slipway::cli {

// What Ctrl-C means while a deployment is being made. Before there is one: end at once, with exit
// code 130. From creating() on: the deployment is removed from the server (over a connection of its
// own), and whoever follows it sees it end; report() then says so. A second Ctrl-C, or a server
// that does not react within five seconds, ends at once. Make it before any thread.
class DeploymentCancel {
 public:
  explicit DeploymentCancel(Context& context);

  void creating();
  void created(const ApiClient& api, std::string_view id);
  // Whether the user wants no deployment any more.
  [[nodiscard]] bool requested();
  // Tells how the cancellation went; the exit code.
  [[nodiscard]] int report(const json::object& deployment);

 private:
  void interrupted(int count);
  void remove() SLIPWAY_REQUIRES(mutex_);  // sends the removal

  Context& context_;
  Mutex mutex_;
  enum class Stage { nothing_yet, creating, created };
  Stage stage_ SLIPWAY_GUARDED_BY(mutex_) = Stage::nothing_yet;
  bool requested_ SLIPWAY_GUARDED_BY(mutex_) = false;
  bool removed_ SLIPWAY_GUARDED_BY(mutex_) = false;
  std::string server_ SLIPWAY_GUARDED_BY(mutex_);
  std::string token_ SLIPWAY_GUARDED_BY(mutex_);
  std::string id_ SLIPWAY_GUARDED_BY(mutex_);
  InterruptWatch watch_;  // last: its thread uses the rest
};

}  // namespace slipway::cli
