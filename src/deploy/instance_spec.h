#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "build/builder.h"
#include "db/repository.h"
#include "deploy/environments.h"
#include "deploy/names.h"
#include "deploy/preview_volumes.h"
#include "deploy/settings.h"
#include "engine/engine.h"
#include "store/layer_store.h"

namespace slipway {

// How a unit of a deployment runs, as a value: an instance, its release command or a scheduled run.
struct InstanceParts {
  const Settings& settings;
  Repository& repository;
  LayerStore& layers;
  const Builder& builder;
  const Names& names;
  const Environments& environments;
  const PreviewVolumes* previews = nullptr;  // none: previews keep nothing
};

// The host name of a unit, by its label.
using HostOf = std::function<std::string(std::string_view label)>;

// Where an instance runs, beyond its deployment. The default is a preview's.
struct Placement {
  std::string environment{preview_environment};
  // Of the environment's configuration; nothing: the deployment's own, with its -e options.
  std::optional<std::int64_t> config_version;
  std::string cgroup = "previews";  // previews | production
  std::string uid_owner;            // whose range of uids; "": the preview alias's
  std::int64_t release = 0;
  std::string release_layer;  // instead of the artifact's, when there is a release
  std::vector<BindMount> volumes;
  HostOf host;  // of the units; nothing: the deployment's own
  std::vector<std::pair<std::string, std::string>> labels;  // beside the usual ones
};

// The address, inside an instance, at which another unit of its deployment is found: number `index`
// of units_of(). In 127.0.0.0/8, so that it needs no network.
[[nodiscard]] std::string sibling_address(std::size_t index);

// What a unit is told of the others: "<SERVICE>_URL" of each, then what the plan's wires say.
// `when` "build" yields those that a build must know. `host` as in Placement.
[[nodiscard]] EnvVars sibling_variables(const Deployment& deployment, const Unit& unit,
                                        const Names& names, std::string_view when,
                                        const HostOf& host = {});

// The sandbox of `unit`; writes its hosts file. `command` "" is the unit's start command. Errors:
// corrupt when a layer is gone, failed_precondition when a toolchain is.
[[nodiscard]] Result<SandboxSpec> instance_spec(const InstanceParts& parts,
                                                const Deployment& deployment, const Unit& unit,
                                                const std::string& sandbox,
                                                std::string_view command = {},
                                                const Placement& placement = {});

}  // namespace slipway
