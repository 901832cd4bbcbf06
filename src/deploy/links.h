#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "base/task_group.h"
#include "sys/fd.h"

namespace slipway {

// Carries TCP connections between the instances of one deployment, which have no route to each
// other: what connects to a listener inside one instance is joined, byte by byte, to a connection
// made into another. One thread for all; connections in flight are bounded, those of one owner to a
// share: what is beyond is closed at once. Thread-safe.
class Links {
 public:
  static constexpr std::size_t connections_per_owner = 256;
  // A socket whose connect() has been started. Errors: unavailable while the other is not ready
  // (asked again for up to a minute: a service may call another while both start).
  using Connect = std::function<Result<Fd>()>;

  // Errors: io.
  [[nodiscard]] static Result<std::unique_ptr<Links>> create();
  ~Links();

  // Serves `listener` until close(owner).
  void open(const std::string& owner, Fd listener, Connect connect);
  // Ends its listeners and their connections. Unknown owners are fine.
  void close(const std::string& owner);

 private:
  struct State;
  explicit Links(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
  Worker worker_{"links"};  // last: it uses the state
};

}  // namespace slipway
