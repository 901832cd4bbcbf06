#include "release/questions.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.h"
#include "model/environment_class.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

std::int64_t seconds_between(Timestamp from, Timestamp to) {
  return std::max<std::int64_t>(0, std::chrono::floor<std::chrono::seconds>(to - from).count());
}

Result<std::vector<std::string>> names_set(const Environments& environments,
                                           std::string_view project, std::string_view environment,
                                           std::int64_t version) {
  SLIPWAY_TRY(const Environments::Values values,
              environments.values_for(project, environment, version));
  std::vector<std::string> out;
  for (const auto& [name, value] : values.run) out.push_back(name);
  return out;
}

// How the traffic gets there.
std::string way_text(const Rollout& wanted) {
  std::string out = "all traffic at once";
  if (!wanted.canary.empty()) {
    out = fmt::format("first to {} % of the traffic", fmt::join(wanted.canary, ", "));
    if (wanted.canary_step)
      out += fmt::format(", each for {} at least", format_duration(*wanted.canary_step));
  }
  if (wanted.smoke.empty()) return out + "; nothing is asked of it before";
  out += "; before, it must answer ";
  for (std::size_t i = 0; i < wanted.smoke.size(); ++i)
    out += fmt::format("{}{} with {}", i == 0 ? "" : ", ", wanted.smoke[i].path,
                       wanted.smoke[i].status);
  return out;
}

}  // namespace

std::string move_action(RolloutKind kind, std::string_view environment) {
  std::string action = kind == RolloutKind::rollback ? "rollback" : "promote";
  if (environment != production_environment) action += fmt::format(" to {}", environment);
  return action;
}

Result<std::optional<Release>> release_before(ReleaseStore& store, std::string_view project,
                                              std::string_view environment, std::int64_t number) {
  // What served until it was promoted: not whatever has the number before, which may have been
  // rolled back since.
  SLIPWAY_TRY(const Release current, store.release(project, environment, number));
  const auto made_by = store.rollout(current.rollout);
  if (made_by && made_by->from != 0) {
    SLIPWAY_TRY(Release from, store.release(project, environment, made_by->from));
    if (from.kept) return from;
  }
  return store.live_before(project, environment, number);
}

std::uint32_t instances_of(const Deployment& deployment, const Settings& settings) {
  std::uint32_t count = 0;
  for (const Unit& unit : units_of(deployment)) {
    if (unit.artifact->site || unit.artifact->start.empty() || unit.kind() == "cron") continue;
    count += unit.is_routed() ? settings.releases.instances : 1;
  }
  return count;
}

std::vector<std::string> plan_changes(const Deployment& serving, const Deployment& candidate) {
  std::vector<std::string> out;
  const std::vector<Unit> before = units_of(serving), after = units_of(candidate);
  const auto find = [](const std::vector<Unit>& units, const Unit& like) -> const Unit* {
    const auto at = std::ranges::find(units, like.label, &Unit::label);
    return at == units.end() ? nullptr : &*at;
  };
  for (const Unit& unit : after) {
    const Unit* old = find(before, unit);
    const std::string name(unit.name());
    if (old == nullptr) {
      out.push_back(fmt::format("{}: new ({})", name, unit.kind()));
      continue;
    }
    const auto tell = [&](std::string_view what, std::string_view from, std::string_view to) {
      if (from != to) out.push_back(fmt::format("{}: {} '{}' becomes '{}'", name, what, from, to));
    };
    const auto of = [](const Unit& each, auto member) -> std::string {
      return each.service ? std::string(each.service->*member) : std::string();
    };
    tell("kind", old->kind(), unit.kind());
    tell("framework", of(*old, &Service::framework), of(unit, &Service::framework));
    tell("toolchains", join(old->artifact->toolchains, " "), join(unit.artifact->toolchains, " "));
    tell("start", old->artifact->start, unit.artifact->start);
    tell("health path", old->artifact->health_path, unit.artifact->health_path);
    const auto release = [](const Unit& each) {
      return each.service ? each.service->release.value_or("") : std::string();
    };
    tell("release command", release(*old), release(unit));
  }
  for (const Unit& unit : before)
    if (find(after, unit) == nullptr)
      out.push_back(fmt::format("{}: gone ({})", std::string(unit.name()), unit.kind()));
  return out;
}

