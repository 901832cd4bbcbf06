// Any text is a Dockerfile of some shape, read in bounded time and memory.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "detect/dockerfile_syntax.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const slipway::Dockerfile file = slipway::parse_dockerfile(text);
  int before = 0;
  for (const auto& each : file.instructions) {
    if (each.line <= before || each.word.empty()) std::abort();
    before = each.line;
  }
  for (const auto& need : slipway::images_needed(file, {{"A", "b"}}))
    if (need.image.empty() || need.line <= 0) std::abort();
  if (slipway::declared_args(file).size() > size) std::abort();
  if (file.last_stage().size() > file.instructions.size()) std::abort();
  return 0;
}
