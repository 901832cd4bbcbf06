#include "router/body_pipe.h"

namespace slipway {

Result<std::size_t> BodyPipe::read(std::span<char> into) {
  MutexLock lock(mutex_);
  const auto has_news = [this]() SLIPWAY_REQUIRES(mutex_) {
    return read_ < buffer_.size() || ended_ || failure_;
  };
  if (!has_news()) {
    // The session may rest until it hears of this.
    reading_ = true;
    lock.unlock();
    news_();
    lock.lock();
    changed_.wait(mutex_, has_news);
  }
  if (failure_) return slipway::fail(*failure_);
  const std::size_t n = buffer_.copy(into.data(), into.size(), read_);
  read_ += n;
  const bool behind = buffer_.size() >= enough;
  if (read_ == buffer_.size()) {
    buffer_.clear();
    read_ = 0;
    if (behind && !ended_) {
      lock.unlock();
      news_();
    }
  }
  return n;
}

bool BodyPipe::wants() const {
  const MutexLock lock(mutex_);
  return reading_ && buffer_.size() < enough;
}

void BodyPipe::push(std::string_view bytes) {
  const MutexLock lock(mutex_);
  buffer_ += bytes;
  changed_.notify_all();
}

void BodyPipe::end() {
  const MutexLock lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

void BodyPipe::fail(Error why) {
  const MutexLock lock(mutex_);
  if (!failure_) failure_ = std::move(why);
  changed_.notify_all();
}

}  // namespace slipway
