#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>
#include <stop_token>
#include <utility>

// Locks that the compiler checks (clang's thread safety analysis, -Wthread-safety). A member says
// which mutex guards it, a private helper says which mutex its caller holds; a path that touches
// the one or calls the other without the lock does not compile. Outside base/ there is no other
// kind of lock. Where a value and its mutex belong together, base/guarded.h is shorter.
//
//   class Feed {
//     void add(Event event);
//    private:
//     void drop_oldest() SLIPWAY_REQUIRES(mutex_);
//     Mutex mutex_ SLIPWAY_ACQUIRED_AFTER(parent_);  // the order, where two are held
//     CondVar changed_;
//     std::deque<Event> events_ SLIPWAY_GUARDED_BY(mutex_);
//   };
//
// A lambda is a function of its own to the analysis: one that touches what is guarded says so,
// `[&]() SLIPWAY_REQUIRES(mutex_) { … }`.
#if defined(__clang__)
#define SLIPWAY_THREAD_SAFETY(x) __attribute__((x))
#else
#define SLIPWAY_THREAD_SAFETY(x)
#endif
#define SLIPWAY_GUARDED_BY(...) SLIPWAY_THREAD_SAFETY(guarded_by(__VA_ARGS__))
#define SLIPWAY_PT_GUARDED_BY(...) SLIPWAY_THREAD_SAFETY(pt_guarded_by(__VA_ARGS__))
#define SLIPWAY_REQUIRES(...) SLIPWAY_THREAD_SAFETY(requires_capability(__VA_ARGS__))
#define SLIPWAY_REQUIRES_SHARED(...) SLIPWAY_THREAD_SAFETY(requires_shared_capability(__VA_ARGS__))
// The caller must not hold it: for functions that take it.
#define SLIPWAY_EXCLUDES(...) SLIPWAY_THREAD_SAFETY(locks_excluded(__VA_ARGS__))
#define SLIPWAY_ACQUIRED_AFTER(...) SLIPWAY_THREAD_SAFETY(acquired_after(__VA_ARGS__))
#define SLIPWAY_ACQUIRED_BEFORE(...) SLIPWAY_THREAD_SAFETY(acquired_before(__VA_ARGS__))
#define SLIPWAY_RETURN_CAPABILITY(x) SLIPWAY_THREAD_SAFETY(lock_returned(x))
// For types and functions that are locks themselves.
#define SLIPWAY_CAPABILITY(x) SLIPWAY_THREAD_SAFETY(capability(x))
#define SLIPWAY_SCOPED_CAPABILITY SLIPWAY_THREAD_SAFETY(scoped_lockable)
#define SLIPWAY_ACQUIRE(...) SLIPWAY_THREAD_SAFETY(acquire_capability(__VA_ARGS__))
#define SLIPWAY_ACQUIRE_SHARED(...) SLIPWAY_THREAD_SAFETY(acquire_shared_capability(__VA_ARGS__))
#define SLIPWAY_TRY_ACQUIRE(...) SLIPWAY_THREAD_SAFETY(try_acquire_capability(__VA_ARGS__))
#define SLIPWAY_RELEASE(...) SLIPWAY_THREAD_SAFETY(release_capability(__VA_ARGS__))
#define SLIPWAY_RELEASE_SHARED(...) SLIPWAY_THREAD_SAFETY(release_shared_capability(__VA_ARGS__))
#define SLIPWAY_RELEASE_GENERIC(...) SLIPWAY_THREAD_SAFETY(release_generic_capability(__VA_ARGS__))
// Tells the analysis that the lock is held where it cannot see it: a comment says why it is.
#define SLIPWAY_ASSERT_CAPABILITY(x) SLIPWAY_THREAD_SAFETY(assert_capability(x))
// The last resort: a comment says why.
#define SLIPWAY_UNCHECKED_LOCKS SLIPWAY_THREAD_SAFETY(no_thread_safety_analysis)

namespace slipway {

// Not recursive.
class SLIPWAY_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() SLIPWAY_ACQUIRE() { mutex_.lock(); }
  void unlock() SLIPWAY_RELEASE() { mutex_.unlock(); }
  [[nodiscard]] bool try_lock() SLIPWAY_TRY_ACQUIRE(true) { return mutex_.try_lock(); }
  // For the analysis alone.
  void assert_held() const SLIPWAY_ASSERT_CAPABILITY(this) {}

 private:
  std::mutex mutex_;
};

// Many readers or one writer.
class SLIPWAY_CAPABILITY("mutex") SharedMutex {
 public:
  SharedMutex() = default;
  SharedMutex(const SharedMutex&) = delete;
  SharedMutex& operator=(const SharedMutex&) = delete;

