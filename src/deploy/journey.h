#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "deploy/events.h"
#include "model/deployment.h"

namespace slipway {

// The steps of one deployment with their states and times, told to whoever watches, kept for the
// record; so that a failure names its step. Thread-safe.
class Journey {
 public:
  Journey(const Clock& clock, std::shared_ptr<EventFeed> feed, Timestamp created)
      : clock_(clock), feed_(std::move(feed)), created_(created), begun_(clock.monotonic()) {}

  void begin(std::string_view step, std::string_view detail = {});
  // Ends the step that runs.
  void end(std::string_view state, std::string_view detail = {});
  void state(DeploymentState state) { feed_->add(state); }
  void log(std::string_view line);

  [[nodiscard]] std::vector<Step> steps() const;
  // Of the last step begun; "" before the first.
  [[nodiscard]] std::string current() const;
  // Since the server took the deployment up.
  [[nodiscard]] std::int64_t elapsed_ms() const;
  // How long the step took, 0 when it never ran.
  [[nodiscard]] std::int64_t took_ms(std::string_view step) const;

 private:
  const Clock& clock_;
  const std::shared_ptr<EventFeed> feed_;
  const Timestamp created_;
  const Duration begun_;
  mutable Mutex mutex_;
  std::vector<Step> steps_ SLIPWAY_GUARDED_BY(mutex_);
  Duration step_begun_ SLIPWAY_GUARDED_BY(mutex_){};
};

}  // namespace slipway
