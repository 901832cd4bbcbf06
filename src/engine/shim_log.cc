#include "engine/shim_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "sys/files.h"

namespace slipway {
namespace {
constexpr std::size_t longest_line = 16u << 10;
constexpr int kept_files = 3;  // beside the current one
constexpr std::uint64_t least_file_limit = 64u << 10;
}  // namespace

Result<LogWriter> LogWriter::open(std::filesystem::path directory, std::uint64_t limit_bytes,
                                  const Clock& clock) {
  SLIPWAY_CHECK(make_directories(directory, 0700));
  LogWriter log(std::move(directory), std::max(limit_bytes, 4 * least_file_limit), clock);
  SLIPWAY_CHECK(log.open_current());
  return log;
}

Status LogWriter::open_current() {
  SLIPWAY_TRY(file_, open_file(directory_ / "current.log",
                               O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600));
  struct stat info{};
  size_ = ::fstat(file_.get(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
  return {};
}

void LogWriter::rotate() {
  const auto name = [this](int n) { return directory_ / fmt::format("{}.log", n); };
  for (int n = kept_files; n > 1; --n) ::rename(name(n - 1).c_str(), name(n).c_str());
  ::rename((directory_ / "current.log").c_str(), name(1).c_str());
  // On a full disk output is lost rather than the app stopped; the next rotation tries again.
  if (!open_current()) file_.reset();
}

void LogWriter::record(std::string& batch, Stream stream, std::string_view line) {
  const std::int64_t now = clock_->now().time_since_epoch().count();
  do {
    const std::string_view piece = line.substr(0, longest_line);
    line.remove_prefix(piece.size());
    fmt::format_to(std::back_inserter(batch), "{} {} {}\n", now, static_cast<char>(stream), piece);
  } while (!line.empty());
}

void LogWriter::write(Stream stream, std::string_view bytes) {
  std::string& partial = stream == Stream::out ? partial_out_ : partial_err_;
  std::string batch;
  for (;;) {
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos) break;
    if (partial.empty()) {
      record(batch, stream, bytes.substr(0, end));
    } else {
      partial.append(bytes.substr(0, end));
      record(batch, stream, partial);
      partial.clear();
    }
    bytes.remove_prefix(end + 1);
  }
  partial.append(bytes);
  if (partial.size() >= longest_line) {
    record(batch, stream, partial);
    partial.clear();
  }
  put(batch);
}

void LogWriter::flush() {
  std::string batch;
  if (!partial_out_.empty()) record(batch, Stream::out, partial_out_);
  if (!partial_err_.empty()) record(batch, Stream::err, partial_err_);
  partial_out_.clear();
  partial_err_.clear();
  put(batch);
}

void LogWriter::put(const std::string& batch) {
  if (batch.empty()) return;
  if (size_ > 0 && size_ + batch.size() > file_limit_) rotate();
  if (!file_.valid() && !open_current()) return;
  if (write_all(file_.get(), batch)) size_ += batch.size();
}

}  // namespace slipway
