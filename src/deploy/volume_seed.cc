#include "deploy/volume_seed.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "sys/files.h"
#include "sys/mounts.h"

namespace slipway {

Result<LayeredView> LayeredView::open(const std::vector<std::filesystem::path>& layers) {
  if (layers.empty()) return LayeredView(Fd());
  if (layers.size() == 1) {
    SLIPWAY_TRY(Fd root, open_file(layers.front(), O_RDONLY | O_DIRECTORY));
    return LayeredView(std::move(root));
  }
  std::vector<std::string> topmost_first;
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer)
    topmost_first.push_back(layer->string());
  SLIPWAY_TRY(Fd root, new_overlay_view(topmost_first));
  return LayeredView(std::move(root));
}

Result<Fd> LayeredView::find(std::string_view path) const {
  if (!root_.valid()) return Fd();
  Result<Fd> found = open_beneath(root_, path);
  if (!found && found.error().code == Errc::not_found) return Fd();
  if (!found) return found;
  // Opened again to be read; its own name in /proc leads to exactly this file.
  return open_file(fmt::format("/proc/self/fd/{}", found->get()), O_RDONLY | O_NONBLOCK);
}

}  // namespace slipway
