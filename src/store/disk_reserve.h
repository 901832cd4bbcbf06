#pragma once

#include <cstdint>
#include <filesystem>

#include "base/guarded.h"
#include "base/result.h"

namespace slipway {

// Room on the disk that nobody uses, taken by a file, so that the brakes work on a full one: ending
// an agent, revoking a token, rolling back, removing. It is given up in parts, each to what failed
// for want of room, and taken again when there is enough. Thread-safe.
class DiskReserve {
 public:
  // Takes `bytes` at `file` as far as there is room; 0: keeps none. A reserve of another size is
  // changed.
  [[nodiscard]] static Result<DiskReserve> open(std::filesystem::path file, std::uint64_t bytes);
  DiskReserve(DiskReserve&& other) noexcept;

  // Gives up a part. False when none is left.
  bool release();
  // Takes all of it again when at least twice as much would still be free. Call it now and then.
  void refill();
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  DiskReserve(std::filesystem::path file, std::uint64_t wanted)
      : file_(std::move(file)), wanted_(wanted) {}
  [[nodiscard]] Status take(std::uint64_t bytes) const;

  std::filesystem::path file_;
  std::uint64_t wanted_;
  Guarded<std::uint64_t> bytes_;  // that the file takes now
};

}  // namespace slipway
