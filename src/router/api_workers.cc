#include "router/api_workers.h"

#include <fmt/format.h>

#include <chrono>

namespace slipway {
namespace {

constexpr std::chrono::seconds back_pressure_limit{30};
constexpr std::uint64_t mebi = 1u << 20;

// Half of the threads at the most for one principal; a quarter is not for agents.
Limiter::Limits shares(std::uint64_t threads, std::uint64_t waiting_per_key) {
  return {.units = threads,
          .per_key = std::max<std::uint64_t>(threads / 2, 1),
          .kept = {0, threads / 4},
          .waiting = 4096,
          .waiting_per_key = waiting_per_key};
}

}  // namespace

WorkPool::WorkPool(std::string name, const Limiter::Limits& limits, const TaskGroup::Gate& gate)
    : limiter_(limits), threads_(std::move(name), limits.units, gate) {}

Status WorkPool::start() { return add_thread(); }

Status WorkPool::add_thread() {
  return threads_.start([this](const std::stop_token&) { work(); });
}

Status WorkPool::submit(const Limiter::Claim& claim, Job job) {
  {
    const MutexLock lock(mutex_);
    if (stopping_) return fail(Errc::unavailable, "the server stops");
  }
  return limiter_.enter_later(claim, [this, job = std::move(job)](Limiter::Slot slot) {
    run({job, std::make_shared<Limiter::Slot>(std::move(slot))});
  });
}

// Never more jobs are ready than there may be threads: each holds a slot.
void WorkPool::run(Ready ready) {
  bool enough = false;
  {
    const MutexLock lock(mutex_);
    ready_.push_back(std::move(ready));
    enough = idle_ >= ready_.size();
  }
  news_.notify_one();
  // Without another thread the job waits for one of those that are there.
  if (!enough && threads_.running() < threads_.bound()) std::ignore = add_thread();
}

void WorkPool::work() {
  for (;;) {
    Ready ready;
    {
      const MutexLock lock(mutex_);
      ++idle_;
      news_.wait(mutex_, [this]() SLIPWAY_REQUIRES(mutex_) {
        return !ready_.empty() || (stopping_ && limiter_.waiting() == 0);
      });
      --idle_;
      if (ready_.empty()) return;
      ready = std::move(ready_.front());
      ready_.pop_front();
    }
    run_guarded("api", ready.job);
    ready.job = nullptr;
    ready.slot.reset();  // lets the next one in
    news_.notify_all();  // that may have been the last while it stops
  }
}

void WorkPool::stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  news_.notify_all();
  threads_.join();
}

ApiWorkers::ApiWorkers(std::uint32_t call_threads, const TaskGroup::Gate& gate)
    : body_bytes_({.units = 256 * mebi, .per_key = 96 * mebi, .kept = {0, 64 * mebi}}),
      stream_slots_(
          {.units = most_streams, .per_key = streams_per_principal, .kept = {0, most_streams / 4}}),
      admission_("asking whose a request is", {.units = 2, .waiting = 4096}, gate),
      probes_("asking how the server is", {.units = 1, .waiting = 4}, gate),
      disk_reads_("disk reads", {.units = 4, .per_key = 1, .waiting = 16384}, gate),
      pools_{std::make_unique<WorkPool>("API calls", shares(std::max(call_threads, 4u), 256), gate),
             std::make_unique<WorkPool>("brakes", shares(4, 64), gate),
             std::make_unique<WorkPool>("API calls that wait", shares(16, 32), gate),
             std::make_unique<WorkPool>("uploads", shares(16, 256), gate)},
      streams_("streams", most_streams + 16, gate) {}

Status ApiWorkers::start() {
  for (WorkPool* pool : {&admission_, &probes_, &disk_reads_}) SLIPWAY_CHECK(pool->start());
  for (const auto& pool : pools_) SLIPWAY_CHECK(pool->start());
  return {};
}

Status ApiWorkers::submit_admission(CallKind kind, const std::string& address, WorkPool::Job job) {
  return admission_.submit(
      {.work = kind == CallKind::brake ? WorkClass::production : WorkClass::release,
       .key = address},
      std::move(job));
}

Status ApiWorkers::submit(CallKind kind, const ApiAdmission& by, WorkPool::Job job) {
  return of(kind).submit({.work = by.work, .key = by.principal}, std::move(job));
}

Status ApiWorkers::submit_probe(CallKind kind, WorkPool::Job job) {
  return of(kind).submit({.work = WorkClass::production, .key = "health"}, std::move(job));
}

Status ApiWorkers::submit_store_probe(WorkPool::Job job) {
  return probes_.submit({.key = "store"}, std::move(job));
}

Status ApiWorkers::submit_disk_read(const std::string& key, WorkPool::Job job) {
  return disk_reads_.submit({.key = key}, std::move(job));
}

Status ApiWorkers::submit_stream(const ApiAdmission& by, WorkPool::Job job) {
  auto slot = stream_slots_.try_enter({.work = by.work, .key = by.principal});
  if (!slot)
    return fail(Errc::rate_limited, "too many streams are open already",
                fmt::format("close some: {} are what one may have", streams_per_principal));
  return streams_.start(
      [job = std::move(job), held = std::move(*slot)](const std::stop_token&) { job(); });
}

void ApiWorkers::stop() {
  for (const auto& pool : pools_) pool->stop();
  probes_.stop();
  disk_reads_.stop();
  admission_.stop();
  streams_.join();
}

Status StreamPipe::write(std::string_view bytes) {
  bool announce = false;
  {
    const MutexLock lock(mutex_);
    const bool room = room_.wait_for(
        mutex_, back_pressure_limit,
        [this]() SLIPWAY_REQUIRES(mutex_) { return closed_ || buffer_.size() < most_buffered; });
    if (closed_) return fail(Errc::canceled, "the client is gone");
    if (!room) return fail(Errc::canceled, "the client does not read");
    if (ending_ && (last_words_ += bytes.size()) > most_last_words)
      return fail(Errc::canceled, "the server stops");
    buffer_ += bytes;
    announce = !std::exchange(announced_, true);
  }
  if (announce) news_();
  return {};
}

bool StreamPipe::closed() const {
  const MutexLock lock(mutex_);
  return closed_ || ending_;
}

void StreamPipe::ask_to_end() {
  const MutexLock lock(mutex_);
  ending_ = true;
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