Result<MoveQuestion> MoveQuestion::about(const Releases::Parts& parts, const Release& next,
                                         const Deployment& candidate) {
  MoveQuestion question(parts);
  question.next_ = next;
  question.asked_about_ = candidate;
  const std::string &project = next.project, &environment = next.environment;
  SLIPWAY_TRY(const EnvironmentState state, parts.store.environment(project, environment));
  SLIPWAY_TRY(question.source_, parts.blobs.read_manifest(candidate.source));
  auto base = std::make_shared<const Manifest>();
  question.asked_about_.base = {};
  if (state.current != 0) {
    SLIPWAY_TRY(question.current_, parts.store.release(project, environment, state.current));
    SLIPWAY_TRY(question.serving_, parts.repository.get(question.current_->deployment));
    question.asked_about_.base = question.serving_->id;
    SLIPWAY_TRY(const std::optional<Release> before,
                release_before(parts.store, project, environment, state.current));
    // After a rollback the environment is paused: one step more is not the brake.
    question.is_previous_ = before && before->number == next.number && state.paused.empty();
    // Without the old files everything counts as new, which is the careful way.
    if (auto read = parts.blobs.read_manifest(question.serving_->source)) base = *std::move(read);
    SLIPWAY_TRY(question.current_variables_, names_set(parts.environments, project, environment,
                                                       question.current_->config_version));
  }
  question.asked_about_.changed = diff(*base, *question.source_);
  SLIPWAY_TRY(question.variables_,
              names_set(parts.environments, project, environment, next.config_version));
  question.asked_about_.options.env.clear();
  for (const std::string& name : question.variables_)
    question.asked_about_.options.env.emplace(name, "");
  const Timestamp now = parts.clock.now();
  SLIPWAY_TRY(question.hour_, parts.store.history(project, environment, now - 1h));
  SLIPWAY_TRY(question.day_, parts.store.history(project, environment, now - 24h));
  SLIPWAY_TRY(const std::vector<Release> before, parts.store.releases_of(candidate.id));
  question.once_live_ = std::ranges::any_of(before, [&](const Release& release) {
    return release.environment == environment && release.live_at.has_value();
  });
  return question;
}

void MoveQuestion::add_facts(Facts& facts, const Way& way) const {
  const Timestamp now = parts_->clock.now();
  const auto maybe_age = [&](const std::optional<Timestamp>& since) -> std::optional<std::int64_t> {
    if (!since) return std::nullopt;
    return seconds_between(*since, now);
  };
  const std::optional<std::int64_t> number =
      next_.number > 0 ? std::optional(next_.number) : std::nullopt;
  facts.add(
      "release",
      {{"number", number},
       {"deployment", asked_about_.id.str()},
       {"once_approved", once_live_ ? 1 : 0},
       {"once_live", once_live_ ? 1 : 0},
       {"age", next_.number > 0 ? seconds_between(next_.created_at, now) : 0},
       {"current_number", current_ ? std::optional(current_->number) : std::nullopt},
       {"current_age", current_ ? maybe_age(current_->live_at) : std::optional<std::int64_t>()},
       {"config_changed", current_ && current_->config_version != next_.config_version ? 1 : 0},
       {"canary_first", way.canary_first},
       {"previous", is_previous_ ? 1 : 0},
       {"restores", way.restore.empty() ? 0 : 1}});
  facts.clear("release_history");
  facts.add("release_history", {{"releases_day", day_.releases},
                                {"rollbacks_day", day_.rollbacks},
                                {"automatic_rollbacks_hour", hour_.automatic_rollbacks},
                                {"last_rollback_age", maybe_age(day_.last_rollback)}});
  const bool failed = asked_about_.state == DeploymentState::failed;
  facts.add("health",
            {{"subject", "candidate:readiness"},
             {"target", "candidate"},
             {"probe", "readiness"},
             {"state", is_live(asked_about_.state) ? "ok"
                       : failed                    ? "failed"
                                                   : "unknown"},
             {"detail", asked_about_.error ? asked_about_.error->message : std::string()}});
  const SandboxLimits& limits = parts_->settings.instances.limits;
  facts.clear("resource");
  facts.add("resource", {{"cpu", limits.cpu_millis},
                         {"memory", limits.memory_bytes},
                         {"instances", instances_of(asked_about_, parts_->settings)},
                         {"ttl", std::nullopt}});
  facts.clear("domain");
  std::vector<std::string> hosts{parts_->names.release_host(next_.project, next_.environment)};
  const std::size_t platform = hosts.size();
  if (parts_->domains)
    for (std::string& domain : parts_->domains(next_.project, next_.environment))
      hosts.push_back(std::move(domain));
  for (std::size_t i = 0; i < hosts.size(); ++i)
    facts.add("domain", {{"name", hosts[i]},
                         {"subject", hosts[i]},
                         {"kind", i < platform ? "platform" : "custom"},
                         {"verified", 1},
                         {"owner", next_.project}});
}

