#pragma once

#include <span>
#include <string_view>

#include "model/plan.h"
#include "model/tree.h"

namespace slipway {

// Answers that replace what detection would decide; empty means: decide. Given by flags; those that
// the tree's slipway.toml gives come after them.
struct DetectOptions {
  std::string service, root, install, build, start, framework, runtime;
  std::string release, port, health, output, fallback;
};

// The fact of an app whose code listens at the port in PORT, perhaps beside others.
inline constexpr std::string_view listens_on_port = "listens on $PORT";

// The plan for a tree. Pure: no network, no execution, no host; the same tree gives the same plan,
// byte for byte. Always answers: a folder that nothing recognizes has no services and a warning
// that says what to add.
[[nodiscard]] Plan detect(const Tree& tree, const DetectOptions& options = {});

}  // namespace slipway
