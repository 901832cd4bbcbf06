#include "base/task_group.h"

#include <fmt/format.h>
#include <pthread.h>

#include <cstdlib>
#include <exception>
#include <system_error>

#include "base/guarded.h"
#include "base/log.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

constexpr auto rest_after_failure = 1s;

thread_local const TaskGroup* group_of_this_thread = nullptr;

void name_this_thread(std::string_view name) {
  ::pthread_setname_np(::pthread_self(), std::string(name.substr(0, 15)).c_str());
}

// What is being thrown, from within a catch.
std::string what_was_thrown() {
  try {
    throw;
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "something that is no exception";
  }
}

}  // namespace

TaskGroup::TaskGroup(std::string name, std::size_t bound, Gate gate)
    : name_(std::move(name)), bound_(bound), gate_(std::move(gate)) {}

TaskGroup::~TaskGroup() { stop(); }

Status TaskGroup::start(Work work, OnFailure on_failure) {
  Threads ended;
  {
    const MutexLock lock(mutex_);
    if (closed_) return fail(Errc::unavailable, fmt::format("{}: it is stopping", name_));
    if (threads_.size() >= bound_)
      return fail(Errc::unavailable, fmt::format("{}: {} run already", name_, bound_),
                  "try again when one of them is over");
    if (gate_) SLIPWAY_CHECK(gate_());
    const auto self = threads_.emplace(threads_.end());
    try {
      *self = std::thread(
          [this, self, work = std::move(work), on_failure = std::move(on_failure)]() mutable {
            run(self, std::move(work), std::move(on_failure));
          });
    } catch (const std::system_error& error) {
      threads_.erase(self);
      return fail(Errc::unavailable, fmt::format("no thread for {}: {}", name_, error.what()),
                  "try again when the machine is less busy");
    }
    ended.swap(ended_);
  }
  for (std::thread& each : ended) each.join();
  return {};
}

void TaskGroup::run(Threads::iterator self, Work work, OnFailure on_failure) {
  group_of_this_thread = this;
  name_this_thread(name_);
  run_settled(std::move(work), std::move(on_failure));
  Threads ended;
  {
    // Whoever joins this thread waits for those before it.
    const MutexLock lock(mutex_);
    ended.swap(ended_);
    ended_.splice(ended_.end(), threads_, self);
    changed_.notify_all();
  }
  for (std::thread& each : ended) each.join();
}

// The exception boundary. What the two hold is released inside of it.
void TaskGroup::run_settled(Work work, OnFailure on_failure) const {
  std::string thrown;
  try {
    Work running = std::move(work);
    running(stop_.get_token());
    return;
  } catch (...) {
    thrown = what_was_thrown();
  }
  log_error("a task ended in a bug", {{"task", name_}, {"error", thrown}});
  if (!on_failure) return;
  try {
    OnFailure told = std::move(on_failure);
    told(Error{.code = Errc::internal, .message = fmt::format("{}: {}", name_, thrown)});
  } catch (...) {
    log_error("a task's failure was not settled", {{"task", name_}, {"error", what_was_thrown()}});
  }
}

void TaskGroup::request_stop() {
  {
    const MutexLock lock(mutex_);
    closed_ = true;
  }
  stop_.request_stop();
}

void TaskGroup::join() {
  if (group_of_this_thread == this) {
    log_error("a task waits for its own group", {{"task", name_}});
    std::abort();
  }
  Threads ended;
  {
    const MutexLock lock(mutex_);
    closed_ = true;
    changed_.wait(mutex_, [this]() SLIPWAY_REQUIRES(mutex_) { return threads_.empty(); });
    ended.swap(ended_);
  }
  for (std::thread& each : ended) each.join();
}

void TaskGroup::stop() {
  request_stop();
  join();
}

std::size_t TaskGroup::running() const {
  const MutexLock lock(mutex_);
  return threads_.size();
}

Worker::Worker(std::string name, TaskGroup::Gate gate)
    : name_(name), group_(std::move(name), 1, std::move(gate)) {}

Status Worker::start(Round round) {
  return group_.start(
      [this, round = std::move(round)](const std::stop_token& stop) mutable { run(round, stop); });
}

void Worker::run(Round& round, const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::optional<std::chrono::microseconds> rest;
    try {
      rest = round(stop);
    } catch (...) {
      log_error("a round ended in a bug", {{"task", name_}, {"error", what_was_thrown()}});
      rest = rest_after_failure;
    }
    const MutexLock lock(mutex_);
    const auto woken = [this]() SLIPWAY_REQUIRES(mutex_) { return woken_; };
    if (rest)
      changed_.wait_for(mutex_, stop, *rest, woken);
    else
      std::ignore = changed_.wait(mutex_, stop, woken);
    woken_ = false;
  }
}

void Worker::wake() {
  const MutexLock lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

void Worker::stop() { group_.stop(); }

void run_guarded(std::string_view task, const std::function<void()>& work) {
  try {
    work();
  } catch (...) {
    log_error("a task ended in a bug", {{"task", task}, {"error", what_was_thrown()}});
  }
}

void run_side_by_side(std::string_view name, std::size_t count,
                      const std::function<void(std::size_t)>& work) {
  Guarded<std::exception_ptr> thrown;
  const auto run_one = [&](std::size_t i) {
    try {
      work(i);
    } catch (...) {
      auto first = thrown.lock();
      if (!*first) *first = std::current_exception();
    }
  };
  {
    TaskGroup group{std::string(name), count};
    std::size_t left_here = 0;  // besides the first
    for (std::size_t i = count; i-- > 1;)
      if (!group.start([&run_one, i](const std::stop_token&) { run_one(i); })) {
        left_here = i;
        break;
      }
    for (std::size_t i = 0; i <= left_here && i < count; ++i) run_one(i);
    group.join();
  }
  if (auto first = thrown.lock(); *first) std::rethrow_exception(*first);
}

}  // namespace slipway
