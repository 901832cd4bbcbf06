#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/mutex.h"
#include "deploy/instance_spec.h"
#include "deploy/links.h"
#include "deploy/readiness.h"
#include "engine/engine.h"
#include "router/route_table.h"

namespace slipway {

// One instance after another: starts its sandbox, waits until it is ready, says why it is not,
// joins it with the others of its deployment, stops it and removes its files. What becomes of an
// instance that ends by itself is the owner's business. Thread-safe; calls about one sandbox must
// not overlap, but for exit_of(). What it is given must outlive it.
class InstanceLauncher {
 public:
  struct Parts {
    InstanceParts spec;
    const Clock& clock;
    Engine& engine;
  };
  // Told of each of its sandboxes that ends by itself, on a thread of the engine's.
  InstanceLauncher(Parts parts, ExitHandler ended);
  ~InstanceLauncher();  // what runs goes on

  // What an instance is of. Refers to all of it.
  struct Subject {
    const Deployment& deployment;
    const Unit& unit;
    const Placement& placement;
    const std::string& sandbox;
    const std::filesystem::path& log_directory;
  };

  // Errors: as instance_spec() and Engine::start(). Then nothing is left of it.
  [[nodiscard]] Status launch(const Subject& subject);
  // Waits until a web service answers, or a worker has lived for a moment. Errors: start_failed
  // with cause and excerpt of the log; canceled. The instance stays until stop().
  [[nodiscard]] Result<Backend::Endpoint> wait_until_ready(const Subject& subject,
                                                           std::stop_token stop);
  // Goes on with an instance that outlived the server: from now on its end is told.
  void adopt(const std::string& sandbox);
  // That it ended, for who knows it when nobody could be told.
  void tell_end(const std::string& sandbox, const SandboxExit& exit) { handle_exit(sandbox, exit); }
  // Where an adopted instance answered when it was ready; nothing when it never was, or when its
  // sandbox is gone.
  [[nodiscard]] std::optional<Backend::Endpoint> remembered_endpoint(
      const std::string& sandbox) const;
  // Whether it answers at a port of its own and might open the one that it was told to use yet.
  [[nodiscard]] bool is_elsewhere(const std::string& sandbox);
  // Where it answers at the port that it was told to use, when it did not before: from now on that
  // one counts. Blocks for a second or two at the most.
  [[nodiscard]] std::optional<Backend::Endpoint> better_endpoint(const std::string& sandbox);
  // Once its other services have backends. `connect_to` makes connections to the service of a
  // label.
  void join_siblings(const Subject& subject,
                     const std::function<Links::Connect(std::string_view label)>& connect_to);
  // How it ended, once it did; waits up to `wait` for that.
  [[nodiscard]] std::optional<SandboxExit> exit_of(const std::string& sandbox, Duration wait);
  // Nothing of it is left afterwards; problems are logged. Its end is not told any more.
  void stop(const std::string& sandbox);
  // Whether it wrote more than an instance may.
  [[nodiscard]] bool outgrew_disk(const std::string& sandbox) const;

 private:
  struct Running {
    std::optional<SandboxExit> exit;
    std::optional<int> port;                       // that it was told to use
    std::optional<ReadinessQuestion> elsewhere{};  // asked, while it answers at another port
  };
  void watch(const std::string& sandbox, std::optional<int> port);
  void handle_exit(const std::string& sandbox, const SandboxExit& exit);
  void note_endpoint(const std::string& sandbox, const Backend::Endpoint& endpoint) const;
  [[nodiscard]] Error why_not_ready(Error error, const Subject& subject);
  [[nodiscard]] std::string log_of(const Subject& subject, std::size_t bytes) const;
  [[nodiscard]] std::filesystem::path home(const std::string& sandbox) const;

  Parts parts_;
  ExitHandler ended_;
  Mutex mutex_;
  CondVar exited_;
  std::unordered_map<std::string, Running> running_ SLIPWAY_GUARDED_BY(mutex_);
  std::unique_ptr<Links> links_
      SLIPWAY_GUARDED_BY(mutex_);  // made when a deployment first has several instances
  ExitListener listener_;
};

}  // namespace slipway
