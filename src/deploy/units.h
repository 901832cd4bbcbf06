#pragma once

#include <string>
#include <string_view>

#include "detect/detect.h"
#include "model/deployment.h"

namespace slipway {

// Which services of a deployment's plan are built and run, and how they are called. Pure.

// What the deployer said instead of detection.
[[nodiscard]] DetectOptions answers_of(const DeployOptions& options);

// Chooses the first service (whose URL is the deployment's: the one that answers requests and that
// no other one needs) and makes a companion of each other one, with artifacts still empty. Workers
// run when asked for or when there is nothing else; schedules when asked for.
void choose_units(Deployment& deployment);

// The artifact of a unit, to be filled. Never null for a label of units_of().
[[nodiscard]] Artifact& artifact_of(Deployment& deployment, std::string_view label);

// The variable that tells a unit where another service is: "API_URL" for "api".
[[nodiscard]] std::string address_variable(std::string_view service);

// Whether every instance that reads the variable is given it by Slipway: what the artifact sets,
// and what leads to the other services.
[[nodiscard]] bool is_provided(const Deployment& deployment, std::string_view variable);

// "api: npm ci" when there are several services, else the text itself.
[[nodiscard]] std::string labelled(const Deployment& deployment, const Unit& unit,
                                   std::string_view text);

}  // namespace slipway
