#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "db/repository.h"
#include "db/volume_store.h"
#include "deploy/settings.h"
#include "deploy/volumes.h"

namespace slipway {

// The volumes of previews: each deployment's own. A new one starts with a copy of what the last
// good preview of its alias has, so that a series of previews keeps its data while each can spoil
// only its own; the first of a series with a copy of an environment's, when people said so
// (`slipway volume share`), else with what its layers hold. Never with production's by itself.
// Thread-safe. What it is given must outlive it.
class PreviewVolumes {
 public:
  struct Parts {
    const Settings& settings;
    const Clock& clock;
    const Volumes& volumes;
    Repository& repository;
    VolumeStore& store;
  };
  explicit PreviewVolumes(Parts parts) : parts_(parts) {}

  // Made when absent, which may take as long as the copy. Errors: as Volumes::inherit() and
  // Volumes::binds().
  [[nodiscard]] Result<std::vector<BindMount>> binds(const Deployment& deployment,
                                                     const Unit& unit) const;
  [[nodiscard]] std::optional<std::string> excess(const DeploymentId& id) const;
  // Removes those of previews that are gone. The last of a series stays for another previews.ttl
  // after it expired, for the next one to go on with. Tells of environments beyond the limit.
  [[nodiscard]] Status collect() const;

 private:
  // Whose copy a new preview starts with; "" for nobody's.
  [[nodiscard]] Result<std::string> source_for(const Deployment& deployment) const;

  Parts parts_;
};

}  // namespace slipway
