#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway::cli {

// Cuts a stream of bytes into lines ("\n" or "\r\n"). A line beyond 8 MiB is an error. Not
// thread-safe.
class LineSplitter {
 public:
  using Take = std::function<Status(std::string_view line)>;
  [[nodiscard]] Status feed(std::string_view bytes, const Take& take);

 private:
  std::string rest_;
};

// Server-sent events (WHATWG HTML, 9.2.6): the parts of it that Slipway's server uses, which are
// `id`, `event` and `data`; comments and other fields are skipped. Not thread-safe.
class SseParser {
 public:
  using Take = std::function<Status(std::string_view event, std::string_view data)>;
  [[nodiscard]] Status feed(std::string_view bytes, const Take& take);
  // Of the event being taken, or the last one; "" when none had one.
  [[nodiscard]] const std::string& last_id() const { return last_id_; }

 private:
  LineSplitter lines_;
  std::string id_, last_id_, event_, data_;
};

}  // namespace slipway::cli
