#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace slipway {

// What an instance of some layers would find at a path before anything of it ran: the layers, as
// one file system. A view of it, while this lives. Needs root.
class LayeredView {
 public:
  // Lowest first.
  [[nodiscard]] static Result<LayeredView> open(const std::vector<std::filesystem::path>& layers);

  // Opens "/app/data", say, for reading; invalid when nothing is there. Errors: invalid_argument
  // when a link is in the way.
  [[nodiscard]] Result<Fd> find(std::string_view path) const;

 private:
  explicit LayeredView(Fd root) : root_(std::move(root)) {}
  Fd root_;  // invalid without layers
};

}  // namespace slipway
