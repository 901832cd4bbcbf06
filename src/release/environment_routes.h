#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "release/crews.h"
#include "release/releases.h"
#include "router/traffic.h"

namespace slipway {

// Says which host names lead to which release: turns where the environments stand, as recorded,
// into routes; with a canary, into two arms. Counts what each release answers. Thread-safe; one
// publisher at a time, each from the newest record, so that an older state never overwrites a
// newer one.
class EnvironmentRoutes {
 public:
  explicit EnvironmentRoutes(const Releases::Parts& parts) : parts_(parts) {}

  // All of an environment's hosts (its services', its domains) in one change of the table. Returns
  // how long that took, in microseconds: the switch itself. Hosts that it had and has no more go.
  [[nodiscard]] Result<std::int64_t> publish(std::string_view project,
                                             std::string_view environment);
  // From the next publish() on, `percent` of the clients are given `release`; 0: none. `salt`
  // decides which; the same for all steps of a canary.
  void set_canary(const Release& release, int percent, std::string salt);
  void clear_canary(std::string_view project, std::string_view environment);

  [[nodiscard]] std::shared_ptr<TrafficStats> stats(const Crews::Key& key);
  // Of a release that serves no more.
  void forget(const Crews::Key& key);
  // Every host that leads to a routed unit of the environment's, the first unit's first.
  [[nodiscard]] std::vector<std::string> domains(std::string_view project,
                                                 std::string_view environment) const;

 private:
  using Place = std::pair<std::string, std::string>;  // project, environment
  using Change = std::pair<std::string, std::optional<RouteTarget>>;
  struct Canary {
    std::int64_t number = 0;
    int percent = 0;
    std::string salt;
  };
  struct Serving {
    Release release;
    Deployment deployment;
  };
  [[nodiscard]] Result<std::optional<Serving>> load(std::string_view project,
                                                    std::string_view environment,
                                                    std::int64_t number) const;
  // Nothing when the unit answers nothing.
  [[nodiscard]] std::optional<TrafficSplit::Arm> arm(const Serving& serving, const Unit& unit);
  [[nodiscard]] RouteTarget target(const Serving& serving, const Unit& unit,
                                   const std::optional<Serving>& canary, const Canary& wanted);

  const Releases::Parts& parts_;
  Mutex publishing_;
  mutable Mutex mutex_ SLIPWAY_ACQUIRED_AFTER(publishing_);
  std::map<Place, Canary> canaries_ SLIPWAY_GUARDED_BY(mutex_);
  std::map<Crews::Key, std::shared_ptr<TrafficStats>> stats_ SLIPWAY_GUARDED_BY(mutex_);
  std::map<Place, std::set<std::string>> published_ SLIPWAY_GUARDED_BY(publishing_);
};

}  // namespace slipway
