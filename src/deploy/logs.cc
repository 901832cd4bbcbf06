#include "deploy/logs.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <charconv>

#include "base/log.h"
#include "sys/directory.h"
#include "sys/files.h"

namespace slipway {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t longest_line = 16u << 10;

std::optional<LogLine> parse_line(std::string_view record) {
  std::int64_t micros = 0;
  const auto [end, error] = std::from_chars(record.data(), record.data() + record.size(), micros);
  const auto at = static_cast<std::size_t>(end - record.data());
  if (error != std::errc{} || record.size() < at + 3 || record[at] != ' ' || record[at + 2] != ' ')
    return std::nullopt;
  return LogLine{.time = Timestamp{Duration{micros}},
                 .stream = record[at + 1],
                 .line = std::string(record.substr(at + 3))};
}

// The files of a log, oldest first.
std::vector<fs::path> log_files(const fs::path& directory) {
  std::vector<std::pair<int, fs::path>> numbered;
  std::error_code error;
  for (const auto& entry : entries_of(directory, error)) {
    const std::string name = entry.path().filename();
    if (name == "current.log") {
      numbered.emplace_back(0, entry.path());
      continue;
    }
    int number = 0;
    const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (failed == std::errc{} && std::string_view(end) == ".log")
      numbered.emplace_back(number, entry.path());
  }
  std::ranges::sort(numbered, std::greater{}, [](const auto& pair) { return pair.first; });
  std::vector<fs::path> out;
  for (auto& [number, path] : numbered) out.push_back(std::move(path));
  return out;
}

ino_t inode_of(const fs::path& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

}  // namespace

Result<std::unique_ptr<BuildLog>> BuildLog::create(const fs::path& directory, const Clock& clock,
                                                   std::uint64_t limit_bytes) {
  SLIPWAY_CHECK(make_directories(directory, 0700));
  SLIPWAY_TRY(Fd fd,
              open_file(directory / "current.log", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600));
  return std::unique_ptr<BuildLog>(new BuildLog(std::move(fd), clock, limit_bytes));
}

void BuildLog::write_line(std::string_view line) {
  if (left_ == 0) return;
  const bool last = line.size() >= left_;
  if (last) line = "(more output was left out: the log's limit is reached)";
  left_ = last ? 0 : left_ - line.size();
  const std::string record =
      fmt::format("{} b {}\n", clock_.now().time_since_epoch().count(), line);
  // A full disk loses log lines, never the build.
  if (Status written = write_all(fd_.get(), record); !written)
    log_debug("build log not written", {{"error", written.error().message}});
  tail_.append(line).append("\n");
  if (tail_.size() > 2 * tail_bytes) tail_.erase(0, tail_.size() - tail_bytes);
}

void BuildLog::append(std::string_view bytes,
                      const std::function<void(std::string_view line)>& on_line) {
  std::vector<std::string> done;
  {
    const MutexLock lock(mutex_);
    partial_ += bytes;
    std::size_t start = 0;
    for (;;) {
      auto end = partial_.find('\n', start);
      const bool cut = end == std::string::npos && partial_.size() - start > longest_line;
      if (cut) end = start + longest_line;
      if (end == std::string::npos) break;
      std::string line = partial_.substr(start, end - start);
      start = cut ? end : end + 1;
      // A progress bar redraws its line: what stands after the last carriage return is what was
      // seen.
      if (line.ends_with('\r')) line.pop_back();
      if (const auto redraw = line.rfind('\r'); redraw != std::string::npos)
        line.erase(0, redraw + 1);
      if (!hidden_.empty()) line = mask_secrets(line, hidden_);
      write_line(line);
      done.push_back(std::move(line));
    }
    partial_.erase(0, start);
  }
  for (const std::string& line : done) on_line(line);
}

void BuildLog::flush(const std::function<void(std::string_view line)>& on_line) {
  bool unfinished = false;
  {
    const MutexLock lock(mutex_);
    unfinished = !partial_.empty();
  }
  if (unfinished) append("\n", on_line);
}

void BuildLog::hide(std::vector<std::string> secrets) {
  const MutexLock lock(mutex_);
  hidden_ = std::move(secrets);
}

std::string BuildLog::tail() const {
  const MutexLock lock(mutex_);
  return tail_.size() > tail_bytes ? tail_.substr(tail_.size() - tail_bytes) : tail_;
}

Status LogReader::open_oldest() {
  for (const fs::path& file : log_files(directory_)) {
    auto opened = open_file(file, O_RDONLY);
    if (!opened && opened.error().code == Errc::not_found) continue;  // rotated away just now
    SLIPWAY_TRY(file_, std::move(opened));
    break;
  }
  return {};
}

bool LogReader::open_newer() {
  struct stat info{};
  if (::fstat(file_.get(), &info) != 0) return false;
  const std::vector<fs::path> files = log_files(directory_);
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (inode_of(files[i]) != info.st_ino) continue;
    if (i + 1 == files.size()) return false;
    auto opened = open_file(files[i + 1], O_RDONLY);
    if (!opened) return false;
    file_ = *std::move(opened);
    return true;
  }
  // Ours is gone: rotated out of the log.
  file_.reset();
  return open_oldest().has_value() && file_.valid();
}

