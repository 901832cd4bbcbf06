#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "base/limiter.h"
#include "base/mutex.h"
#include "base/task_group.h"
#include "http/message.h"

namespace slipway {

// Threads that run jobs, as many as are let in by a limiter; made as they are needed. Thread-safe.
class WorkPool {
 public:
  using Job = std::function<void()>;
  WorkPool(std::string name, const Limiter::Limits& limits, const TaskGroup::Gate& gate = {});
  // Runs what waits, then joins.
  ~WorkPool() { stop(); }

  // The first thread; without it nothing would run. Errors: unavailable.
  [[nodiscard]] Status start();
  // Errors: rate_limited when too much of the key waits already, unavailable when too much of all
  // does, or it stops.
  [[nodiscard]] Status submit(const Limiter::Claim& claim, Job job);
  void stop();

 private:
  struct Ready {
    Job job;
    std::shared_ptr<Limiter::Slot> slot;  // given back when it has run
  };
  void run(Ready ready);
  void work();
  [[nodiscard]] Status add_thread();

  Limiter limiter_;
  Mutex mutex_;
  CondVar news_;
  std::deque<Ready> ready_ SLIPWAY_GUARDED_BY(mutex_);
  std::size_t idle_ SLIPWAY_GUARDED_BY(mutex_) = 0;
  bool stopping_ SLIPWAY_GUARDED_BY(mutex_) = false;
  TaskGroup threads_;  // last: they use the others
};

// What API requests are answered on. Each kind of call has threads of its own, of which one
// principal gets a share and agents together never all; asking whose request it is has its own,
// too, and brakes come first there. So nothing that an agent, or somebody without a token, may do
// keeps a brake or somebody else's call waiting. Thread-safe. The destructor waits for all of them.
class ApiWorkers {
 public:
  explicit ApiWorkers(std::uint32_t call_threads, const TaskGroup::Gate& gate = {});

  [[nodiscard]] Status start();
  // Looks up whose request it is; `address` is the client's.
  [[nodiscard]] Status submit_admission(CallKind kind, const std::string& address,
                                        WorkPool::Job job);
  [[nodiscard]] Status submit(CallKind kind, const ApiAdmission& by, WorkPool::Job job);
  // A job that goes before all others of its kind; for Health.
  [[nodiscard]] Status submit_probe(CallKind kind, WorkPool::Job job);
  [[nodiscard]] Status submit_store_probe(WorkPool::Job job);
  // What the loops need from the disk; one at a time of each key. `job` must not throw.
  [[nodiscard]] Status submit_disk_read(const std::string& key, WorkPool::Job job);
  // Runs `job` on a thread of its own. Errors: rate_limited at the principal's share, unavailable
  // when all are taken.
  [[nodiscard]] Status submit_stream(const ApiAdmission& by, WorkPool::Job job);
  // Runs what was submitted, then joins.
  void stop();

  // Bytes of bodies that are kept while they come and are answered.
  [[nodiscard]] Limiter& body_bytes() { return body_bytes_; }

  static constexpr std::uint32_t most_streams = 256, streams_per_principal = 32;

 private:
  [[nodiscard]] WorkPool& of(CallKind kind) { return *pools_[static_cast<std::size_t>(kind)]; }

  Limiter body_bytes_;
  Limiter stream_slots_;
  WorkPool admission_, probes_, disk_reads_;
  std::array<std::unique_ptr<WorkPool>, 4> pools_;  // by CallKind
  TaskGroup streams_;
};

// What a streaming handler writes and the session reads. The handler's side blocks while the
// session is behind.
class StreamPipe final : public StreamWriter {
 public:
  // `news` is called from the handler's thread when there is something to take.
  explicit StreamPipe(std::function<void()> news) : news_(std::move(news)) {}

  [[nodiscard]] Status write(std::string_view bytes) override;
  [[nodiscard]] bool closed() const override;
  void finish();  // the handler returned

  // ---- the session's side
  // All there is; `finished` when no more will come after it.
  [[nodiscard]] std::string take(bool& finished);
  void close();  // the client is gone
  // The server stops: the handler is told that it is closed, and its last words are taken.
  void ask_to_end();

 private:
  static constexpr std::size_t most_buffered = 256u << 10, most_last_words = 256u << 10;
  std::function<void()> news_;
  mutable Mutex mutex_;
  CondVar room_;
  std::string buffer_ SLIPWAY_GUARDED_BY(mutex_);
  bool announced_ SLIPWAY_GUARDED_BY(mutex_) = false;
  bool finished_ SLIPWAY_GUARDED_BY(mutex_) = false;
  bool closed_ SLIPWAY_GUARDED_BY(mutex_) = false;
  bool ending_ SLIPWAY_GUARDED_BY(mutex_) = false;
  std::size_t last_words_ SLIPWAY_GUARDED_BY(mutex_) = 0;  // bytes written while it ends
};

}  // namespace slipway
