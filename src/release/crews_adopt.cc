// After a restart of the server: instances went on meanwhile.
#include <algorithm>
#include <charconv>

#include "base/log.h"
#include "base/mutex.h"
#include "release/crews_state.h"

namespace slipway {

using Phase = CrewMember::Phase;

namespace {

std::string label(const SandboxInfo& info, std::string_view name) {
  for (const auto& [key, value] : info.labels)
    if (key == name) return value;
  return {};
}

std::int64_t number(std::string_view text) {
  std::int64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

}  // namespace

Status Crews::State::adopt(const std::vector<Kept>& kept) {
  for (const Kept& each : kept) {
    const CrewPtr crew = this->crew(key_of(each.release));
    const MutexLock operation(crew->operation);
    assign(*crew, plan_of(each.release, each.deployment));
    if (!crew->plan->verified)
      log_error("a release cannot be started again",
                {{"project", crew->key.project}, {"error", crew->plan->verified.error().message}});
  }
  SLIPWAY_TRY(const std::vector<SandboxInfo> sandboxes, parts.engine.list());
  for (const SandboxInfo& info : sandboxes) {
    if (label(info, "release").empty() || adopt_one(info)) continue;
    work.post({WorkClass::release, {}}, [this, sandbox = info.id] { launcher.stop(sandbox); });
  }
  // What ended before its end could be heard.
  SLIPWAY_TRY(const std::vector<SandboxInfo> now, parts.engine.list());
  std::vector<std::string> gone;
  {
    const MutexLock lock(mutex);
    for (const auto& [sandbox, owner] : by_sandbox)
      if (std::ranges::none_of(
              now, [&](const SandboxInfo& info) { return info.id == sandbox && info.running; }))
        gone.push_back(sandbox);
  }
  for (const std::string& sandbox : gone)
    handle_end(sandbox, {.code = 137, .signal = 9}, Cause::ended);

  for (const Kept& each : kept) start_missing(find(key_of(each.release)));
  return {};
}

bool Crews::State::adopt_one(const SandboxInfo& info) {
  const Key key{label(info, "project"), label(info, "environment"), number(label(info, "release"))};
  const CrewPtr crew = find(key);
  if (!info.running || !crew || !crew->plan) return false;
  const auto unit = find_unit(crew->plan->deployment, label(info, "service"));
  if (!unit || !unit->has_instance() ||
      crew->plan->deployment.id.str() != label(info, "deployment"))
    return false;
  const auto slot = static_cast<std::size_t>(number(label(info, "slot")));
  CrewMemberPtr member;
  {
    const MutexLock lock(mutex);
    const auto same = std::ranges::count_if(
        crew->members, [&](const CrewMemberPtr& each) { return each->label == unit->label; });
    const std::size_t wanted = unit->is_routed() ? crew->instances : 1;
    const bool taken = std::ranges::any_of(crew->members, [&](const CrewMemberPtr& each) {
      return each->label == unit->label && each->slot == slot;
    });
    if (static_cast<std::size_t>(same) >= wanted || taken) return false;  // of a move that was cut
    member = std::make_shared<CrewMember>(crew->plan->deployment.id, unit->label, unit->is_routed(),
                                          slot);
    member->sandbox = info.id;
    member->since = parts.clock.monotonic();
    member->backend->set_waking();
    crew->members.push_back(member);
    by_sandbox[info.id] = {crew, member};
  }
  launcher.adopt(info.id);
  auto endpoint = member->routed ? launcher.remembered_endpoint(info.id)
                                 : std::optional<Backend::Endpoint>(Backend::Endpoint{});
  if (!endpoint) {  // it was being started when the server ended
    member->busy = true;
    pool(*crew, member->label)->add(member->backend);
    pool(*crew, member->label)->set_in_service(member->backend.get(), false);
    work.post(share_of(crew->key), [this, crew, member] { adopt_unready(crew, member); });
    return true;
  }
  put_in_service(crew, member, *std::move(endpoint));
  {
    const MutexLock lock(mutex);
    member->next_check = parts.clock.monotonic();
  }
  work.post(share_of(crew->key), [this, crew, member] { join_siblings(crew, member); });
  return true;
}

void Crews::State::join_siblings(const CrewPtr& crew, const CrewMemberPtr& member) {
  static_cast<void>(with_subject(crew, member, [&](const InstanceLauncher::Subject& subject) {
    join(*crew, subject);
    return Result<Backend::Endpoint>(Backend::Endpoint{});
  }));
}

void Crews::State::adopt_unready(const CrewPtr& crew, const CrewMemberPtr& member) {
  std::stop_token stop;
  {
    const MutexLock lock(mutex);
    stop = crew->stop.get_token();
  }
  auto endpoint = with_subject(crew, member, [&](const InstanceLauncher::Subject& subject) {
    join(*crew, subject);
    return launcher.wait_until_ready(subject, stop);
  });
  if (endpoint) return put_in_service(crew, member, *std::move(endpoint));
  {
    const MutexLock lock(mutex);
    member->phase = Phase::restarting;
    member->busy = false;
    member->detail = endpoint.error().message;
  }
  changed.notify_all();
  if (!stop.stop_requested()) schedule_restart(crew, member);
}

}  // namespace slipway
