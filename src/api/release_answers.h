#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/context.h"
#include "release/releases.h"

namespace slipway {

// Releases as the API shows them: the records with what only the running server
// knows.

// The rollout with the environment's `url`, the `proof` that the release has
// the deployment's artifact, and its `revision`, which changes whenever
// anything of it does.
[[nodiscard]] json::object rollout_answer(const ApiContext& context, const Rollout& rollout);
[[nodiscard]] std::string revision_of(const Rollout& rollout);
// {"deployment", "release", "equal"}: the digests of both artifacts.
// "deployment" is null when it is gone.
[[nodiscard]] json::object proof_answer(const ApiContext& context, const DeploymentId& deployment,
                                        const Digest& release);
// Which environments deployments serve: [{"environment", "release", "url"}]. Looks each project up
// once.
class ServingPlaces {
 public:
  explicit ServingPlaces(const ApiContext& context) : context_(context) {}
  [[nodiscard]] json::array of(const Deployment& deployment);

 private:
  const ApiContext& context_;
  std::map<std::string, std::vector<Release>> current_;  // by project
};
// A release of a history, with where it stands and what was said when it was
// rolled out.
[[nodiscard]] json::object release_answer(const ApiContext& context, const Release& release,
                                          const EnvironmentState& state);
// An environment with what serves there.
[[nodiscard]] json::object environment_answer(const ApiContext& context,
                                              const Releases::EnvironmentView& view);
// Of one that may have no release yet.
[[nodiscard]] Result<Releases::EnvironmentView> environment_view(const ApiContext& context,
                                                                 const std::string& project,
                                                                 const std::string& environment);
// Of a question that nothing came of: it is not kept, so it has no id to ask for.
[[nodiscard]] json::object decision_of_trial(const StoredDecision& decision);
// What promote() would do.
[[nodiscard]] json::object preview_answer(const ApiContext& context,
                                          const Releases::Preview& preview);

}  // namespace slipway
