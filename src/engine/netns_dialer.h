#pragma once

#include "base/mutex.h"
#include "engine/engine.h"
#include "sys/process.h"

namespace slipway {

// Makes sockets inside an instance's network namespace. Thread-safe. `home`, the host's namespace,
// must outlive it.
class NetnsDialer final : public Dialer {
 public:
  // The namespace of process `init`, which must be held by `pidfd`.
  [[nodiscard]] static Result<std::shared_ptr<NetnsDialer>> open(Pidfd init, const Fd& home);
  [[nodiscard]] Result<Fd> dial(int port, bool ipv6) const override;
  [[nodiscard]] Result<std::vector<int>> listening_ports() const override;
  [[nodiscard]] Result<Fd> listen(std::string_view address, int port) const override;
  // Lets go of the namespace; from now on everything fails with unavailable.
  void close();
  [[nodiscard]] const Pidfd& init() const { return init_; }

 private:
  NetnsDialer(Pidfd init, Fd netns, const Fd& home)
      : init_(std::move(init)), netns_(std::move(netns)), home_(home) {}
  Pidfd init_;
  mutable SharedMutex mutex_;
  Fd netns_ SLIPWAY_GUARDED_BY(mutex_);
  const Fd& home_;
};

// Local ports in state LISTEN in the text of /proc/net/tcp or tcp6.
[[nodiscard]] std::vector<int> parse_listening(std::string_view table);

}  // namespace slipway
