#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace slipway {

// Builds bake addresses of other services into their output, yet one artifact runs at many
// addresses: previews, staging, production. So a build is told names that stand for them, below
// this one, and where the artifact runs they are filled in. RFC 2606 keeps ".invalid" from
// everyone.
inline constexpr std::string_view wire_domain = "slipway-wire.invalid";

// The files of an artifact that hold such names, and what stands for what, the longest first.
struct FilledWires {
  std::vector<std::string> files;
  std::vector<std::pair<std::string, std::string>> values;
  bool operator==(const FilledWires&) const = default;
};

// `text` with each name replaced by its value.
[[nodiscard]] std::string fill_wires(std::string text, const FilledWires& wires);

}  // namespace slipway
