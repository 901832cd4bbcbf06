#include "engine/disk_watch.h"

#include <algorithm>

namespace slipway {
namespace {

using namespace std::chrono_literals;

constexpr Duration count_interval = 2s;

DiskSpace minus(const DiskSpace& a, const DiskSpace& b) {
  return {a.bytes - std::min(a.bytes, b.bytes), a.inodes - std::min(a.inodes, b.inodes)};
}

}  // namespace

DiskWatch::DiskWatch(std::vector<std::filesystem::path> whole,
                     std::vector<std::filesystem::path> shared, const DiskSpace& limit,
                     const Clock& clock)
    : whole_(std::move(whole)), shared_(std::move(shared)), limit_(limit), clock_(clock) {
  // The kernel's own, coarser clock: what it stamps files with.
  ::clock_gettime(CLOCK_REALTIME_COARSE, &begun_);
  free_ = free();
  may_count_at_ = clock_.monotonic();
  count_at_ = may_count_at_ + count_interval;
}

DiskSpace DiskWatch::used() const {
  DiskSpace total;
  const auto add = [&](const std::filesystem::path& path, const timespec& since) {
    const DiskSpace more = disk_space_used(path, minus(limit_, total), since);
    total.bytes += more.bytes;
    total.inodes += more.inodes;
  };
  for (const auto& path : whole_) add(path, {});
  for (const auto& path : shared_) add(path, begun_);
  return total;
}

DiskSpace DiskWatch::free() const {
  const auto now = whole_.empty() ? fail(Errc::internal, "") : disk_space_free(whole_.front());
  return now ? *now : DiskSpace{};
}

bool DiskWatch::may_be_over() const { return minus(free_, free()).exceeds(minus(limit_, used_)); }

bool DiskWatch::count() {
  const Duration began = clock_.monotonic();
  used_ = used();
  free_ = free();
  const Duration ended = clock_.monotonic(), took = ended - began;
  // At most a twentieth of the time goes into counting, a quarter when there is a reason.
  may_count_at_ = ended + 3 * took;
  count_at_ = ended + std::max<Duration>(count_interval, 20 * took);
  return used_.exceeds(limit_);
}

bool DiskWatch::over() {
  const Duration now = clock_.monotonic();
  if (now < may_count_at_ || (now < count_at_ && !may_be_over())) return false;
  return count();
}

bool DiskWatch::over_at_last() { return may_be_over() && count(); }

}  // namespace slipway
