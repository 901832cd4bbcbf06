#include "model/release.h"

#include <algorithm>
#include <array>

namespace slipway {
namespace {

constexpr std::array<std::string_view, 3> kinds = {"promotion", "rollback", "configuration"};
constexpr std::array<std::string_view, 4> waits = {"", "approval", "traffic", "policies"};
constexpr std::array<std::string_view, 9> states = {"waiting",     "running",  "canary",
                                                    "watching",    "done",     "failed",
                                                    "rolled_back", "canceled", "denied"};

template <class Enum, std::size_t size>
std::optional<Enum> parse(const std::array<std::string_view, size>& names, std::string_view text) {
  const auto at = std::ranges::find(names, text);
  if (at == names.end()) return std::nullopt;
  return static_cast<Enum>(at - names.begin());
}

void add_list(Sha256& digest, const std::vector<std::string>& list) {
  digest.field(std::to_string(list.size()));
  for (const std::string& each : list) digest.field(each);
}

}  // namespace

std::string_view to_string(RolloutKind kind) { return kinds[static_cast<std::size_t>(kind)]; }
std::optional<RolloutKind> parse_rollout_kind(std::string_view text) {
  return parse<RolloutKind>(kinds, text);
}

std::string_view to_string(RolloutState state) { return states[static_cast<std::size_t>(state)]; }
std::optional<RolloutState> parse_rollout_state(std::string_view text) {
  return parse<RolloutState>(states, text);
}
std::string_view to_string(RolloutWait waits_for) {
  return waits[static_cast<std::size_t>(waits_for)];
}
std::optional<RolloutWait> parse_rollout_wait(std::string_view text) {
  return parse<RolloutWait>(waits, text);
}
bool is_over(RolloutState state) { return state >= RolloutState::done; }

Digest artifact_digest(const Deployment& deployment) {
  Sha256 digest;
  digest.field("slipway artifact 1");
  for (const Unit& unit : units_of(deployment)) {
    const Artifact& artifact = *unit.artifact;
    digest.field(unit.label).field(unit.kind());
    add_list(digest, artifact.layers);
    digest.field(artifact.start).field(artifact.workdir);
    digest.field(std::to_string(artifact.env.size()));
    for (const auto& [name, value] : artifact.env) digest.field(name).field(value);
    add_list(digest, artifact.toolchains);
    digest.field(artifact.site ? artifact.site->str() : "")
        .field(artifact.fallback == StaticFallback::single_page_app ? "single_page_app"
                                                                    : "not_found_page")
        .field(artifact.port ? std::to_string(*artifact.port) : "")
        .field(artifact.health_path);
  }
  return digest.finish();
}

}  // namespace slipway
