#pragma once

#include <string>

#include "build/builder.h"
#include "db/repository.h"
#include "deploy/environments.h"
#include "deploy/names.h"
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
};

// The address, inside an instance, at which another unit of its deployment is found: number `index`
// of units_of(). In 127.0.0.0/8, so that it needs no network.
[[nodiscard]] std::string sibling_address(std::size_t index);

// What a unit is told of the others: "<SERVICE>_URL" of each, then what the plan's wires say.
// `when` "build" yields those that a build must know.
[[nodiscard]] EnvVars sibling_variables(const Deployment& deployment, const Unit& unit,
                                        const Names& names, std::string_view when);

// The sandbox of `unit`; writes its hosts file. `command` "" is the unit's start command. Errors:
// corrupt when a layer is gone, failed_precondition when a toolchain is.
[[nodiscard]] Result<SandboxSpec> instance_spec(const InstanceParts& parts,
                                                const Deployment& deployment, const Unit& unit,
                                                const std::string& sandbox,
                                                std::string_view command = {});

}  // namespace slipway
