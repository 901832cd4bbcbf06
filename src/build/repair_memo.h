#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "repair/repair.h"

namespace slipway {

// Which repairs a build needed, so that the next build of the same inputs begins with them instead
// of failing first. A cache: losing it costs that failure once more. One small file an input, at
// most `most_memos` of them (the oldest go); written atomically. Thread-safe.
struct RepairMemo {
  struct Entry {
    std::string repair;
    repair::Change change;
    bool operator==(const Entry&) const = default;
  };
  static constexpr std::size_t most_memos = 2000;

  // Nothing when the file is absent or damaged.
  [[nodiscard]] static std::vector<Entry> load(const std::filesystem::path& directory,
                                               std::string_view key);
  static void save(const std::filesystem::path& directory, std::string_view key,
                   const std::vector<Entry>& entries);
};

}  // namespace slipway
