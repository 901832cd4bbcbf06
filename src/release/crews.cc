#include "release/crews.h"

#include <algorithm>

#include "base/log.h"
#include "base/mutex.h"
#include "base/text.h"
#include "release/crews_state.h"

namespace slipway {

using namespace std::chrono_literals;
using Phase = CrewMember::Phase;

namespace {

std::string_view name_of(Phase phase) {
  switch (phase) {
    case Phase::starting:
      return "starting";
    case Phase::ready:
      return "ready";
    case Phase::unhealthy:
      return "unhealthy";
    case Phase::restarting:
      return "restarting";
    case Phase::draining:
      return "draining";
  }
  return "";
}

// As it runs in a release: whatever is built.
Deployment with_all_units(Deployment deployment) {
  for (Companion& each : deployment.companions) each.runs = true;
  return deployment;
}

}  // namespace

Crews::State::State(Parts given)
    : parts(std::move(given)),
      spec{.settings = parts.settings,
           .repository = parts.repository,
           .layers = parts.layers,
           .builder = parts.builder,
           .names = parts.names,
           .environments = parts.environments},
      launcher({.spec = spec, .clock = parts.clock, .engine = parts.engine},
               [this](const std::string& sandbox, const SandboxExit& exit) {
                 handle_end(sandbox, exit, Cause::ended);
               }) {}

CrewPtr Crews::State::find(const Key& key) const {
  const MutexLock lock(mutex);
  const auto at = crews.find(key);
  return at == crews.end() ? nullptr : at->second;
}

CrewPtr Crews::State::crew(const Key& key) {
  const MutexLock lock(mutex);
  CrewPtr& crew = crews[key];
  if (!crew) crew = std::make_shared<Crew>(key);
  return crew;
}

std::shared_ptr<BackendPool> Crews::State::pool(Crew& crew, std::string_view label) {
  const MutexLock lock(mutex);
  std::shared_ptr<BackendPool>& pool = crew.pools[std::string(label)];
  if (!pool) pool = std::make_shared<BackendPool>();
  return pool;
}

std::shared_ptr<const CrewPlan> Crews::State::plan_of(const Release& release,
                                                      const Deployment& deployment) {
  auto plan = std::make_shared<CrewPlan>(
      CrewPlan{.release = release, .deployment = with_all_units(deployment), .verified = {}});
  if (artifact_digest(deployment) != release.artifact)
    plan->verified = fail(Errc::failed_precondition,
                          fmt::format("the artifact of {} is not the one that release {} of {} "
                                      "was promoted with; it is not started",
                                      deployment.id.str(), release.number, release.environment),
                          "promote a deployment again: slipway promote ID");
  return plan;
}

void Crews::State::assign(Crew& crew, const std::shared_ptr<const CrewPlan>& plan) {
  std::uint32_t wanted = 0;
  if (parts.wanted) wanted = parts.wanted(crew.key.project, crew.key.environment);
  const MutexLock lock(mutex);
  crew.plan = plan;
  crew.instances = wanted > 0 ? wanted : parts.settings.releases.instances;
  if (crew.stop.stop_requested()) crew.stop = {};
}

Status Crews::State::complete(const CrewPtr& crew, std::uint32_t instances, std::stop_token stop) {
  std::vector<CrewMemberPtr> missing, surplus;
  for (const Unit& unit : units_of(crew->plan->deployment)) {
    if (!unit.has_instance()) continue;
    std::vector<CrewMemberPtr> have;
    {
      const MutexLock lock(mutex);
      for (const CrewMemberPtr& each : crew->members)
        if (each->label == unit.label && each->phase != Phase::draining) have.push_back(each);
      // Those that work stay.
      std::ranges::sort(have, {}, [](const CrewMemberPtr& each) {
        const int rank = each->phase == Phase::ready ? 0 : each->phase == Phase::unhealthy ? 1 : 2;
        return std::pair(rank, each->slot);
      });
    }
    const std::size_t wanted = unit.is_routed() ? instances : 1;
    for (std::size_t i = have.size(); i < wanted; ++i) missing.push_back(add_member(*crew, unit));
    for (std::size_t i = wanted; i < have.size(); ++i) surplus.push_back(have[i]);
  }
  SLIPWAY_CHECK(start_all(crew, missing, stop));
  retire(crew, surplus, parts.settings.releases.drain, stop);
  return {};
}

Status Crews::State::wait_until_serving(const CrewPtr& crew, std::stop_token stop) {
  const std::stop_callback on_stop(stop, [this] { changed.notify_all(); });
  MutexLock lock(mutex);
  const auto serves = [&](const Unit& unit) {
    return !unit.has_instance() || !unit.is_routed() ||
           std::ranges::any_of(crew->members, [&](const CrewMemberPtr& each) {
             return each->label == unit.label && each->runs();
           });
  };
  const std::shared_ptr<const CrewPlan> plan = crew->plan;
  const std::vector<Unit> units = units_of(plan->deployment);
  const auto all_serve = [&] { return std::ranges::all_of(units, serves); };
  changed.wait_for(mutex, parts.settings.instances.start_timeout,
                   [&]() SLIPWAY_REQUIRES(mutex) { return all_serve() || stop.stop_requested(); });
  if (stop.stop_requested()) return fail(Errc::canceled, "canceled while starting");
  if (all_serve()) return {};
  Error error{.code = Errc::start_failed,
              .message = "an instance does not come back",
              .phase = "start",
              .cause = "crash_loop"};
  for (const CrewMemberPtr& each : crew->members)
    if (!each->runs() && !each->detail.empty()) error.message += ": " + each->detail;
  return fail(std::move(error));
}

Status Crews::State::replace_all(const CrewPtr& crew, std::stop_token stop) {
  for (const Unit& unit : units_of(crew->plan->deployment)) {
    std::vector<CrewMemberPtr> old;
    {
      const MutexLock lock(mutex);
      for (const CrewMemberPtr& each : crew->members)
        if (each->label == unit.label && each->phase != Phase::draining) old.push_back(each);
    }
    for (const CrewMemberPtr& each : old) {
      if (stop.stop_requested()) return fail(Errc::canceled, "canceled");
      // Two of a worker might do the same work.
      if (!each->routed) retire(crew, {each}, {}, stop);
      SLIPWAY_CHECK(start_all(crew, {add_member(*crew, unit)}, stop));
      if (each->routed) retire(crew, {each}, parts.settings.releases.drain, stop);
    }
  }
  return {};
}

std::filesystem::path Crews::State::log_root(const Key& key) const {
  return parts.settings.data / "logs" / "releases" / key.project / key.environment /
         std::to_string(key.number);
}

std::filesystem::path Crews::State::log_directory(const Key& key, std::string_view label,
                                                  std::size_t slot) const {
  std::string name = label.empty() ? "run" : fmt::format("run-{}", label);
  if (slot > 0) name += fmt::format(".{}", slot + 1);
  return log_root(key) / name;
}

Crews::Crews(Parts parts) : state_(std::make_unique<State>(std::move(parts))) {}

Crews::~Crews() {
  {
    const MutexLock lock(state_->mutex);
    for (const auto& [key, crew] : state_->crews) crew->stop.request_stop();
  }
  state_->work.stop();
  state_->checks.stop();
}

Status Crews::start(const Release& release, const Deployment& deployment, std::stop_token stop) {
  const std::shared_ptr<const CrewPlan> plan = State::plan_of(release, deployment);
  SLIPWAY_CHECK(plan->verified);
  const CrewPtr crew = state_->crew(key_of(release));
  const MutexLock operation(crew->operation);
  state_->assign(*crew, plan);
  SLIPWAY_CHECK(state_->complete(crew, crew->instances, stop));
  return state_->wait_until_serving(crew, stop);
}

Status Crews::start_for_good(const Release& release, const Deployment& deployment) {
  const std::shared_ptr<const CrewPlan> plan = State::plan_of(release, deployment);
  SLIPWAY_CHECK(plan->verified);
  const CrewPtr crew = state_->crew(key_of(release));
  const MutexLock operation(crew->operation);
  state_->assign(*crew, plan);
  Status started = state_->complete(crew, crew->instances, {});
  if (started) return state_->wait_until_serving(crew, {});
  state_->start_missing(crew);
  return started;
}

Status Crews::scale(const Release& release, const Deployment& deployment, std::uint32_t instances,
                    std::stop_token stop) {
  if (instances == 0)
    return fail(Errc::invalid_argument, "a web service needs an instance at least");
  const std::shared_ptr<const CrewPlan> plan = State::plan_of(release, deployment);
  SLIPWAY_CHECK(plan->verified);
  const CrewPtr crew = state_->crew(key_of(release));
  const MutexLock operation(crew->operation);
  state_->assign(*crew, plan);
  {
    const MutexLock lock(state_->mutex);
    crew->instances = instances;
  }
  Status scaled = state_->complete(crew, instances, stop);
  // It is what was asked for and answered, whatever stands in the way now.
  if (!scaled) state_->start_missing(crew);
  return scaled;
}

Status Crews::check_fits(const Deployment& deployment, std::uint32_t instances) const {
  const std::uint64_t all = state_->parts.machine_memory_bytes;
  const std::uint64_t each = state_->parts.settings.instances.limits.memory_bytes;
  if (all == 0 || each == 0) return {};
  std::uint64_t web = 0, workers = 0;
  const Deployment whole = with_all_units(deployment);
  for (const Unit& unit : units_of(whole))
    if (unit.has_instance()) ++(unit.is_routed() ? web : workers);
  if (web == 0 || (web * instances + workers) * each <= all) return {};
  const std::uint64_t places = all / each;
  const std::uint64_t most =
      std::max<std::uint64_t>(places > workers ? (places - workers) / web : 0, 1);
  return fail(Errc::failed_precondition,
              fmt::format("{} instances of {} each do not fit into this machine's {}",
                          web * instances + workers, format_bytes(each), format_bytes(all)),
              fmt::format("{} would fit; with --force they are started all the same, and "
                          "instances.memory says what each may take",
                          most));
}

Status Crews::replace(const Release& release, const Deployment& deployment, std::stop_token stop) {
  const std::shared_ptr<const CrewPlan> plan = State::plan_of(release, deployment);
  SLIPWAY_CHECK(plan->verified);
  const CrewPtr crew = state_->crew(key_of(release));
  const MutexLock operation(crew->operation);
  state_->assign(*crew, plan);
  Status replaced = state_->replace_all(crew, stop);
  if (replaced) replaced = state_->complete(crew, crew->instances, stop);
  // A worker was stopped before its successor failed.
  if (!replaced) state_->start_missing(crew);
  return replaced;
}

std::shared_ptr<BackendPool> Crews::pool(const Key& key, std::string_view label) {
  return state_->pool(*state_->crew(key), label);
}

void Crews::leave() {
  const MutexLock lock(state_->mutex);
  state_->leaving = true;
  state_->changed.notify_all();
}

Status Crews::stop(const Key& key, Duration drain) {
  const CrewPtr crew = state_->find(key);
  if (!crew) return {};
  {
    const MutexLock lock(state_->mutex);
    crew->stop.request_stop();
  }
  state_->changed.notify_all();
  const MutexLock operation(crew->operation);
  std::vector<CrewMemberPtr> members;
  {
    const MutexLock lock(state_->mutex);
    members = crew->members;
  }
  state_->retire(crew, members, drain, {});
  const MutexLock lock(state_->mutex);
  // The pools stay: routes may lead to them, and a later start fills them again.
  crew->plan = nullptr;
  crew->restarts = crew->out_of_memory = 0;
  return {};
}

Status Crews::stop_workers(const Key& key) {
  const CrewPtr crew = state_->find(key);
  if (!crew) return {};
  const MutexLock operation(crew->operation);
  std::vector<CrewMemberPtr> workers;
  {
    const MutexLock lock(state_->mutex);
    for (const CrewMemberPtr& each : crew->members)
      if (!each->routed) workers.push_back(each);
  }
  state_->retire(crew, workers, {}, {});
  return {};
}

Status Crews::adopt(const std::vector<Kept>& kept) { return state_->adopt(kept); }

ReleaseSample Crews::sample(const Key& key) const {
  ReleaseSample out;
  const CrewPtr crew = state_->find(key);
  if (!crew) return out;
  std::vector<std::string> sandboxes;
  {
    const MutexLock lock(state_->mutex);
    out.restarts = crew->restarts;
    out.out_of_memory = crew->out_of_memory;
    if (crew->plan)
      for (const Unit& unit : units_of(crew->plan->deployment))
        if (unit.has_instance()) out.instances += unit.is_routed() ? crew->instances : 1;
    const Duration since = state_->parts.clock.monotonic() - crash_window;
    for (const CrewMemberPtr& each : crew->members) {
      if (each->phase == Phase::draining) continue;
      if (each->phase == Phase::ready) ++out.ready;
      if (!each->sandbox.empty()) sandboxes.push_back(each->sandbox);
      const auto recent =
          std::ranges::count_if(each->ends, [&](Duration at) { return at >= since; });
      if (static_cast<std::size_t>(recent) >= crash_limit) out.crash_loop = true;
    }
  }
  for (const std::string& sandbox : sandboxes)
    if (const auto usage = state_->parts.engine.usage(sandbox))
      out.memory_bytes += usage->memory_bytes;
  return out;
}

Result<Usage> Crews::usage(const Key& key) const {
  std::vector<std::string> sandboxes;
  if (const CrewPtr crew = state_->find(key)) {
    const MutexLock lock(state_->mutex);
    for (const CrewMemberPtr& each : crew->members)
      if (!each->sandbox.empty()) sandboxes.push_back(each->sandbox);
  }
  Usage all;
  bool any = false;
  for (const std::string& sandbox : sandboxes) {
    const auto one = state_->parts.engine.usage(sandbox);
    if (!one) continue;  // it has just ended
    any = true;
    all.cpu_micros += one->cpu_micros;
    all.memory_bytes += one->memory_bytes;
    all.memory_peak_bytes += one->memory_peak_bytes;
    all.oom_kills += one->oom_kills;
  }
  if (!any) return fail(Errc::not_found, "no instance runs");
  return all;
}

std::vector<Crews::Instance> Crews::instances(const Key& key) const {
  std::vector<Instance> out;
  const CrewPtr crew = state_->find(key);
  if (!crew) return out;
  const MutexLock lock(state_->mutex);
  for (const CrewMemberPtr& each : crew->members)
    out.push_back({.sandbox = each->sandbox,
                   .label = each->label,
                   .state = std::string(name_of(each->phase)),
                   .restarts = each->restarts,
                   .open_requests = each->backend->open_requests(),
                   .detail = sanitize_line(each->detail)});
  return out;
}

std::filesystem::path Crews::log_directory(const Key& key, std::string_view label) const {
  return state_->log_directory(key, label, 0);
}

std::vector<std::filesystem::path> Crews::log_directories(const Key& key,
                                                          std::string_view label) const {
  std::vector<std::filesystem::path> out{log_directory(key, label)};
  std::error_code error;
  for (std::size_t slot = 1;; ++slot) {
    std::filesystem::path next = state_->log_directory(key, label, slot);
    if (!std::filesystem::is_directory(next, error)) return out;
    out.push_back(std::move(next));
  }
}

Result<Placement> Crews::placement(const Release& release, const Unit& unit) const {
  return state_->placement(release, unit);
}

void Crews::tick() { state_->tick(); }

}  // namespace slipway
