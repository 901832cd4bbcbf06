#pragma once

// Private to the fleet's own files.

#include "base/mutex.h"
#include "deploy/fleet.h"

namespace slipway {

// What it starts runs as previews do.
inline const Placement preview_placement;

struct Fleet::Member {
  Member(const DeploymentId& deployment, std::string_view unit)
      : label(unit), backend(std::make_shared<Backend>(deployment)) {}

  const std::string label;  // of the unit
  const std::shared_ptr<Backend> backend;

  // Guarded by the fleet's mutex_.
  bool routed = true;
  std::string sandbox;  // "" when none runs
  Duration started{};
  std::vector<Duration> crashes;
};

struct Fleet::Entry {
  Entry(DeploymentId deployment, std::string of, Duration now)
      : id(std::move(deployment)), project(std::move(of)), known_since(now) {}

  const DeploymentId id;
  const std::string project;  // whose share of threads its work takes
  const Duration known_since;
  Mutex operation;  // held while instances are started or stopped

  // Guarded by the fleet's mutex_.
  std::vector<MemberPtr> members;
  bool removed = false;
  std::stop_source stop;           // of a start under way: it was removed, or the server ends
  std::vector<Duration> failures;  // of starts that nobody asked for, within the crash window
};

}  // namespace slipway
