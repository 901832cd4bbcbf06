#pragma once

#include "json/json.h"
#include "model/release.h"

namespace slipway {

// Releases and rollouts: the form that clients see is the form that is kept. No member is ever
// secret. from_json() ignores members it does not know and names the one that is wrong or missing.
[[nodiscard]] json::object to_json(const Release& release);
[[nodiscard]] json::object to_json(const MetricEvidence& evidence);
[[nodiscard]] json::object to_json(const CanaryVerdict& verdict);
[[nodiscard]] json::object to_json(const Rollout& rollout);
[[nodiscard]] json::object to_json(const EnvironmentState& state);

[[nodiscard]] Result<Release> release_from_json(const json::value& value);
[[nodiscard]] Result<Rollout> rollout_from_json(const json::value& value);
[[nodiscard]] Result<EnvironmentState> environment_state_from_json(const json::value& value);
[[nodiscard]] Result<SmokeRequest> smoke_request_from_json(const json::value& value);

}  // namespace slipway
