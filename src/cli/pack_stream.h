#pragma once

#include <atomic>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/task_group.h"
#include "store/blob_store.h"

namespace slipway::cli {

// A pack (docs/formats.md) made while it is sent: a thread reads and compresses ahead, a few
// megabytes at most. next() is for one thread.
class PackStream {
 public:
  explicit PackStream(std::vector<PackItem> items);
  // Stops the thread.
  ~PackStream();
  PackStream(const PackStream&) = delete;
  PackStream& operator=(const PackStream&) = delete;

  // The next piece, valid until the next call; empty at the end. Errors: those of write_pack().
  [[nodiscard]] Result<std::string_view> next();
  // Of the files, before compression.
  [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  void write();
  [[nodiscard]] Status push(std::string_view bytes);

  std::vector<PackItem> items_;
  std::atomic<std::uint64_t> bytes_read_{0};
  Mutex mutex_;
  CondVar changed_;
  std::deque<std::string> queue_ SLIPWAY_GUARDED_BY(mutex_);
  std::size_t queued_bytes_ SLIPWAY_GUARDED_BY(mutex_) = 0;
  std::optional<Status> outcome_ SLIPWAY_GUARDED_BY(mutex_);  // set when the thread is done
  bool stopping_ SLIPWAY_GUARDED_BY(mutex_) = false;
  std::string current_;
  TaskGroup thread_{"pack", 1};  // last: it uses the others
};

}  // namespace slipway::cli
