#pragma once

#include <deque>
#include <map>

#include "base/mutex.h"
#include "engine/engine.h"

namespace slipway {

// Instances and steps that exist in memory only, for tests of what is above the engine.
// Thread-safe.
//
// An instance "runs" until stop() or exit(); its dialer connects to loopback ports of this machine:
// port P of the instance is `ports[P]` if mapped, else nothing listens there.
class FakeEngine final : public Engine, public StepRunner {
 public:
  [[nodiscard]] Status start(const SandboxSpec& spec, const std::filesystem::path& log_directory,
                             std::uint64_t log_limit_bytes) override;
  [[nodiscard]] Status stop(const std::string& id, Duration grace) override;
  [[nodiscard]] Result<std::vector<SandboxInfo>> list() override;
  [[nodiscard]] Result<Usage> usage(const std::string& id) override;
  [[nodiscard]] Result<std::shared_ptr<const Dialer>> dialer(const std::string& id) override;
  [[nodiscard]] ExitListener on_exit(ExitHandler handler) override;
  [[nodiscard]] Result<Outcome> run(const SandboxSpec& spec, Duration time_limit,
                                    std::uint64_t output_limit_bytes, const OutputSink& output,
                                    std::stop_token stop) override;

  // The script of a test.

  // The next start() fails with this.
  void fail_next_start(Error error);
  // Ends a running instance by itself; calls the exit handler before returning.
  void exit(const std::string& id, SandboxExit how);
  // Port `inside` of every instance leads to 127.0.0.1:`local`; 0: nothing listens there.
  void map_port(int inside, int local);
  void set_usage(const std::string& id, Usage usage);
  // What a step does; the default prints nothing and exits with 0.
  using StepScript = std::function<Result<Outcome>(const SandboxSpec& spec,
                                                   const OutputSink& output, std::stop_token stop)>;
  void on_step(StepScript script);
  // Called by stop(), before anything ends.
  void on_stop(std::function<void(const std::string& id)> script);

  // What happened.

  [[nodiscard]] std::vector<std::string> running() const;  // ids, sorted
  [[nodiscard]] std::vector<SandboxSpec> started() const;  // in order, also the ended ones
  [[nodiscard]] std::vector<SandboxSpec> steps() const;

 private:
  struct Instance;
  struct Ports;
  class PortDialer;
  mutable Mutex mutex_;
  std::map<std::string, std::shared_ptr<Instance>> instances_ SLIPWAY_GUARDED_BY(mutex_);
  std::shared_ptr<Ports> ports_ = make_ports();
  static std::shared_ptr<Ports> make_ports();
  std::deque<Error> failures_ SLIPWAY_GUARDED_BY(mutex_);
  std::vector<SandboxSpec> started_ SLIPWAY_GUARDED_BY(mutex_);
  std::vector<SandboxSpec> steps_ SLIPWAY_GUARDED_BY(mutex_);
  StepScript script_ SLIPWAY_GUARDED_BY(mutex_);
  std::function<void(const std::string&)> stop_script_ SLIPWAY_GUARDED_BY(mutex_);
  ExitListeners listeners_;
};

}  // namespace slipway