  void lock() SLIPWAY_ACQUIRE() { mutex_.lock(); }
  void unlock() SLIPWAY_RELEASE() { mutex_.unlock(); }
  void lock_shared() SLIPWAY_ACQUIRE_SHARED() { mutex_.lock_shared(); }
  void unlock_shared() SLIPWAY_RELEASE_SHARED() { mutex_.unlock_shared(); }

 private:
  std::shared_mutex mutex_;
};

// Holds a mutex for a scope; may let go of it and take it again in between.
class SLIPWAY_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) SLIPWAY_ACQUIRE(mutex) : mutex_(mutex), held_(true) {
    mutex_.lock();
  }
  // Of a mutex that is held already, by try_lock().
  MutexLock(Mutex& mutex, std::adopt_lock_t) SLIPWAY_REQUIRES(mutex) : mutex_(mutex), held_(true) {}
  ~MutexLock() SLIPWAY_RELEASE() {
    if (held_) mutex_.unlock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void lock() SLIPWAY_ACQUIRE() {
    mutex_.lock();
    held_ = true;
  }
  void unlock() SLIPWAY_RELEASE() {
    held_ = false;
    mutex_.unlock();
  }

 private:
  Mutex& mutex_;
  bool held_;
};

// Holds a shared mutex for a scope, to write and to read what it guards.
class SLIPWAY_SCOPED_CAPABILITY WriterLock {
 public:
  explicit WriterLock(SharedMutex& mutex) SLIPWAY_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~WriterLock() SLIPWAY_RELEASE() { mutex_.unlock(); }
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  SharedMutex& mutex_;
};
class SLIPWAY_SCOPED_CAPABILITY ReaderLock {
 public:
  explicit ReaderLock(SharedMutex& mutex) SLIPWAY_ACQUIRE_SHARED(mutex) : mutex_(mutex) {
    mutex_.lock_shared();
  }
  ~ReaderLock() SLIPWAY_RELEASE_GENERIC() { mutex_.unlock_shared(); }
  ReaderLock(const ReaderLock&) = delete;
  ReaderLock& operator=(const ReaderLock&) = delete;

 private:
  SharedMutex& mutex_;
};

// Waits for what a mutex guards to change. The caller holds the mutex, which is let go of while it
// waits and held again afterwards. Waits with a time or a stop token answer what the predicate says
// at the end: false is "the time passed" or "it was told to stop". A predicate that touches what is
// guarded says SLIPWAY_REQUIRES(mutex).
class CondVar {
 public:
  void notify_one() { changed_.notify_one(); }
  void notify_all() { changed_.notify_all(); }

  // Woken, perhaps for nothing: for loops that look again and decide anew.
  void wait(Mutex& mutex) SLIPWAY_REQUIRES(mutex) SLIPWAY_UNCHECKED_LOCKS { changed_.wait(mutex); }
  void wait_until(Mutex& mutex, std::chrono::steady_clock::time_point until)
      SLIPWAY_REQUIRES(mutex) SLIPWAY_UNCHECKED_LOCKS {
    changed_.wait_until(mutex, until);
  }
  template <class Predicate>
  void wait(Mutex& mutex, Predicate predicate)
      SLIPWAY_REQUIRES(mutex) SLIPWAY_UNCHECKED_LOCKS {  // the predicate's lock is the caller's
    changed_.wait(mutex, std::move(predicate));
  }
  template <class Predicate>
  [[nodiscard]] bool wait(Mutex& mutex, const std::stop_token& stop, Predicate predicate)
      SLIPWAY_REQUIRES(mutex) SLIPWAY_UNCHECKED_LOCKS {
    return changed_.wait(mutex, stop, std::move(predicate));
  }
  template <class Rep, class Period, class Predicate>
  bool wait_for(Mutex& mutex, std::chrono::duration<Rep, Period> at_most, Predicate predicate)
      SLIPWAY_REQUIRES(mutex) SLIPWAY_UNCHECKED_LOCKS {
    return changed_.wait_for(mutex, at_most, std::move(predicate));
  }
  template <class Rep, class Period, class Predicate>
  bool wait_for(Mutex& mutex, const std::stop_token& stop,
                std::chrono::duration<Rep, Period> at_most, Predicate predicate)
      SLIPWAY_REQUIRES(mutex) SLIPWAY_UNCHECKED_LOCKS {
    return changed_.wait_for(mutex, stop, at_most, std::move(predicate));
  }
  // `until`: of std::chrono::steady_clock.
  template <class Predicate>
  bool wait_until(Mutex& mutex, std::chrono::steady_clock::time_point until, Predicate predicate)
      SLIPWAY_REQUIRES(mutex) SLIPWAY_UNCHECKED_LOCKS {
    return changed_.wait_until(mutex, until, std::move(predicate));
  }

 private:
  std::condition_variable_any changed_;
};

}  // namespace slipway
