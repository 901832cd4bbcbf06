#include "cli/pack_stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "store/blob_store.h"
#include "sys/files.h"

namespace slipway::cli {
namespace {

constexpr std::size_t queue_limit = 4u << 20;

std::unexpected<Error> changed(const std::filesystem::path& path) {
  Error error{.code = Errc::conflict,
              .message = fmt::format("{} changed while it was sent", path.string()),
              .hint = "deploy again when nothing writes to the folder"};
  error.phase = changed_phase;
  return fail(std::move(error));
}

// Reads one file of the pack; opened at the first read, so that a pack of many files needs one
// descriptor at a time.
class FileSource {
 public:
  FileSource(const PackFile& file, std::atomic<std::uint64_t>& counter)
      : file_(file), counter_(counter) {}

  Result<std::size_t> read(std::span<char> into) {
    if (file_.entry.mode == FileMode::symlink) return read_link(into);
    if (!fd_.valid() && read_ == 0) {
      Result<Fd> opened = open_file(file_.path, O_RDONLY | O_NOFOLLOW);
      if (!opened)
        return opened.error().code == Errc::not_found ? changed(file_.path)
                                                      : fail(std::move(opened).error());
      fd_ = *std::move(opened);
    }
    const std::uint64_t left = file_.entry.size - read_;
    if (left == 0) {
      fd_.reset();
      return 0;
    }
    const ssize_t got = ::read(fd_.get(), into.data(), std::min<std::uint64_t>(into.size(), left));
    if (got < 0) return fail_errno(errno, file_.path.string());
    if (got == 0) return changed(file_.path);
    return count(static_cast<std::size_t>(got));
  }

 private:
  Result<std::size_t> read_link(std::span<char> into) {
    std::error_code error;
    const std::string target = std::filesystem::read_symlink(file_.path, error).string();
    if (error || target.size() != file_.entry.size) return changed(file_.path);
    const std::size_t n = std::min<std::size_t>(into.size(), target.size() - read_);
    std::memcpy(into.data(), target.data() + read_, n);
    return count(n);
  }
  std::size_t count(std::size_t n) {
    read_ += n;
    counter_ += n;
    return n;
  }

  const PackFile& file_;
  std::atomic<std::uint64_t>& counter_;
  Fd fd_;
  std::uint64_t read_ = 0;
};

}  // namespace

PackStream::PackStream(std::vector<PackFile> files) : files_(std::move(files)) {
  thread_ = std::thread([this] { write(); });
}

PackStream::~PackStream() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void PackStream::write() {
  std::vector<PackItem> items;
  items.reserve(files_.size());
  for (const PackFile& file : files_) {
    auto source = std::make_shared<FileSource>(file, bytes_read_);
    items.push_back({.digest = file.entry.digest,
                     .size = file.entry.size,
                     .read = [source](std::span<char> into) { return source->read(into); }});
  }
  Status status = write_pack(items, [this](std::string_view bytes) { return push(bytes); });
  {
    const std::lock_guard lock(mutex_);
    outcome_ = std::move(status);
  }
  changed_.notify_all();
}

Status PackStream::push(std::string_view bytes) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopping_ || queued_bytes_ < queue_limit; });
  if (stopping_) return fail(Errc::canceled, "the upload was stopped");
  if (bytes.empty()) return {};
  queue_.emplace_back(bytes);
  queued_bytes_ += bytes.size();
  lock.unlock();
  changed_.notify_all();
  return {};
}

Result<std::string_view> PackStream::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !queue_.empty() || outcome_.has_value(); });
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