Result<std::optional<LogLine>> LogReader::next() {
  if (!file_.valid()) SLIPWAY_CHECK(open_oldest());
  while (file_.valid()) {
    const auto end = buffer_.find('\n', used_);
    if (end != std::string::npos) {
      auto line = parse_line(std::string_view(buffer_).substr(used_, end - used_));
      used_ = end + 1;
      if (line) return line;
      continue;  // a record cut short by a crash
    }
    buffer_.erase(0, used_);
    used_ = 0;
    const std::size_t have = buffer_.size();
    buffer_.resize(have + 65536);
    const ssize_t n = ::read(file_.get(), buffer_.data() + have, 65536);
    buffer_.resize(have + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    if (n < 0) return fail_errno(errno, "read the log");
    if (n == 0 && !open_newer()) return std::nullopt;
  }
  return std::nullopt;
}

MergedLogReader::MergedLogReader(const std::vector<Source>& sources) {
  for (const Source& source : sources)
    streams_.push_back(
        {.service = source.service, .reader = LogReader(source.directory), .ahead = {}});
}

Result<std::optional<MergedLogReader::Line>> MergedLogReader::next() {
  Stream* earliest = nullptr;
  for (Stream& stream : streams_) {
    if (!stream.ahead) {
      SLIPWAY_TRY(stream.ahead, stream.reader.next());
    }
    if (stream.ahead && (earliest == nullptr || stream.ahead->time < earliest->ahead->time))
      earliest = &stream;
  }
  if (earliest == nullptr) return std::optional<Line>();
  Line line{.service = earliest->service, .line = *std::move(earliest->ahead)};
  earliest->ahead.reset();
  return std::optional<Line>(std::move(line));
}

std::string log_tail(const fs::path& directory, std::size_t bytes) {
  LogReader reader(directory);
  std::string out;
  for (;;) {
    const auto line = reader.next();
    if (!line || !*line) break;
    out.append((*line)->line).append("\n");
    if (out.size() > 2 * bytes) out.erase(0, out.size() - bytes);
  }
  if (out.size() > bytes) out.erase(0, out.size() - bytes);
  return out;
}

std::string mask_secrets(std::string_view text, const std::vector<std::string>& secrets) {
  constexpr std::size_t shortest = 6;
  std::string out(text);
  for (const std::string& secret : secrets) {
    if (secret.size() < shortest) continue;
    for (auto at = out.find(secret); at != std::string::npos; at = out.find(secret, at + 5))
      out.replace(at, secret.size(), "*****");
  }
  return out;
}

Error mask_secrets(Error error, const std::vector<std::string>& secrets) {
  for (std::string* text : {&error.message, &error.hint, &error.command, &error.file})
    *text = mask_secrets(*text, secrets);
  for (std::string& line : error.excerpt) line = mask_secrets(line, secrets);
  for (NextStep& next : error.next) {
    next.command = mask_secrets(next.command, secrets);
    next.when = mask_secrets(next.when, secrets);
  }
  return error;
}

std::string BuildLog::hidden(std::string_view text) const {
  const MutexLock lock(mutex_);
  return mask_secrets(text, hidden_);
}

}  // namespace slipway
