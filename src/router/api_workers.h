#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "http/message.h"

namespace slipway {

// The threads on which API handlers run, and those of streaming answers. Thread-safe. The
// destructor waits for all of them.
class ApiWorkers {
 public:
  explicit ApiWorkers(std::uint32_t threads);
  ~ApiWorkers();
  ApiWorkers(const ApiWorkers&) = delete;
  ApiWorkers& operator=(const ApiWorkers&) = delete;

  // False when too many wait already, or it stops: answer 503.
  [[nodiscard]] bool submit(std::function<void()> job);
  // Runs `job` on a thread of its own; false at the cap of 256.
  [[nodiscard]] bool submit_stream(std::function<void()> job);
  // Runs what was submitted, then joins.
  void stop();

 private:
  void work();
  void reap();

  std::mutex mutex_;
  std::condition_variable news_;
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
  struct StreamThread {
    std::thread thread;
    bool done = false;
  };
  std::list<StreamThread> streams_;
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
  mutable std::mutex mutex_;
  std::condition_variable room_;
  std::string buffer_;
  bool announced_ = false;
  bool finished_ = false;
  bool closed_ = false;
};

}  // namespace slipway
