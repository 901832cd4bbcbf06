#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace slipway {

// A coroutine that starts when it is awaited and resumes its awaiter when it ends. Owns its frame.
// Belongs to the thread of one Loop. An exception (a bug, or out of memory) passes to the awaiter.
template <class T = void>
class Task;

namespace task_detail {

struct PromiseBase {
  std::coroutine_handle<> awaiter = std::noop_coroutine();
  std::exception_ptr exception;

  std::suspend_always initial_suspend() noexcept { return {}; }
  struct Final {
    bool await_ready() noexcept { return false; }
    template <class P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> self) noexcept {
      return self.promise().awaiter;
    }
    void await_resume() noexcept {}
  };
  Final final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { exception = std::current_exception(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object() noexcept;
  template <class U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T take() { return *std::move(value); }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object() noexcept;
  void return_void() noexcept {}
  void take() noexcept {}
};

}  // namespace task_detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = task_detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiter) noexcept {
    handle_.promise().awaiter = awaiter;
    return handle_;
  }
  T await_resume() {
    if (handle_.promise().exception) std::rethrow_exception(handle_.promise().exception);
    return handle_.promise().take();
  }

 private:
  Handle handle_;
};

namespace task_detail {
template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}
}  // namespace task_detail

// An activity that runs beside the one that started it. It must have ended, or never been started,
// when it is destroyed: join() it. Never moved while it runs. One waiter at most.
class Activity {
 public:
  Activity() = default;
  Activity(const Activity&) = delete;
  Activity& operator=(const Activity&) = delete;

  // Runs `task` to its first wait.
  void start(Task<void> task) {
    running_ = true;
    drive(*this, std::move(task));
  }
  [[nodiscard]] bool running() const { return running_; }

  struct Join {
    Activity& activity;
    bool await_ready() const noexcept { return !activity.running_; }
    void await_suspend(std::coroutine_handle<> waiter) noexcept { activity.waiter_ = waiter; }
    void await_resume() {
      if (auto error = std::exchange(activity.exception_, {})) std::rethrow_exception(error);
    }
  };
  [[nodiscard]] Join join() { return {*this}; }

 private:
  // A frame that nobody owns: it destroys itself at its end.
  struct Unowned {
    struct promise_type {
      Unowned get_return_object() noexcept { return {}; }
      std::suspend_never initial_suspend() noexcept { return {}; }
      std::suspend_never final_suspend() noexcept { return {}; }
      void return_void() noexcept {}
      void unhandled_exception() noexcept { std::terminate(); }
    };
  };
  // Last in the frame's life: resume the waiter after the frame let go of `self`.
  struct Finish {
    Activity& activity;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> frame) noexcept {
      Activity& done = activity;
      frame.destroy();
      done.running_ = false;
      if (auto waiter = std::exchange(done.waiter_, {})) waiter.resume();
    }
    void await_resume() noexcept {}
  };
  static Unowned drive(Activity& self, Task<void> task) {
    try {
      co_await std::move(task);
    } catch (...) {
      self.exception_ = std::current_exception();
    }
    task = Task<void>();
    co_await Finish{self};
  }

  bool running_ = false;
  std::coroutine_handle<> waiter_;
  std::exception_ptr exception_;
};

}  // namespace slipway
