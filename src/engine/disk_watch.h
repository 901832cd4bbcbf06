#pragma once

#include <ctime>
#include <filesystem>
#include <vector>

#include "base/clock.h"
#include "sys/disk_use.h"

namespace slipway {

// Whether a step has written more than it may, where the kernel does not say so itself. Counting
// files takes long, asking a file system what is free does not: what is left to the step cannot be
// gone while less than that is missing there. So over() may be asked often, and counts when that
// much is missing, and every few seconds. Not thread-safe.
class DiskWatch {
 public:
  // Counts all of `whole`, and of the `shared` what was changed from now on. `clock` must outlive
  // it.
  DiskWatch(std::vector<std::filesystem::path> whole, std::vector<std::filesystem::path> shared,
            const DiskSpace& limit, const Clock& clock);
  [[nodiscard]] bool over();
  // The same when the step has ended: what it wrote since it was counted last counts now.
  [[nodiscard]] bool over_at_last();
  // How often over() is worth asking.
  static constexpr Duration interval = std::chrono::milliseconds{100};

 private:
  [[nodiscard]] DiskSpace used() const;
  [[nodiscard]] DiskSpace free() const;
  [[nodiscard]] bool may_be_over() const;
  [[nodiscard]] bool count();

  std::vector<std::filesystem::path> whole_, shared_;
  DiskSpace limit_;
  const Clock& clock_;
  timespec begun_{};
  DiskSpace used_, free_;                 // when it was counted last
  Duration may_count_at_{}, count_at_{};  // by Clock::monotonic()
};

}  // namespace slipway
