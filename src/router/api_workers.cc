#include "router/api_workers.h"

#include <chrono>

namespace slipway {
namespace {

constexpr std::size_t most_waiting = 4096;
constexpr std::size_t most_streams = 256;
constexpr std::chrono::seconds back_pressure_limit{30};

}  // namespace

ApiWorkers::ApiWorkers(std::uint32_t threads) {
  for (std::uint32_t i = 0; i < std::max(threads, 1u); ++i)
    threads_.emplace_back([this] { work(); });
}

ApiWorkers::~ApiWorkers() { stop(); }

bool ApiWorkers::submit(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || jobs_.size() >= most_waiting) return false;
    jobs_.push_back(std::move(job));
  }
  news_.notify_one();
  return true;
}

bool ApiWorkers::submit_stream(std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  reap();
  if (stopping_ || streams_.size() >= most_streams) return false;
  StreamThread& one = streams_.emplace_back();
  one.thread = std::thread([this, &one, job = std::move(job)] {
    job();
    const std::lock_guard done_lock(mutex_);
    one.done = true;
  });
  return true;
}

// With the lock held: a thread that said it is done only has to return.
void ApiWorkers::reap() {
  for (auto one = streams_.begin(); one != streams_.end();) {
    if (!one->done) {
      ++one;
      continue;
    }
    one->thread.join();
    one = streams_.erase(one);
  }
}

void ApiWorkers::work() {
  for (;;) {
    std::function<void()> job;
    {
      std::unique_lock lock(mutex_);
      news_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

void ApiWorkers::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  news_.notify_all();
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
  for (StreamThread& one : streams_)
    if (one.thread.joinable()) one.thread.join();
}

Status StreamPipe::write(std::string_view bytes) {
  bool announce = false;
  {
    std::unique_lock lock(mutex_);
    const bool room = room_.wait_for(lock, back_pressure_limit,
                                     [this] { return closed_ || buffer_.size() < most_buffered; });
    if (closed_) return fail(Errc::canceled, "the client is gone");
    if (!room) return fail(Errc::canceled, "the client does not read");
    buffer_ += bytes;
    announce = !std::exchange(announced_, true);
  }
  if (announce) news_();
  return {};
}

bool StreamPipe::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

void StreamPipe::finish() {
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
  }
  news_();
}

std::string StreamPipe::take(bool& finished) {
  std::string bytes;
  {
    const std::lock_guard lock(mutex_);
    bytes.swap(buffer_);
    announced_ = false;
    finished = finished_;
  }
  room_.notify_all();
  return bytes;
}

void StreamPipe::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  room_.notify_all();
}

}  // namespace slipway
