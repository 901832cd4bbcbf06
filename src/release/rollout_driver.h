#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "release/environment_routes.h"
#include "release/releases.h"
#include "release/watch.h"

namespace slipway {

// The seconds as rollouts see them: housekeeping's tick moves it, so that tests can.
class Ticker {
 public:
  void tick();
  // Waits for the next tick after `seen`, which it moves on; or until the stop is requested.
  void wait(std::uint64_t& seen, std::stop_token stop);
  [[nodiscard]] std::uint64_t now() const;

 private:
  mutable Mutex mutex_;
  CondVar changed_;
  std::uint64_t ticks_ SLIPWAY_GUARDED_BY(mutex_) = 0;
};

// Drives one rollout from where its record stands to its end, on the thread of its caller. Each
// step is recorded before it takes effect, so a server that dies at any point goes on, or takes
// back, from the record alone. One object a rollout and a run; not thread-safe.
class RolloutDriver {
 public:
  // How somebody else ends it: the stop is requested, then.
  struct Ending {
    // leave: as it is, for the next start of the server. cancel: taken back. superseded: its record
    // was ended by whoever took over.
    enum class Kind { leave, cancel, superseded } kind = Kind::leave;
    AuditContext by;
    std::string reason;
  };
  struct Shared {
    const Releases::Parts& parts;
    EnvironmentRoutes& routes;
    Ticker& ticker;
    // The record changed: whoever waits for it looks again.
    std::function<void(const RolloutId&)> changed;
    // All that is left to do is to let this release's open requests end: others may go on.
    std::function<void(std::int64_t release)> leaving;
  };
  // `ending` is asked once the stop is requested.
  RolloutDriver(Shared shared, Rollout rollout, std::stop_token stop,
                std::function<Ending()> ending);

  void run();
  // Instead of run(), when a bug ended that: its record ends as one that failed.
  void give_up(const Error& why);

 private:
  using Change = std::function<Status(Rollout&)>;

  // -- rollout_driver.cc: the order of things
  [[nodiscard]] Status load();
  [[nodiscard]] Status go();
  void end(const Error& why);
  // Lets go of what served before; then the rollout is done. `reason`: what went wrong after the
  // switch.
  [[nodiscard]] Status drain(std::string_view reason = {});
  // Repeats what a full disk or a database that cannot be reached keeps from working for a while, a
  // tick apart. Other errors are returned at once; canceled when the server ends.
  [[nodiscard]] Status insist(std::string_view what, const std::function<Status()>& work);
  // Writes the end of the rollout. `meanwhile` is called once, before it waits to try again.
  void record_end(const std::function<Status()>& write,
                  const std::function<void()>& meanwhile = {});
  [[nodiscard]] bool server_ends() const;
  // Routes as the record says.
  [[nodiscard]] Status publish(std::int64_t* micros = nullptr);

  // -- rollout_steps.cc: what comes before the switch
  [[nodiscard]] Status verify() const;
  [[nodiscard]] Status restore();
  [[nodiscard]] Status run_release_commands();
  [[nodiscard]] Result<std::string> run_release_command(const Unit& unit,
                                                        const std::string& command);
  [[nodiscard]] Status start();
  [[nodiscard]] Status smoke();
  [[nodiscard]] Status ask(const SmokeRequest& request);
  [[nodiscard]] bool is_warm() const;

  // -- rollout_watch.cc: canary, switch, watch
  void make_watch();
  [[nodiscard]] Status canary();
  [[nodiscard]] Status may_advance(const CanaryVerdict& verdict, int percent, int next,
                                   Duration since, std::string& decision);
  [[nodiscard]] Status switch_over();
  // Ends when the bake window does; canceled when it was taken back.
  [[nodiscard]] Status watch();
  [[nodiscard]] Result<bool> may_roll_back(const ReleaseWatch::Outcome& outcome);
  // What was kept warm becomes whole: its workers, instances that were lost.
  void start_again(std::int64_t number);
  [[nodiscard]] Status take_back(const AuditContext& by, std::string reason,
                                 const std::optional<CanaryVerdict>& verdict);

  // -- records
  [[nodiscard]] Status record(const Change& change);
  // Ends the step before as done, begins this one.
  [[nodiscard]] Status begin_step(std::string_view name, std::string_view detail = {},
                                  const Change& also = {});
  void end_step(Rollout& rollout, std::string_view state) const;
  [[nodiscard]] bool step_done(std::string_view name) const;
  void alert(std::string_view event) const;

  [[nodiscard]] Crews::Key key() const { return Crews::key_of(to_); }
  [[nodiscard]] Crews::Key old_key() const;
  [[nodiscard]] ReleaseSample sample(const Crews::Key& key) const;

  Shared shared_;
  const Releases::Parts& parts_;
  Rollout rollout_;
  std::stop_token stop_;
  std::function<Ending()> ending_;
  AuditContext by_;
  Release to_;
  Deployment deployment_;
  std::optional<ReleaseWatch> watch_;
  bool over_ = false;  // the record has been ended
};

}  // namespace slipway
