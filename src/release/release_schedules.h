#pragma once

#include <map>
#include <string>

#include "db/release_store.h"
#include "db/repository.h"
#include "deploy/schedules.h"
#include "release/crews.h"

namespace slipway {

// Has the schedules of what serves in production run, and of nothing else that was released. Not
// thread-safe; everything given must outlive it.
class ReleaseSchedules {
 public:
  struct Parts {
    ReleaseStore& store;
    Repository& repository;
    Crews& crews;
    Schedules& schedules;
  };
  explicit ReleaseSchedules(Parts parts) : parts_(parts) {}

  // Now and then (once a second): follows what was switched.
  void tick();

 private:
  void follow(const std::string& name, const EnvironmentState& state);

  Parts parts_;
  std::map<std::string, std::string> watched_;  // by project: the name of its release
};

}  // namespace slipway
