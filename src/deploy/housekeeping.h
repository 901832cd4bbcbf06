#pragma once

#include <functional>

#include "base/clock.h"
#include "base/task_group.h"
#include "db/release_store.h"
#include "db/repository.h"
#include "deploy/fleet.h"
#include "deploy/service.h"
#include "deploy/settings.h"
#include "deploy/sites.h"
#include "store/blob_store.h"
#include "store/layer_store.h"

namespace slipway {

// What must happen by itself: idle instances sleep, previews expire at their time and beyond the
// cap, what was removed long ago is forgotten, blobs, layers and logs that nothing refers to are
// deleted. Runs on a thread of its own from start() until stop().
class Housekeeping {
 public:
  struct Parts {
    const Settings& settings;
    const Clock& clock;
    Repository& repository;
    BlobStore& blobs;
    LayerStore& layers;
    Builder& builder;
    Fleet& fleet;
    Sites& sites;
    DeployService& service;
    GovernanceService& governance;
    ReleaseStore& releases;                   // their artifacts are kept
    std::function<void()> tick_releases;      // once a second; may be empty
    const PreviewVolumes* volumes = nullptr;  // of previews that are gone are removed
  };
  explicit Housekeeping(Parts parts) : parts_(parts) {}
  ~Housekeeping() { stop(); }
  [[nodiscard]] Status start();  // errors: unavailable
  void stop();

  // The parts of its work, each callable alone. collect_garbage() returns the bytes freed; a second
  // one at a time waits for the first. Thread-safe.
  [[nodiscard]] Status expire_previews();
  [[nodiscard]] Result<std::uint64_t> collect_garbage();

 private:
  // What was done when, by Clock::monotonic().
  struct Done {
    Duration collection{}, expiry{}, flush{}, drop{};
  };
  void look(Done& last);
  [[nodiscard]] Status expire(const DeploymentId& id, std::string_view reason);

  Parts parts_;
  Mutex collecting_;
  Worker worker_{"housekeeping"};
};

}  // namespace slipway
