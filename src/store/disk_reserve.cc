#include "store/disk_reserve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "sys/files.h"

namespace slipway {
namespace {

// So that somebody who fills the disk as fast as it is freed does not get all of it at once.
constexpr std::uint64_t parts = 8;

}  // namespace

DiskReserve::DiskReserve(DiskReserve&& other) noexcept
    : file_(std::move(other.file_)), wanted_(other.wanted_), bytes_(*other.bytes_.lock()) {}

Result<DiskReserve> DiskReserve::open(std::filesystem::path file, std::uint64_t bytes) {
  DiskReserve reserve(std::move(file), bytes);
  struct stat info{};
  if (::stat(reserve.file_.c_str(), &info) == 0 &&
      static_cast<std::uint64_t>(info.st_size) > bytes &&
      ::truncate(reserve.file_.c_str(), static_cast<off_t>(bytes)) != 0)
    return fail_errno(errno, "shorten " + reserve.file_.string());
  // What a full disk left of it stays until there is room.
  if (::stat(reserve.file_.c_str(), &info) == 0)
    *reserve.bytes_.lock() = static_cast<std::uint64_t>(info.st_size);
  reserve.refill();
  return reserve;
}

Status DiskReserve::take(std::uint64_t bytes) const {
  SLIPWAY_TRY(const Fd fd, open_file(file_, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600));
  if (::fallocate(fd.get(), 0, 0, static_cast<off_t>(bytes)) == 0) return {};
  if (errno != EOPNOTSUPP) return fail_errno(errno, "reserve room");
  const std::string zeros(64u << 10, '\0');  // a file system that cannot: written out
  for (std::uint64_t at = 0; at < bytes; at += zeros.size())
    SLIPWAY_CHECK(write_all(fd.get(), std::string_view(zeros).substr(0, bytes - at)));
  if (::fsync(fd.get()) != 0) return fail_errno(errno, "reserve room");
  return {};
}

bool DiskReserve::release() {
  auto bytes = bytes_.lock();
  if (*bytes == 0) return false;
  const std::uint64_t part = std::max<std::uint64_t>(wanted_ / parts, 1);
  const std::uint64_t left = *bytes > part ? *bytes - part : 0;
  if (::truncate(file_.c_str(), static_cast<off_t>(left)) != 0) return false;
  log_warn("the disk is full: a part of the reserve was given up", {{"left", left}});
  *bytes = left;
  return true;
}

void DiskReserve::refill() {
  auto bytes = bytes_.lock();
  if (*bytes == wanted_) return;
  const auto free = free_bytes(file_.parent_path());
  if (!free || *free < (wanted_ - *bytes) + 2 * wanted_) return;
  if (Status taken = take(wanted_); !taken) {
    // Whatever was allocated of it stays with what is known of it.
    std::ignore = ::truncate(file_.c_str(), static_cast<off_t>(*bytes));
    log_warn("the reserve for a full disk was not taken", {{"error", taken.error().message}});
    return;
  }
  *bytes = wanted_;
}

std::uint64_t DiskReserve::bytes() const { return *bytes_.lock(); }

}  // namespace slipway
