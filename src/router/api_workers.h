#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "base/task_group.h"
#include "http/message.h"

namespace slipway {

// The threads on which API handlers run, and those of streaming answers. Thread-safe. The
// destructor waits for all of them.
class ApiWorkers {
 public:
  explicit ApiWorkers(std::uint32_t threads, const TaskGroup::Gate& gate = {});
  ~ApiWorkers();
  ApiWorkers(const ApiWorkers&) = delete;
  ApiWorkers& operator=(const ApiWorkers&) = delete;

  // False when too many wait already, it stops, or there is no thread at all: answer 503. With
  // fewer threads than it was told, it asks for the others again.
  [[nodiscard]] bool submit(std::function<void()> job);
  // Runs `job` on a thread of its own; false at the cap of 256, or when the system has none.
  [[nodiscard]] bool submit_stream(std::function<void()> job);
  // Runs what was submitted, then joins.
  void stop();

 private:
  void work();
  void start_threads();

  const std::uint32_t wanted_;
  Mutex mutex_;
  CondVar news_;
  std::deque<std::function<void()>> jobs_ SLIPWAY_GUARDED_BY(mutex_);
  bool stopping_ SLIPWAY_GUARDED_BY(mutex_) = false;
  TaskGroup threads_;  // last: they use the others
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

 private:
  static constexpr std::size_t most_buffered = 256u << 10;
  std::function<void()> news_;
  mutable Mutex mutex_;
  CondVar room_;
  std::string buffer_ SLIPWAY_GUARDED_BY(mutex_);
  bool announced_ SLIPWAY_GUARDED_BY(mutex_) = false;
  bool finished_ SLIPWAY_GUARDED_BY(mutex_) = false;
  bool closed_ SLIPWAY_GUARDED_BY(mutex_) = false;
};

}  // namespace slipway
