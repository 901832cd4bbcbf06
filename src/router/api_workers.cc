#include "router/api_workers.h"

#include <chrono>

#include "base/log.h"

namespace slipway {
namespace {

constexpr std::size_t most_waiting = 4096;
constexpr std::size_t most_streams = 256;
constexpr std::chrono::seconds back_pressure_limit{30};

}  // namespace

ApiWorkers::ApiWorkers(std::uint32_t threads, const TaskGroup::Gate& gate)
    : wanted_(std::max(threads, 1u)),
      threads_("api", wanted_, gate),
      streams_("api stream", most_streams, gate) {
  start_threads();
}

ApiWorkers::~ApiWorkers() { stop(); }

void ApiWorkers::start_threads() {
  while (threads_.running() < wanted_)
    if (Status started = threads_.start([this](const std::stop_token&) { work(); }); !started) {
      log_warn("too few threads answer the API", {{"error", started.error().message}});
      return;
    }
}

bool ApiWorkers::submit(std::function<void()> job) {
  {
    const MutexLock lock(mutex_);
    if (stopping_ || jobs_.size() >= most_waiting) return false;
  }
  if (threads_.running() < wanted_) start_threads();
  if (threads_.running() == 0) return false;
  const MutexLock lock(mutex_);
  jobs_.push_back(std::move(job));
  news_.notify_one();
  return true;
}

bool ApiWorkers::submit_stream(std::function<void()> job) {
  return streams_.start([job = std::move(job)](const std::stop_token&) { job(); }).has_value();
}

void ApiWorkers::work() {
  for (;;) {
    std::function<void()> job;
    {
      const MutexLock lock(mutex_);
      news_.wait(mutex_, [this]() SLIPWAY_REQUIRES(mutex_) { return stopping_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    run_guarded("api", job);
  }
}

void ApiWorkers::stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  news_.notify_all();
  threads_.join();
  streams_.join();
}

Status StreamPipe::write(std::string_view bytes) {
  bool announce = false;
  {
    MutexLock lock(mutex_);
    const bool room = room_.wait_for(
        mutex_, back_pressure_limit,
        [this]() SLIPWAY_REQUIRES(mutex_) { return closed_ || buffer_.size() < most_buffered; });
    if (closed_) return fail(Errc::canceled, "the client is gone");
    if (!room) return fail(Errc::canceled, "the client does not read");
    buffer_ += bytes;
    announce = !std::exchange(announced_, true);
  }
  if (announce) news_();
  return {};
}

bool StreamPipe::closed() const {
  const MutexLock lock(mutex_);
  return closed_;
}

void StreamPipe::finish() {
  {
    const MutexLock lock(mutex_);
    finished_ = true;
  }
  news_();
}

std::string StreamPipe::take(bool& finished) {
  std::string bytes;
  {
    const MutexLock lock(mutex_);
    bytes.swap(buffer_);
    announced_ = false;
    finished = finished_;
  }
  room_.notify_all();
  return bytes;
}

void StreamPipe::close() {
  {
    const MutexLock lock(mutex_);
    closed_ = true;
  }
  room_.notify_all();
}

}  // namespace slipway
