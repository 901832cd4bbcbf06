#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "sys/fd.h"

namespace slipway {

// Logs are directories of files "current.log" and, older, "1.log", "2.log"…, of records
// "<unix microseconds> <stream> <bytes>\n", where stream is o (stdout), e (stderr) or b (a build).
// docs/formats.md. The bytes come from an app and are not to be trusted.
struct LogLine {
  Timestamp time{};
  char stream = 'o';
  std::string line;
};

// Writes the log of a build: whole lines, up to `limit` bytes, after which one line says that more
// was left out. Thread-safe.
class BuildLog {
 public:
  [[nodiscard]] static Result<std::unique_ptr<BuildLog>> create(
      const std::filesystem::path& directory, const Clock& clock, std::uint64_t limit_bytes);
  // Raw output in pieces; `on_line` gets each whole line.
  void append(std::string_view bytes, const std::function<void(std::string_view line)>& on_line);
  // From now on these are never written (mask_secrets() below).
  void hide(std::vector<std::string> secrets);
  [[nodiscard]] std::string hidden(std::string_view text) const;
  // Writes what is left of an unfinished line.
  void flush(const std::function<void(std::string_view line)>& on_line);
  // The end of what was written, for explaining a failure.
  [[nodiscard]] std::string tail() const;

 private:
  BuildLog(Fd fd, const Clock& clock, std::uint64_t limit)
      : fd_(std::move(fd)), clock_(clock), left_(limit) {}
  void write_line(std::string_view line) SLIPWAY_REQUIRES(mutex_);

  static constexpr std::size_t tail_bytes = 256u << 10;
  mutable Mutex mutex_;
  Fd fd_;
  const Clock& clock_;
  std::uint64_t left_ SLIPWAY_GUARDED_BY(mutex_);
  std::string partial_ SLIPWAY_GUARDED_BY(mutex_);
  std::string tail_ SLIPWAY_GUARDED_BY(mutex_);
  std::vector<std::string> hidden_ SLIPWAY_GUARDED_BY(mutex_);
};

// Reads a log from its oldest record on and goes on as it grows and rotates. Not thread-safe.
class LogReader {
 public:
  explicit LogReader(std::filesystem::path directory) : directory_(std::move(directory)) {}
  // The next record; nothing when there is none yet (or no log at all).
  [[nodiscard]] Result<std::optional<LogLine>> next();

 private:
  [[nodiscard]] Status open_oldest();
  // Whether a newer file than the open one exists; opens it.
  [[nodiscard]] bool open_newer();

  std::filesystem::path directory_;
  Fd file_;
  std::string buffer_;
  std::size_t used_ = 0;
};

// Reads the logs of several services as one, in order of time as far as it is written. Not
// thread-safe.
class MergedLogReader {
 public:
  struct Source {
    std::string service;  // "" when there is only one
    std::filesystem::path directory;
  };
  struct Line {
    std::string service;
    LogLine line;
  };
  explicit MergedLogReader(const std::vector<Source>& sources);
  // The next record; nothing when there is none yet.
  [[nodiscard]] Result<std::optional<Line>> next();

 private:
  struct Stream {
    std::string service;
    LogReader reader;
    std::optional<LogLine> ahead;
  };
  std::vector<Stream> streams_;
};

// `text` with every one of `secrets` replaced. Values shorter than 6 bytes are left: masking them
// would say where they are and spoil the rest.
[[nodiscard]] std::string mask_secrets(std::string_view text,
                                       const std::vector<std::string>& secrets);

// The same for all that an error says. Where errors of an app, a build or a release command end up
// (a record, a log, an answer), this comes first.
[[nodiscard]] Error mask_secrets(Error error, const std::vector<std::string>& secrets);

// The last `bytes` of a log as plain lines.
[[nodiscard]] std::string log_tail(const std::filesystem::path& directory, std::size_t bytes);

}  // namespace slipway
