#include "model/wires.h"

namespace slipway {

std::string fill_wires(std::string text, const FilledWires& wires) {
  for (const auto& [name, value] : wires.values)
    for (auto at = text.find(name); at != std::string::npos;
         at = text.find(name, at + value.size()))
      text.replace(at, name.size(), value);
  return text;
}

}  // namespace slipway
