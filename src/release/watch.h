#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "canary/judge.h"
#include "model/release.h"

namespace slipway {

// Watches one rollout: while its canary is given traffic, step by step, and after the switch. It
// only looks and says what to do; who drives the rollout does it. Not thread-safe: one thread
// looks, about once a second (more often is allowed: the tests stay valid however often they are
// asked).
//
//   ReleaseWatch watch(settings, sources);
//   watch.begin(rollout, clock.monotonic());     // also after a restart of the server
//   while (watch.percent() < 100) {              // the canary
//     ... publish routes that give watch.percent() to the new release ...
//     look() until it says advance or roll_back; append the verdict to the record
//   }
//   ... switch ...
//   watch.switched(clock.monotonic());
//   look() until it says done or roll_back
class ReleaseWatch {
 public:
  struct Settings {
    std::vector<int> percents;                 // rising, each 1..99; empty: no canary
    Duration step = std::chrono::seconds{60};  // how long each lasts, at least
    Duration bake = std::chrono::minutes{10};  // how long it is watched after the switch
    JudgeSettings judge;
  };
  // Called by begin(), switched() and look() only, on their thread; they must not block for long.
  // Counts grow from any moment on; ones that shrink (a server that started again) are noticed.
  struct Sources {
    std::function<ReleaseSample()> candidate;
    // The release before, for as long as it runs, after the switch too; nothing when there is none.
    std::function<std::optional<ReleaseSample>()> baseline;
  };
  ReleaseWatch(Settings settings, Sources sources);
  ReleaseWatch(ReleaseWatch&&) noexcept;
  ReleaseWatch& operator=(ReleaseWatch&&) noexcept;
  ~ReleaseWatch();

  // Starts where the record stands: at the step after the last verdict that said advance, or, when
  // it has been switched (switched_at), with the whole bake window. What was seen before is
  // forgotten, so after a restart a step takes its whole time again.
  void begin(const Rollout& record, Duration now);
  // The share of clients that the new release is to have now; 100 when the canary's last step is
  // over, and when there is none.
  [[nodiscard]] int percent() const;
  // All traffic goes to the new release: what the old one was like is remembered, and the bake
  // window begins.
  void switched(Duration now);

  enum class Does {
    hold,       // go on as it is
    advance,    // the step is over: record the verdict; percent() has the next share already
    roll_back,  // it is worse: record the verdict, take the traffic away
    done,       // the bake window is over: record the verdict; the old release may go
  };
  struct Outcome {
    Does does = Does::hold;
    // Complete, with all numbers, at each look: `at` is `wall`, `percent` the step's, and `says` is
    // advance (for done, too), hold or roll_back.
    CanaryVerdict verdict;
    // One line for the rollout's reason, the same from look to look while nothing changes: "canary
    // at 5 %: no requests yet, held", "canary at 5 %: errors: 3.1 % of 412 requests failed, ...".
    std::string reason;
    RolloutWait waits_for = RolloutWait::nothing;  // traffic, when too little of it holds a canary
  };
  // `now`: Clock::monotonic(); `wall`: for the verdict. After advance of the last step (percent()
  // is 100) look() holds until switched(); after roll_back and done it repeats itself.
  [[nodiscard]] Outcome look(Duration now, Timestamp wall);
  // The same while somebody else (a policy) keeps the canary from going on: hold or roll_back, and
  // the time of the step that percent() names begins when this is called for the last time.
  [[nodiscard]] Outcome look_held(Duration now, Timestamp wall);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway
