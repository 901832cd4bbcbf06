#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "engine/engine.h"
#include "model/deployment.h"
#include "store/blob_store.h"
#include "store/layer_store.h"

namespace slipway {

struct BuildLimits {
  std::uint64_t memory_bytes = 4ull << 30;
  std::uint32_t cpu_millis = 2000;
  std::uint32_t pids = 2048;
  std::uint64_t disk_bytes = 8ull << 30;
  std::uint64_t output_bytes = 16ull << 20;
  Duration step_time = std::chrono::minutes{15};
};

// On whose word something is built. What an agent's build leaves behind (package managers' and
// frameworks' caches, layers) is never read by a person's, whose artifact may be promoted without
// anybody looking at it again; an agent's reads layers that people's builds made.
enum class BuildTrust { people, agents };
// Whose caches and layers those are.
[[nodiscard]] std::string build_domain(std::string_view project, BuildTrust trust);

struct BuildRequest {
  std::string project;
  BuildTrust trust = BuildTrust::people;
  const Service* service = nullptr;
  const Manifest* source = nullptr;
  std::vector<std::string> source_layers;  // of LayerStore, lowest first; show the tree at /app
  EnvVars build_env;
  // The build is told names of model/wires.h: look which files of its output hold them.
  enum class Wires { none, told } wires = Wires::none;
  std::uint32_t uid_slot = 0;  // the build's own range; differs from any environment's
  BuildLimits limits;
  // Whether a step that fails with a known cause is changed and run again (repair/).
  enum class Repairs { made, none } repairs = Repairs::made;
  // What an earlier build of the same made did not start: repair that, or fail with it.
  const Error* failed_start = nullptr;
};

struct BuildOutcome {
  Artifact artifact;
  std::string cache_install = "none", cache_build = "none";  // hit | miss | none
  std::vector<Warning> findings;                             // the repairs that were made
};

// What a build tells while it runs. Called from the build's thread.
class BuildObserver {
 public:
  virtual ~BuildObserver() = default;
  virtual void step_started(std::string_view name,
                            std::string_view detail) = 0;  // install, build, publish
  virtual void step_ended(std::string_view name, std::string_view state,
                          Duration took) = 0;       // done cached failed
  virtual void output(std::string_view bytes) = 0;  // raw; the log keeps it, viewers sanitize it
  // Output as an error may quote it: without what nobody may see.
  [[nodiscard]] virtual std::string quotable(std::string_view output) const {
    return std::string(output);
  }
};

// Turns a planned service and its source into an artifact: resolves toolchains, runs install and
// build in sandboxes, reuses layers by the digest of exactly their inputs. Thread-safe; one call a
// build.
class Builder {
 public:
  struct Paths {
    std::filesystem::path cache;       // per-project package manager and framework caches
    std::filesystem::path toolchains;  // fetched runtimes
    std::filesystem::path scratch;
    std::filesystem::path images{};  // what Dockerfiles build on; "" for beside `toolchains`
  };
  // Everything must outlive the builder. `host_env` is the environment the server was started with:
  // where host toolchains, registry settings and the CA bundle are found.
  Builder(Paths paths, BlobStore& blobs, LayerStore& layers, StepRunner& runner, const Clock& clock,
          EnvVars host_env);
  ~Builder();

  // Errors: build_failed with phase, command, exit code, cause, file:line, excerpt, hint
  // (failure.h); canceled; failed_precondition when a toolchain is missing, with what to install as
  // the hint.
  [[nodiscard]] Result<BuildOutcome> build(const BuildRequest& request, BuildObserver& observer,
                                           std::stop_token stop);
  // The directories to bind read-only into an instance of `artifact`, and where.
  [[nodiscard]] Result<std::vector<BindMount>> toolchain_binds(const Artifact& artifact) const;
  // Asks the host for its common toolchains, so that the first build need not wait for the answers.
  // Optional; blocks up to some seconds, so for a background thread.
  void prepare();
  // Removes base images that no build asked for, and fetched toolchains that nothing resolved for
  // `unused_for` and that `in_use` (an id as in Artifact::toolchains) denies; not while something
  // is built that is recorded nowhere. The bytes freed.
  [[nodiscard]] Result<std::uint64_t> collect_toolchains(
      const std::function<bool(std::string_view id)>& in_use, Duration unused_for);
  // Forgets the caches of a deleted project.
  [[nodiscard]] Status remove_caches(std::string_view project);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway
