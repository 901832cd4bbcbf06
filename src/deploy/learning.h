#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "model/deployment.h"

namespace slipway {

// What running a deployment teaches, as findings with a one-line fix; and what of that is certain,
// for the next plan of its project. Pure.

// Where the instance of the unit called `label` listens; nothing when it does not run.
using OpenedPort = std::function<std::optional<int>(std::string_view label)>;

// After it became ready: an app that listens elsewhere than it was told gets its port remembered
// and a finding "port_differs".
void learn_from_run(Deployment& deployment, const OpenedPort& opened);

// After it failed: what is missing (a module, a variable, a file, a version) as a finding.
void learn_from_failure(Deployment& deployment, const Error& error);

// Puts what `before` taught into a new plan of the same project: the port of a service that says
// none by itself.
void apply_lessons(Plan& plan, const Deployment& before);

}  // namespace slipway
