// Ignore files from any folder: whatever the bytes, matching ends, and soon; what one rule says is
// what a file of that rule alone says.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "store/gitignore.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t middle = std::min(input.find('\0'), input.size());
  const std::string_view text = input.substr(0, middle);
  const std::string_view path = input.substr(std::min(middle + 1, input.size()));
  const IgnoreRules rules = IgnoreRules::parse(text);
  for (const auto kind : {IgnoreRules::Kind::file, IgnoreRules::Kind::directory}) {
    const auto verdict = rules.match(path, kind);
    // The last line decides when it matches at all.
    const std::size_t last = text.substr(0, text.empty() ? 0 : text.size() - 1).rfind('\n');
    if (last == std::string_view::npos || text.starts_with("\xef\xbb\xbf")) continue;
    const std::string_view line = text.substr(last + 1);
    if (line.starts_with("\xef\xbb\xbf")) continue;  // a mark at the start of a file only
    const auto alone = IgnoreRules::parse(line).match(path, kind);
    if (alone && alone != verdict) std::abort();
  }
  return 0;
}
