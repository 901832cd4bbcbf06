#include "json/release_json.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "json/convert.h"
#include "json/reader.h"

namespace slipway {
namespace {

using std::chrono::milliseconds;

json::object to_json(const Step& step) {
  return {{"name", step.name},
          {"state", step.state},
          {"started_ms", step.started_ms},
          {"took_ms", step.took_ms},
          {"detail", or_null(step.detail)}};
}

Result<Step> step_from_json(const json::value& value) {
  Step out;
  JsonReader reader(value, "steps");
  reader.require("name").require("state");
  reader.read("name", out.name).read("state", out.state).read("started_ms", out.started_ms);
  reader.read("took_ms", out.took_ms).read("detail", out.detail);
  SLIPWAY_CHECK(reader.status());
  return out;
}

// JSON knows no infinity; evidence may be that strong.
double finite(double number) {
  if (std::isnan(number)) return 0;
  return std::clamp(number, -std::numeric_limits<double>::max(),
                    std::numeric_limits<double>::max());
}

Result<MetricEvidence> evidence_from_json(const json::value& value) {
  MetricEvidence out;
  JsonReader reader(value, "evidence");
  reader.require("metric").require("says");
  reader.read("metric", out.metric).read("says", out.says).read("e_value", out.e_value);
  reader.read("threshold", out.threshold).read("count", out.count).read("of", out.of);
  reader.read("baseline_count", out.baseline_count).read("baseline_of", out.baseline_of);
  reader.read("detail", out.detail);
  SLIPWAY_CHECK(reader.status());
  return out;
}

Result<CanaryVerdict> verdict_from_json(const json::value& value) {
  CanaryVerdict out;
  JsonReader reader(value, "verdicts");
  reader.require("says");
  reader.read("percent", out.percent).read("says", out.says).read("at", out.at);
  reader.read("decision", out.decision);
  reader.read_each("evidence", out.evidence, evidence_from_json);
  SLIPWAY_CHECK(reader.status());
  return out;
}

Result<int> percent_from_json(const json::value& value) {
  const auto* number = value.if_int64();
  if (number == nullptr || *number < 0 || *number > 100)
    return fail(Errc::invalid_argument, "canary: a step is a percentage");
  return static_cast<int>(*number);
}

// An id that may be absent, which reads as the empty one.
template <class IdType>
void read_id(JsonReader& reader, std::string_view name, IdType& out) {
  std::string text;
  reader.read(name, text);
  if (text.empty()) return;
  if (auto parsed = IdType::parse(text))
    out = *std::move(parsed);
  else
    reader.wrong(name, "an id");
}

void read_digest(JsonReader& reader, std::string_view name, Digest& out) {
  std::string text;
  reader.read(name, text);
  if (text.empty()) return;
  if (auto parsed = Digest::parse(text))
    out = *parsed;
  else
    reader.wrong(name, "a digest");
}

}  // namespace

json::object to_json(const Release& release) {
  json::object layers;
  for (const auto& [label, layer] : release.release_layers) layers[label] = layer;
  return {{"project", release.project},
          {"environment", release.environment},
          {"number", release.number},
          {"deployment", release.deployment.str()},
          {"config_version", release.config_version},
          {"artifact", release.artifact.str()},
          {"message", or_null(release.message)},
          {"actor", to_json(release.actor)},
          {"created_at", to_rfc3339(release.created_at)},
          {"rollout", release.rollout.str()},
          {"decision", or_null(release.decision)},
          {"live_at", or_null(release.live_at)},
          {"release_layers", std::move(layers)},
          {"kept", release.kept}};
}

json::object to_json(const MetricEvidence& evidence) {
  return {{"metric", evidence.metric},
          {"says", evidence.says},
          {"e_value", finite(evidence.e_value)},
          {"threshold", finite(evidence.threshold)},
          {"count", evidence.count},
          {"of", evidence.of},
          {"baseline_count", evidence.baseline_count},
          {"baseline_of", evidence.baseline_of},
          {"detail", or_null(evidence.detail)}};
}

json::object to_json(const CanaryVerdict& verdict) {
  return {{"percent", verdict.percent},
          {"says", verdict.says},
          {"at", to_rfc3339(verdict.at)},
          {"decision", or_null(verdict.decision)},
          {"evidence",
           to_array(verdict.evidence, [](const MetricEvidence& each) { return to_json(each); })}};
}

json::object to_json(const Rollout& rollout) {
  json::object out{
      {"id", rollout.id.str()},
      {"kind", to_string(rollout.kind)},
      {"project", rollout.project},
      {"environment", rollout.environment},
      {"from", rollout.from},
      {"to", rollout.to},
      {"deployment", rollout.deployment.str()},
      {"state", to_string(rollout.state)},
      {"reason", or_null(rollout.reason)},
      {"automatic", rollout.automatic},
      {"actor", to_json(rollout.actor)},
      {"message", or_null(rollout.message)},
      {"canary", to_array(rollout.canary, [](int percent) { return json::value(percent); })},
      {"canary_step_ms",
       rollout.canary_step
           ? json::value(std::chrono::duration_cast<milliseconds>(*rollout.canary_step).count())
           : json::value(nullptr)},
      {"smoke", to_array(rollout.smoke,
                         [](const SmokeRequest& each) {
                           return json::object{{"path", each.path}, {"status", each.status}};
                         })},
      {"restore", or_null(rollout.restore)},
      {"created_at", to_rfc3339(rollout.created_at)},
      {"switched_at", or_null(rollout.switched_at)},
      {"ended_at", or_null(rollout.ended_at)},
      {"switch_micros", rollout.switch_micros},
      {"steps", to_array(rollout.steps, [](const Step& step) { return to_json(step); })},
      {"verdicts",
       to_array(rollout.verdicts, [](const CanaryVerdict& each) { return to_json(each); })},
      {"snapshot", or_null(rollout.snapshot)},
      {"decision", or_null(rollout.decision)},
      {"waits_for", rollout.state == RolloutState::waiting || rollout.state == RolloutState::canary
                        ? or_null(std::string(to_string(rollout.waits_for)))
                        : json::value(nullptr)},
      {"approval", or_null(rollout.approval)},
      {"artifact", rollout.artifact.str()},
      {"error", rollout.error ? json::value(to_json(*rollout.error)) : json::value(nullptr)}};
  return out;
}

json::object to_json(const EnvironmentState& state) {
  return {{"project", state.project},
          {"environment", state.environment},
          {"current", state.current},
          {"previous", state.previous},
          {"active", or_null(state.active.str())},
          {"paused", or_null(state.paused)},
          {"frozen_until", or_null(state.frozen_until)},
          {"scale", state.instances}};
}

Result<SmokeRequest> smoke_request_from_json(const json::value& value) {
  SmokeRequest out;
  JsonReader reader(value, "smoke");
  reader.require("path").read("path", out.path).read("status", out.status);
  SLIPWAY_CHECK(reader.status());
  if (!out.path.starts_with('/') || out.path.find_first_of(" \r\n") != std::string::npos)
    return fail(Errc::invalid_argument, "smoke.path must be a path that starts with '/'");
  if (out.status < 100 || out.status > 599)
    return fail(Errc::invalid_argument, "smoke.status must be an HTTP status");
  return out;
}

Result<Release> release_from_json(const json::value& value) {
  Release out;
  JsonReader reader(value, "release");
  reader.require("project").require("environment").require("number").require("deployment");
  reader.require("artifact").require("created_at");
  reader.read("project", out.project)
      .read("environment", out.environment)
      .read("number", out.number)
      .read("config_version", out.config_version)
      .read("message", out.message)
      .read("created_at", out.created_at)
      .read("decision", out.decision)
      .read("live_at", out.live_at)
      .read("release_layers", out.release_layers)
      .read("kept", out.kept);
  read_id(reader, "deployment", out.deployment);
  read_id(reader, "rollout", out.rollout);
  read_digest(reader, "artifact", out.artifact);
  if (const json::value* actor = reader.find("actor")) {
    SLIPWAY_TRY(out.actor, actor_from_json(*actor));
  }
  SLIPWAY_CHECK(reader.status());
  return out;
}

Result<Rollout> rollout_from_json(const json::value& value) {
  Rollout out;
  std::string kind, state, waits_for;
  std::optional<std::int64_t> canary_step_ms;
  JsonReader reader(value, "rollout");
  reader.require("id").require("kind").require("project").require("environment");
  reader.require("state").require("created_at");
  reader.read("kind", kind)
      .read("project", out.project)
      .read("environment", out.environment)
      .read("from", out.from)
      .read("to", out.to)
      .read("state", state)
      .read("reason", out.reason)
      .read("automatic", out.automatic)
      .read("message", out.message)
      .read("canary_step_ms", canary_step_ms)
      .read("restore", out.restore)
      .read("created_at", out.created_at)
      .read("switched_at", out.switched_at)
      .read("ended_at", out.ended_at)
      .read("switch_micros", out.switch_micros)
      .read("snapshot", out.snapshot)
      .read("decision", out.decision)
      .read("waits_for", waits_for)
      .read("approval", out.approval);
  reader.read_each("canary", out.canary, percent_from_json)
      .read_each("smoke", out.smoke, smoke_request_from_json)
      .read_each("steps", out.steps, step_from_json)
      .read_each("verdicts", out.verdicts, verdict_from_json);
  read_id(reader, "id", out.id);
  read_id(reader, "deployment", out.deployment);
  read_digest(reader, "artifact", out.artifact);
  if (const json::value* actor = reader.find("actor")) {
    SLIPWAY_TRY(out.actor, actor_from_json(*actor));
  }
  if (const json::value* error = reader.find("error"); error != nullptr && !error->is_null()) {
    SLIPWAY_TRY(out.error, error_from_json(*error));
  }
  if (canary_step_ms) out.canary_step = milliseconds(*canary_step_ms);
  if (const auto parsed = parse_rollout_wait(waits_for)) out.waits_for = *parsed;
  if (const auto parsed = parse_rollout_kind(kind))
    out.kind = *parsed;
  else
    reader.wrong("kind", "a known kind");
  if (const auto parsed = parse_rollout_state(state))
    out.state = *parsed;
  else
    reader.wrong("state", "a known state");
  SLIPWAY_CHECK(reader.status());
  return out;
}

Result<EnvironmentState> environment_state_from_json(const json::value& value) {
  EnvironmentState out;
  JsonReader reader(value, "environment");
  reader.require("project").require("environment");
  reader.read("project", out.project)
      .read("environment", out.environment)
      .read("current", out.current)
      .read("previous", out.previous)
      .read("paused", out.paused)
      .read("frozen_until", out.frozen_until);
  std::int64_t scale = 0;
  reader.read("scale", scale);
  out.instances = static_cast<std::uint32_t>(std::clamp<std::int64_t>(scale, 0, 10'000));
  read_id(reader, "active", out.active);
  SLIPWAY_CHECK(reader.status());
  return out;
}

}  // namespace slipway
