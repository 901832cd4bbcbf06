#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "engine/engine.h"
#include "model/deployment.h"

namespace slipway {

// Directories of an app that outlive its instances: what its plan lists in `volumes`. Each
// environment of a project has its own; a preview has one that goes with it. No environment ever
// sees another's. They lie at <data>/volumes/<project>/<environment or deployment>/<name>.
// Thread-safe. What it is given must outlive it.
class Volumes {
 public:
  Volumes(std::filesystem::path root, const Clock& clock) : root_(std::move(root)), clock_(clock) {}

  // What to bind into an instance of `unit`, made when absent: what the layers hold at that place
  // is copied into a volume that is new. `owner`: the environment, or a preview's deployment id.
  [[nodiscard]] Result<std::vector<BindMount>> binds(std::string_view project,
                                                     std::string_view owner,
                                                     const Unit& unit) const;

  struct Snapshot {
    std::string id;  // "snp_…"
    Timestamp at{};
    std::uint64_t bytes = 0;
    std::string reason;
  };
  // A consistent copy of all volumes of an environment (SQLite databases by their own backup, the
  // rest file by file, sharing blocks where the file system can). Nothing when there are none.
  [[nodiscard]] Result<std::optional<Snapshot>> snapshot(std::string_view project,
                                                         std::string_view environment,
                                                         std::string_view reason) const;
  // Newest first.
  [[nodiscard]] Result<std::vector<Snapshot>> snapshots(std::string_view project,
                                                        std::string_view environment) const;
  // Nothing may run on them meanwhile. What was there is kept as a snapshot of its own.
  [[nodiscard]] Status restore(std::string_view project, std::string_view environment,
                               std::string_view snapshot) const;
  [[nodiscard]] Status remove_snapshot(std::string_view project, std::string_view environment,
                                       std::string_view snapshot) const;
  // A preview's, with the preview.
  [[nodiscard]] Status remove(std::string_view project, std::string_view owner) const;

 private:
  std::filesystem::path root_;
  const Clock& clock_;
};

}  // namespace slipway
