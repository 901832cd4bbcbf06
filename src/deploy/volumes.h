#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "deploy/settings.h"
#include "deploy/volume_copy.h"
#include "deploy/volume_places.h"
#include "engine/engine.h"
#include "model/deployment.h"
#include "store/layer_store.h"

namespace slipway {

// Directories of an app that outlive its instances: what its plan lists in `volumes`. Each
// environment of a project has its own; a preview has one that goes with it. No environment ever
// sees another's. They lie at <data>/volumes/<project>/<environment or deployment>/live/<name>,
// snapshots beside `live`. Their files carry ids as seen inside, like a layer's.
//
// A change is complete or has not happened: copies are made beside their place and renamed.
// Thread-safe; different projects and environments do not wait for each other. What it is given
// must outlive it.
class Volumes {
 public:
  struct Parts {
    const Settings& settings;  // volumes.*, data
    const Clock& clock;
    LayerStore& layers;
    VolumeCopier copy = copy_volume;
  };
  explicit Volumes(Parts parts);
  ~Volumes();

  // What to bind into an instance of `unit`, made when absent: what the layers hold at that place
  // is copied into a volume that is new. `owner`: the environment, or a preview's deployment id.
  // Places that no volume can be at are left out (problems()). Errors: start_failed when the
  // project's own files are in the way of one; disk_full, io.
  [[nodiscard]] Result<std::vector<BindMount>> binds(std::string_view project,
                                                     std::string_view owner,
                                                     const Unit& unit) const;
  // Of a unit's volumes: one line each, for people.
  [[nodiscard]] static std::vector<std::string> problems(const Unit& unit);

  // Gives a new preview's volumes their first contents: a copy of those of `from` (another preview,
  // or an environment that people let previews copy). Nothing happens when it has volumes already,
  // or `from` has none. Errors: too_large beyond volumes.copy_limit, disk_full.
  [[nodiscard]] Status inherit(std::string_view project, std::string_view preview,
                               std::string_view from) const;

  // Whether an owner has any volumes. Cheap.
  [[nodiscard]] bool exist(std::string_view project, std::string_view owner) const;
  struct Volume {
    std::string name;
    std::uint64_t bytes = 0;  // of disk
  };
  // By name; empty for an owner that has none. Walks their files.
  [[nodiscard]] Result<std::vector<Volume>> list(std::string_view project,
                                                 std::string_view owner) const;
  // Environments and deployments that have volumes, by name.
  [[nodiscard]] std::vector<std::string> owners(std::string_view project) const;
  [[nodiscard]] std::vector<std::string> projects() const;
  // Why an owner's volumes are too large together (volumes.limit); nothing when they are not, or
  // the setting is 0. Walks their files: not for every second.
  [[nodiscard]] std::optional<std::string> excess(std::string_view project,
                                                  std::string_view owner) const;

  struct Snapshot {
    std::string id;  // "snp_…"
    Timestamp at{};
    std::uint64_t bytes = 0;
    std::string reason;
  };
  // A consistent copy of all volumes of an environment (SQLite databases by their own backup, the
  // rest file by file, sharing blocks where the file system can). Nothing when there are none. The
  // oldest ones beyond volumes.keep_snapshots go. `before` learns its id before it is made, to
  // record it; an error of it is the end.
  using Before = std::function<Status(std::string_view id)>;
  [[nodiscard]] Result<std::optional<Snapshot>> snapshot(std::string_view project,
                                                         std::string_view environment,
                                                         std::string_view reason,
                                                         const Before& before = {}) const;
  // Newest first.
  [[nodiscard]] Result<std::vector<Snapshot>> snapshots(std::string_view project,
                                                        std::string_view environment) const;
  // Nothing may run on them meanwhile. What was there is kept as a snapshot of its own. Errors:
  // not_found.
  [[nodiscard]] Status restore(std::string_view project, std::string_view environment,
                               std::string_view snapshot) const;
  [[nodiscard]] Status remove_snapshot(std::string_view project, std::string_view environment,
                                       std::string_view snapshot) const;
  // All volumes of an owner; a preview's, with the preview. Its snapshots stay with an environment
  // (remove_snapshot()), and go with a preview. Absent is fine.
  [[nodiscard]] Status remove(std::string_view project, std::string_view owner) const;

  // Once, before anything runs: takes away what a killed process left half done.
  [[nodiscard]] Status recover() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway
