#pragma once

#include <utility>

#include "base/mutex.h"

namespace slipway {

// A value with its mutex; nothing reaches the one without the other. Not recursive: who holds it
// calls nobody that may come back for it.
//
//   Guarded<std::map<Id, Entry>> entries_;
//   entries_.lock()->erase(id);                     // for one expression
//   {
//     auto entries = entries_.lock();               // for a scope
//     entries.wait(changed_, [](const auto& map) { return map.empty(); });
//   }
//   const bool there = entries_.with([&](const auto& map) { return map.contains(id); });
template <class T>
class Guarded {
 public:
  Guarded() = default;
  template <class... Args>
  explicit Guarded(std::in_place_t, Args&&... args) : value_(std::forward<Args>(args)...) {}
  explicit Guarded(T value) : value_(std::move(value)) {}
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  // The value while it is held. References into it must not outlive this.
  template <class Value>
  class Locked {
   public:
    Locked(Mutex& mutex, Value& value) : lock_(mutex), value_(value) {}
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;

    Value* operator->() { return &value_; }
    Value& operator*() { return value_; }

    // CondVar's waits; the predicate is given the value.
    template <class Predicate>
    void wait(CondVar& changed, Predicate predicate) {
      lock_.wait([&](Mutex& mutex) SLIPWAY_REQUIRES(mutex) {
        changed.wait(mutex, [&] { return predicate(value_); });
        return true;
      });
    }
    template <class Predicate>
    [[nodiscard]] bool wait(CondVar& changed, const std::stop_token& stop, Predicate predicate) {
      return lock_.wait([&](Mutex& mutex) SLIPWAY_REQUIRES(mutex) {
        return changed.wait(mutex, stop, [&] { return predicate(value_); });
      });
    }
    template <class Rep, class Period, class Predicate>
    bool wait_for(CondVar& changed, std::chrono::duration<Rep, Period> at_most,
                  Predicate predicate) {
      return lock_.wait([&](Mutex& mutex) SLIPWAY_REQUIRES(mutex) {
        return changed.wait_for(mutex, at_most, [&] { return predicate(value_); });
      });
    }
    template <class Rep, class Period, class Predicate>
    bool wait_for(CondVar& changed, const std::stop_token& stop,
                  std::chrono::duration<Rep, Period> at_most, Predicate predicate) {
      return lock_.wait([&](Mutex& mutex) SLIPWAY_REQUIRES(mutex) {
        return changed.wait_for(mutex, stop, at_most, [&] { return predicate(value_); });
      });
    }

   private:
    // The analysis follows no lock through an object that is returned; this type is the proof.
    class Hold {
     public:
      explicit Hold(Mutex& mutex) SLIPWAY_UNCHECKED_LOCKS : mutex_(mutex) { mutex_.lock(); }
      ~Hold() SLIPWAY_UNCHECKED_LOCKS { mutex_.unlock(); }
      Hold(const Hold&) = delete;
      Hold& operator=(const Hold&) = delete;
      template <class Wait>
      bool wait(const Wait& wait_on) SLIPWAY_UNCHECKED_LOCKS {
        return wait_on(mutex_);
      }

     private:
      Mutex& mutex_;
    };
    Hold lock_;
    Value& value_;
  };

  [[nodiscard]] Locked<T> lock() { return Locked<T>(mutex_, value_); }
  [[nodiscard]] Locked<const T> lock() const { return Locked<const T>(mutex_, value_); }

  // What `use(value)` returns, by value.
  template <class Use>
  auto with(Use&& use) {
    const MutexLock held(mutex_);
    return std::forward<Use>(use)(value_);
  }
  template <class Use>
  auto with(Use&& use) const {
    const MutexLock held(mutex_);
    return std::forward<Use>(use)(value_);
  }

 private:
  mutable Mutex mutex_;
  T value_{};
};

}  // namespace slipway
