#include "cli/pack_stream.h"

#include <span>
#include <utility>

namespace slipway::cli {
namespace {

constexpr std::size_t queue_limit = 4u << 20;

}  // namespace

PackStream::PackStream(std::vector<PackItem> items) : items_(std::move(items)) {
  for (PackItem& item : items_)
    item.read = [this, read = std::move(item.read)](std::span<char> into) {
      Result<std::size_t> got = read(into);
      if (got) bytes_read_ += *got;
      return got;
    };
  const auto end_with = [this](Status status) {
    const MutexLock lock(mutex_);
    outcome_ = std::move(status);
    changed_.notify_all();
  };
  if (Status started = thread_.start([this](const std::stop_token&) { write(); },
                                     [end_with](const Error& error) { end_with(fail(error)); });
      !started)
    end_with(std::move(started));
}

PackStream::~PackStream() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.stop();
}

void PackStream::write() {
  Status status = write_pack(items_, [this](std::string_view bytes) { return push(bytes); });
  {
    const MutexLock lock(mutex_);
    outcome_ = std::move(status);
  }
  changed_.notify_all();
}

Status PackStream::push(std::string_view bytes) {
  MutexLock lock(mutex_);
  changed_.wait(mutex_, [this]() SLIPWAY_REQUIRES(mutex_) {
    return stopping_ || queued_bytes_ < queue_limit;
  });
  if (stopping_) return fail(Errc::canceled, "the upload was stopped");
  if (bytes.empty()) return {};
  queue_.emplace_back(bytes);
  queued_bytes_ += bytes.size();
  lock.unlock();
  changed_.notify_all();
  return {};
}

Result<std::string_view> PackStream::next() {
  MutexLock lock(mutex_);
  changed_.wait(mutex_, [this]() SLIPWAY_REQUIRES(mutex_) {
    return !queue_.empty() || outcome_.has_value();
  });
  if (queue_.empty()) {
    if (!*outcome_) return fail(outcome_->error());
    return std::string_view{};
  }
  current_ = std::move(queue_.front());
  queue_.pop_front();
  queued_bytes_ -= current_.size();
  lock.unlock();
  changed_.notify_all();
  return std::string_view(current_);
}

}  // namespace slipway::cli
