#pragma once

#include <ctime>
#include <filesystem>

namespace slipway {

// Now, by the clock with which the kernel stamps files; to compare with such a stamp, or to set
// one. All else asks Clock.
[[nodiscard]] inline std::time_t file_seconds_now() { return std::time(nullptr); }
[[nodiscard]] inline std::filesystem::file_time_type file_time_now() {
  return std::filesystem::file_time_type::clock::now();
}

}  // namespace slipway
