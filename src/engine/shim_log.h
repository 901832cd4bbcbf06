#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "sys/fd.h"

namespace slipway {

// Writes an instance's output as records "<unix microseconds> <o|e> <bytes>\n" to "current.log" of
// a directory; when that holds a quarter of the limit it becomes "1.log", "1.log" becomes "2.log",
// and "3.log" goes. A line of more than 16 KiB becomes several records. One thread.
class LogWriter {
 public:
  [[nodiscard]] static Result<LogWriter> open(std::filesystem::path directory,
                                              std::uint64_t limit_bytes, const Clock& clock);
  enum class Stream : char { out = 'o', err = 'e' };
  // Takes raw output; a line without its end is kept until flush() or until more comes.
  void write(Stream stream, std::string_view bytes);
  // Writes lines that have no end yet.
  void flush();
  [[nodiscard]] bool has_partial_line() const {
    return !partial_out_.empty() || !partial_err_.empty();
  }

 private:
  LogWriter(std::filesystem::path directory, std::uint64_t limit, const Clock& clock)
      : directory_(std::move(directory)), file_limit_(limit / 4), clock_(&clock) {}
  void record(std::string& batch, Stream stream, std::string_view line);
  void put(const std::string& batch);
  [[nodiscard]] Status open_current();
  void rotate();

  std::filesystem::path directory_;
  std::uint64_t file_limit_;
  const Clock* clock_;
  Fd file_;
  std::uint64_t size_ = 0;
  std::string partial_out_, partial_err_;
};

}  // namespace slipway