Asked MoveQuestion::ask(const AuditContext& by, DecisionPoint point, std::string action) const {
  return {.point = point,
          .by = by,
          .project = next_.project,
          .environment = std::string(environment_class(next_.environment)),
          .resource = "deployment/" + asked_about_.id.str(),
          .action = std::move(action),
          .deployment = &asked_about_,
          .source = source_.get()};
}

Asked MoveQuestion::promotion(const AuditContext& by, const Rollout& wanted) const {
  Asked asked =
      ask(by, DecisionPoint::promote, move_action(RolloutKind::promotion, next_.environment));
  const int first = wanted.canary.empty() ? 100 : wanted.canary.front();
  asked.about["change"] = way_text(wanted);
  asked.more = [this, first](Facts& facts) { add_facts(facts, {.canary_first = first}); };
  asked.change = ChangeDigest(by.actor, asked.action)
                     .add("deployment", asked_about_.id.str())
                     .add("artifact", next_.artifact.str())
                     .add("configuration", next_.config_version)
                     .add("way", way_text(wanted))
                     .str();
  return asked;
}

Asked MoveQuestion::rollback(const AuditContext& by, std::string_view restore) const {
  Asked asked =
      ask(by, DecisionPoint::rollback, move_action(RolloutKind::rollback, next_.environment));
  asked.about["change"] =
      fmt::format("back to release {}, {}", next_.number,
                  restore.empty() ? std::string("volumes as they are")
                                  : fmt::format("volumes from snapshot {}", restore));
  asked.more = [this, snapshot = std::string(restore)](Facts& facts) {
    add_facts(facts, {.restore = snapshot});
  };
  asked.change = ChangeDigest(by.actor, asked.action)
                     .add("release", next_.number)
                     .add("restore", restore)
                     .str();
  return asked;
}

Asked MoveQuestion::canary_step(const AuditContext& by, const Step& step) const {
  Asked asked = ask(by, DecisionPoint::canary_step, "canary_step");
  asked.more = [this, step](Facts& facts) {
    add_facts(facts, {.canary_first = step.percent});
    facts.add("canary", {{"step", step.number},
                         {"percent", step.percent},
                         {"next_percent", step.next_percent},
                         {"step_age", std::chrono::floor<std::chrono::seconds>(step.age).count()},
                         {"requests", step.canary.traffic.requests},
                         {"errors", step.canary.traffic.errors},
                         {"baseline_requests", step.baseline.traffic.requests},
                         {"baseline_errors", step.baseline.traffic.errors},
                         {"evidence", step.evidence}});
  };
  return asked;
}

}  // namespace slipway
