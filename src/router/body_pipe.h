#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "http/message.h"

namespace slipway {

// The body of an upload on its way from the event loop to the worker that reads it: the mirror of
// StreamPipe. Bounded: a reader that is slow slows the client. Nothing is asked of the client
// before the first read.
class BodyPipe final : public BodyReader {
 public:
  // `news` is called from the reader's thread when there is room that was not there before.
  explicit BodyPipe(std::function<void()> news) : news_(std::move(news)) {}

  [[nodiscard]] Result<std::size_t> read(std::span<char> into) override;

  // ---- the session's side
  // Somebody reads, and is not behind.
  [[nodiscard]] bool wants() const;
  void push(std::string_view bytes);
  void end();  // that was all
  void fail(Error why);

 private:
  static constexpr std::size_t enough = 256u << 10;
  std::function<void()> news_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::string buffer_ SLIPWAY_GUARDED_BY(mutex_);
  std::size_t read_ SLIPWAY_GUARDED_BY(mutex_) = 0;  // of the buffer
  bool reading_ SLIPWAY_GUARDED_BY(mutex_) = false;  // somebody ever did
  bool ended_ SLIPWAY_GUARDED_BY(mutex_) = false;
  std::optional<Error> failure_ SLIPWAY_GUARDED_BY(mutex_);
};

}  // namespace slipway
