// Manifests from the network: whatever the bytes, parsing ends in a value or in a clear error; a
// value is canonical, and changes of it apply as they should.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <tuple>

#include "model/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway;
  // Two manifests, so that the fuzzer finds its way to differences too.
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t middle = std::min(text.find('\0'), text.size());
  const auto first = Manifest::parse(text.substr(0, middle));
  const auto second = Manifest::parse(text.substr(std::min(middle + 1, text.size())));
  if (first && first->to_text() != text.substr(0, middle)) std::abort();
  if (first)
    for (const ManifestEntry& entry : first->entries) {
      if (!check_manifest_path(entry.path) || first->find(entry.path) != &entry) std::abort();
      std::ignore = check_link_target(entry.path, text.substr(middle));
    }
  if (first && second) {
    const auto applied = apply(*first, delta(*first, *second));
    if (!applied || *applied != *second) std::abort();
  }
  return 0;
}
