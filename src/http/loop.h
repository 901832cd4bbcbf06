#pragma once

#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "sys/fd.h"

namespace slipway {

// One thread's event loop. Everything made with it (streams, alarms, signals) is used and destroyed
// on the thread that runs it, or when none runs it any more; only post() and stop() may be called
// from others. Idle, it does not wake up.
class Loop {
 public:
  // Alarms are as coarse as `tick`.
  explicit Loop(Duration tick);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Until stop(). What was posted before is run.
  void run();
  void stop();
  void post(std::function<void()> work);
  // post() for those who may outlive the loop: does nothing once it is gone. Thread-safe.
  [[nodiscard]] std::function<void(std::function<void()>)> poster();

  // The loop's idea of now (monotonic), at most one tick old while alarms exist.
  [[nodiscard]] Duration coarse_now() const;
  // co_await loop.sleep(20ms)
  struct Sleep;
  [[nodiscard]] Sleep sleep(Duration wait);

  struct Impl;
  [[nodiscard]] Impl& impl() { return *impl_; }

 private:
  friend class Alarm;
  std::unique_ptr<Impl> impl_;
};

struct Loop::Sleep {
  Loop& loop;
  Duration wait;
  bool await_ready() const noexcept { return wait <= Duration::zero(); }
  void await_suspend(std::coroutine_handle<> waiter);
  void await_resume() const noexcept {}
};

// A deadline that is moved often and passes seldom: moving it is a store. `expired` is called on
// the loop's thread at most two ticks after the time is over, once for each set(); it may destroy
// other alarms but not this one.
class Alarm {
 public:
  Alarm(Loop& loop, std::function<void()> expired);
  ~Alarm();
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  void set(Duration wait);
  void clear() { due_ = Duration::max(); }

 private:
  friend struct Loop::Impl;
  Loop& loop_;
  std::function<void()> expired_;
  Duration due_ = Duration::max();
  Alarm* next_ = nullptr;
  Alarm* previous_ = nullptr;
};

// Something one coroutine waits for and another party on the same loop announces. Stays set until
// waited for.
class Signal {
 public:
  void set() {
    set_ = true;
    if (auto waiter = std::exchange(waiter_, {})) waiter.resume();
  }
  [[nodiscard]] bool is_set() const { return set_; }
  struct Wait {
    Signal& signal;
    bool await_ready() const noexcept { return signal.set_; }
    void await_suspend(std::coroutine_handle<> waiter) noexcept { signal.waiter_ = waiter; }
    void await_resume() noexcept { signal.set_ = false; }
  };
  [[nodiscard]] Wait wait() { return {*this}; }

 private:
  bool set_ = false;
  std::coroutine_handle<> waiter_;
};

// A listening TCP socket. accept() hands out connections as they come, on the loop's thread; then
// close() is due on that thread, too, before the loop ends.
class Listener {
 public:
  // `address` is numeric, or "localhost". Errors: conflict when the port is taken,
  // permission_denied, invalid_argument.
  [[nodiscard]] static Result<Listener> listen(std::string_view address, int port);
  Listener(Listener&&) noexcept;
  Listener& operator=(Listener&&) noexcept;
  ~Listener();

  [[nodiscard]] int port() const;
  // Calls `accepted` for each until close(). When descriptors run out it pauses for 100 ms.
  void accept(Loop& loop, std::function<void(Fd connection)> accepted);
  // Takes no more for now; who connects waits in the kernel's line. On the loop's thread.
  void pause();
  void resume();
  void close();

 private:
  struct Impl;
  explicit Listener(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace slipway
