#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/ids.h"
#include "model/actor.h"
#include "model/deployment.h"

namespace slipway {

// Environments that every project has. Others are made by the first promotion to them. None of them
// may be the name of an alias of the project.
inline constexpr std::string_view production_environment = "production";
inline constexpr std::string_view staging_environment = "staging";

// A numbered entry in an environment's history: one deployment with one version of the
// environment's configuration. Made by a rollout; it serves when the rollout switches to it, and
// again whenever a rollback does. Never edited, but for what became of it.
struct Release {
  std::string project, environment;
  std::int64_t number = 0;  // from 1 in each environment
  DeploymentId deployment;
  std::int64_t config_version = 0;
  // artifact_digest() of the deployment when it was promoted. Checked before every start: what was
  // verified is what ships.
  Digest artifact;
  std::string message;
  Actor actor;
  Timestamp created_at{};
  RolloutId rollout;                 // that made it
  std::string decision;              // that allowed it; "" for none
  std::optional<Timestamp> live_at;  // when it first served; nothing when it never has
  // What its release command left behind, by label of the unit: the id of a layer.
  std::map<std::string, std::string> release_layers;
  bool kept = true;  // its artifact is still there, so that it can be rolled back to

  bool operator==(const Release&) const = default;
};

// How a release's bytes are named: the digest of the canonical form of everything that its
// instances would run (layers, start commands, toolchains, static files), of all units.
[[nodiscard]] Digest artifact_digest(const Deployment& deployment);

// What moves an environment from one release to another.
enum class RolloutKind { promotion, rollback, configuration };
[[nodiscard]] std::string_view to_string(RolloutKind kind);
[[nodiscard]] std::optional<RolloutKind> parse_rollout_kind(std::string_view text);

// waiting: for people. running: until the switch. canary: part of the traffic goes to the new one.
// watching: switched; the old one is kept warm, and a failing new one is rolled back. The others
// are the ends: done; failed (nothing had been switched, or it was taken back before all traffic
// was); rolled_back (after the switch, by itself or by a rollback); canceled; denied.
enum class RolloutState {
  waiting,
  running,
  canary,
  watching,
  done,
  failed,
  rolled_back,
  canceled,
  denied
};
[[nodiscard]] std::string_view to_string(RolloutState state);
[[nodiscard]] std::optional<RolloutState> parse_rollout_state(std::string_view text);
[[nodiscard]] bool is_over(RolloutState state);

// One measure of a canary or of a watched release, compared with what served before.
struct MetricEvidence {
  std::string metric;    // errors | latency | restarts | memory | readiness | crash_loop | ...
  std::string says;      // ok | worse | no_data
  double e_value = 0;    // of the sequential test; 0 for a deterministic trip
  double threshold = 0;  // it trips at this
  std::uint64_t count = 0, of = 0;                    // the new release's
  std::uint64_t baseline_count = 0, baseline_of = 0;  // the old one's
  std::string detail;                                 // for people, one line
  bool operator==(const MetricEvidence&) const = default;
};
// What was decided at the end of a canary's step, or when a watch tripped.
struct CanaryVerdict {
  int percent = 0;   // of the traffic, when it was given
  std::string says;  // advance | hold | roll_back
  Timestamp at{};
  std::vector<MetricEvidence> evidence;
  std::string decision;  // the policies', of a step that went on; "" for none
  bool operator==(const CanaryVerdict&) const = default;
};

// A request to make before traffic is given to a release: GET `path`, answered with `status`.
struct SmokeRequest {
  std::string path = "/";
  int status = 200;
  bool operator==(const SmokeRequest&) const = default;
};

// What a rollout waits for: people (`waiting`), or, as a canary, requests to judge it by or what
// the policies ask for.
enum class RolloutWait { nothing, approval, traffic, policies };
[[nodiscard]] std::string_view to_string(RolloutWait waits_for);  // "" for nothing
[[nodiscard]] std::optional<RolloutWait> parse_rollout_wait(std::string_view text);

// One move of an environment, from asking to its end.
struct Rollout {
  RolloutId id;
  RolloutKind kind = RolloutKind::promotion;
  std::string project, environment;
  std::int64_t from = 0;  // the release that served; 0 for none
  std::int64_t to = 0;
  DeploymentId deployment;  // of `to`
  RolloutState state = RolloutState::running;
  RolloutWait waits_for = RolloutWait::nothing;  // while it is `waiting` or `canary`
  std::string reason;                            // of its end, or what it waits for, for people
  bool automatic = false;                        // by Slipway itself
  Actor actor;
  std::string message;
  std::vector<int> canary;              // percent, rising; empty: all at once
  std::optional<Duration> canary_step;  // how long a step lasts at least; nothing: the setting
  std::vector<SmokeRequest> smoke;
  std::optional<std::string> restore;  // the snapshot of volumes to go back to; for a rollback
  Timestamp created_at{};
  std::optional<Timestamp> switched_at, ended_at;
  std::int64_t switch_micros = 0;  // that publishing the routes took
  std::vector<Step> steps;         // wait release start probe smoke canary switch watch drain
  std::vector<CanaryVerdict> verdicts;
  std::string snapshot;            // of the volumes, made before the release command; "" for none
  std::string decision, approval;  // ids; "" for none
  Digest artifact;                 // of `to`: equal to the preview's, or it would have failed
  std::optional<Error> error;

  bool operator==(const Rollout&) const = default;
};

// Where an environment stands. Written in one transaction with every switch.
struct EnvironmentState {
  std::string project, environment;
  std::int64_t current = 0;   // the release that serves; 0 for none
  std::int64_t previous = 0;  // kept warm while `current` is watched; 0 for none
  RolloutId active;           // the rollout that is under way; empty for none
  // Deploys that promote by themselves are held back, since a rollback, until somebody resumes or
  // promotes on purpose. "" means they are not.
  std::string paused;
  std::optional<Timestamp> frozen_until;  // no automatic rollback before: there were too many
  // Of each web service, as `slipway scale` wants it; 0: the setting.
  std::uint32_t instances = 0;
  bool operator==(const EnvironmentState&) const = default;
};

}  // namespace slipway
