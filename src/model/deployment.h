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
#include "model/manifest.h"
#include "model/plan.h"

namespace slipway {

// DESIGN.md §3. `ready` and `sleeping` answer requests.
enum class DeploymentState {
  queued,
  building,
  starting,
  ready,
  sleeping,
  failed,
  canceled,
  stopped,
  expired,
  deleted
};
[[nodiscard]] std::string_view to_string(DeploymentState state);
[[nodiscard]] std::optional<DeploymentState> parse_deployment_state(std::string_view text);
// No further work will happen by itself: ready, sleeping, failed, canceled, stopped, expired,
// deleted.
[[nodiscard]] bool is_settled(DeploymentState state);
// Whether its URL leads to the app.
[[nodiscard]] bool is_live(DeploymentState state);

using EnvVars = std::map<std::string, std::string>;

// What the user said beside the folder itself. Values of `env` are secrets to everybody but the
// app.
struct DeployOptions {
  std::string alias;  // "" means the project's default alias, "preview"
  std::string message;
  EnvVars env;        // run time (-e)
  EnvVars build_env;  // build time (-b)
  std::optional<Duration> ttl;
  // Answers that replace detection's; empty means: as detected.
  std::string service, root, install, build, start, framework, runtime;
  std::string release, output, port, health;
  // A preview runs what answers requests; the rest only when asked.
  bool with_workers = false, with_schedules = false;
  bool no_repair = false;  // a step that fails stays failed (repair/)
  std::string promote_to;  // the environment that it goes on to once it is ready; "" for none
  bool operator==(const DeployOptions&) const = default;
};

// How a container image wants to be run. Its layers are its whole root file system.
struct ImageRun {
  std::vector<std::string> argv;  // what it starts, unless the artifact's `start` says otherwise
  std::uint32_t uid = 0, gid = 0;
  std::vector<std::uint32_t> groups;  // additional ones
  int stop_signal = 15;
  std::vector<std::string> volumes;  // directories that it declares to hold data
  std::vector<std::string> bases;    // images it is built on: "docker.io/library/node:20@sha256:…"
  bool operator==(const ImageRun&) const = default;
};

// What a deployment runs: layers, lowest first, and how to start. For a static site `site` alone
// counts: the digest of the manifest of its published files.
struct Artifact {
  std::vector<std::string> layers;      // ids of the LayerStore
  std::string release_layer;            // what the release command left behind; on top; "" for none
  std::string start;                    // shell command; "" for a static site
  std::string workdir;                  // absolute, inside the sandbox
  EnvVars env;                          // set by the platform for the runtime (PATH, NODE_ENV, ...)
  std::vector<std::string> wired;       // files that hold names of model/wires.h: of the site, or
                                        // below /app
  std::vector<std::string> toolchains;  // resolved, e.g. "node@20.20.2"; mounted read-only
  std::vector<std::string> built_with;  // resolved, of the build; e.g. "go@1.22.5"
  std::optional<ImageRun> image;        // of a Dockerfile; `start` is then for people to read
  std::optional<Digest> site;
  StaticFallback fallback = StaticFallback::not_found_page;
  std::optional<int> port;
  std::string health_path = "/";
  bool operator==(const Artifact&) const = default;
};

// What a deployment runs beside its first service.
struct Companion {
  std::string label;    // a slug, unique in the deployment: part of its host name and of its log's
  std::string service;  // its name in the plan
  Artifact artifact;
  bool runs = true;  // false: built and kept, but not started here (a worker nobody asked for)
  bool operator==(const Companion&) const = default;
};

// One step of a deployment's life, for progress and for the post-mortem.
struct Step {
  std::string name;             // detect scan install build start ...
  std::string state;            // running done failed skipped cached canceled
  std::int64_t started_ms = 0;  // since the deployment was created
  std::int64_t took_ms = 0;
  std::string detail;  // "npm ci", "dependency layer reused"
  bool operator==(const Step&) const = default;
};

struct Deployment {
  DeploymentId id;
  std::string project;
  std::string team = "default";
  std::string alias;  // never empty
  DeploymentState state = DeploymentState::queued;
  std::string state_reason;  // for people: "superseded by dpl_…", "idle", "evicted", ...
  // What people must agree to first: to it while it is queued (nothing takes it up before that),
  // else to its removal. Empty: nothing.
  ApprovalId approval;
  std::string message;
  Actor actor;
  Timestamp created_at{};
  std::optional<Timestamp> ready_at;
  std::optional<Timestamp> expires_at;
  std::optional<Timestamp> deleted_at;
  std::optional<Actor> deleted_by;

  Digest source;  // of the manifest
  std::uint64_t source_files = 0, source_bytes = 0;
  std::uint64_t uploaded_files = 0, uploaded_bytes = 0;
  DeploymentId base;  // the deployment `changed` compares with; empty for the first
  ManifestDiff changed;

  DeployOptions options;
  std::int64_t config_version = 0;  // of its environment's configuration; 0: the empty one
  Plan plan;
  std::string first;  // the service that `artifact` is of and the deployment's URL leads to; "":
                      // the plan's first
  Artifact artifact;
  std::vector<Companion> companions;                         // in the plan's order
  std::vector<Warning> findings;                             // what building and running it taught
  std::string cache_install = "none", cache_build = "none";  // hit | miss | none
  std::map<std::string, std::int64_t>
      timings_ms;  // hash upload detect scan install build start total
  std::vector<Step> steps;
  std::optional<Error> error;
  // What became of options.promote_to: the rollout, or why there is none. Both empty: it was not
  // tried yet.
  RolloutId rollout;
  std::optional<Error> not_promoted;

  bool operator==(const Deployment&) const = default;
};

// One service of a deployment, as it is built and run. Refers to the deployment.
struct Unit {
  std::string_view label;            // "" for the first
  const Service* service = nullptr;  // nothing when the plan does not tell
  const Artifact* artifact = nullptr;
  bool runs = true;

  [[nodiscard]] std::string_view kind() const;
  [[nodiscard]] std::string_view name() const { return service ? service->name : label; }
  // Answers requests at a URL of its own.
  [[nodiscard]] bool is_routed() const;
  // Has a process that stays: a web service or a worker that runs here.
  [[nodiscard]] bool has_instance() const;
};
// The first service first.
[[nodiscard]] std::vector<Unit> units_of(const Deployment& deployment);
[[nodiscard]] std::optional<Unit> find_unit(const Deployment& deployment, std::string_view label);
// Queued until people agree; nothing takes it up before that.
[[nodiscard]] bool waits_for_approval(const Deployment& deployment);
// Whether any unit has an instance: what has none neither starts nor sleeps.
[[nodiscard]] bool has_instances(const Deployment& deployment);
// Whether anything of it answers requests by an instance, so that it may sleep and be woken.
[[nodiscard]] bool can_sleep(const Deployment& deployment);

}  // namespace slipway
