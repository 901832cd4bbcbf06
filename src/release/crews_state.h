#pragma once

// Private to the crews' own files.

#include <atomic>
#include <deque>
#include <memory>
#include <unordered_map>

#include "base/mutex.h"
#include "deploy/instance_launcher.h"
#include "deploy/workers.h"
#include "release/crews.h"

namespace slipway {

// One instance's place in a crew: it keeps its Backend over restarts, each in a new sandbox.
struct CrewMember {
  CrewMember(const DeploymentId& deployment, std::string_view unit, bool answers, std::size_t place)
      : label(unit), routed(answers), slot(place), backend(std::make_shared<Backend>(deployment)) {}

  const std::string label;  // of the unit
  const bool routed;
  const std::size_t slot;  // free of others of the unit; names its log
  const std::shared_ptr<Backend> backend;

  // Guarded by the state's mutex.
  enum class Phase { starting, ready, unhealthy, restarting, draining } phase = Phase::starting;
  bool busy = false;      // a thread starts or stops it
  bool checking = false;  // a thread asks its health path
  std::string sandbox;    // "" when none runs
  Duration since{};       // of the phase
  std::string detail;
  std::uint64_t restarts = 0;
  unsigned attempts = 0;       // to restart it since it last lived for a while
  Duration restart_at{};       // when restarting
  Duration next_check{};       // when ready or unhealthy
  std::uint32_t failures = 0;  // of checks, in a row
  std::deque<Duration> ends;   // by itself, within the crash window

  [[nodiscard]] bool runs() const { return phase == Phase::ready || phase == Phase::unhealthy; }
};
using CrewMemberPtr = std::shared_ptr<CrewMember>;

// What a crew runs. Immutable.
struct CrewPlan {
  Release release;
  Deployment deployment;  // all its companions run
  Status verified;        // the artifact is the one that was promoted
};

struct Crew {
  explicit Crew(Crews::Key of) : key(std::move(of)) {}

  const Crews::Key key;
  Mutex operation;  // held while members are added or taken away

  // Guarded by the state's mutex.
  std::shared_ptr<const CrewPlan> plan;  // null until it is started
  std::map<std::string, std::shared_ptr<BackendPool>, std::less<>> pools;
  std::vector<CrewMemberPtr> members;
  std::uint32_t instances = 1;  // wanted of each web service
  std::stop_source stop;        // of what is under way for it
  std::uint64_t restarts = 0, out_of_memory = 0;
};
using CrewPtr = std::shared_ptr<Crew>;

struct Crews::State {
  explicit State(Parts given);

  std::atomic<bool> leaving = false;  // the server ends

  // crews.cc
  [[nodiscard]] CrewPtr crew(const Key& key);
  [[nodiscard]] CrewPtr find(const Key& key) const;
  [[nodiscard]] std::shared_ptr<BackendPool> pool(Crew& crew, std::string_view label);
  [[nodiscard]] static std::shared_ptr<const CrewPlan> plan_of(const Release& release,
                                                               const Deployment& deployment);
  // With the crew's operation lock: makes it one of this plan.
  void assign(Crew& crew, const std::shared_ptr<const CrewPlan>& plan);
  [[nodiscard]] Status complete(const CrewPtr& crew, std::uint32_t instances, std::stop_token stop);
  [[nodiscard]] Status wait_until_serving(const CrewPtr& crew, std::stop_token stop);
  [[nodiscard]] Status replace_all(const CrewPtr& crew, std::stop_token stop);
  [[nodiscard]] std::filesystem::path log_root(const Key& key) const;
  [[nodiscard]] std::filesystem::path log_directory(const Key& key, std::string_view label,
                                                    std::size_t slot) const;

  // crews_instances.cc
  [[nodiscard]] Result<Placement> placement(const Release& release, const Unit& unit) const;
  [[nodiscard]] CrewMemberPtr add_member(Crew& crew, const Unit& unit);
  // With the crew's operation lock: what is missing of what is wanted is started in the background,
  // again and again until it runs or the crew is stopped.
  void start_missing(const CrewPtr& crew);
  void drop(Crew& crew, const CrewMember& member);
  // Runs a new sandbox for the member until it is ready. On an error nothing of it is left; `ended`
  // is set when it ended by itself.
  [[nodiscard]] Result<Backend::Endpoint> bring_up(const CrewPtr& crew, const CrewMemberPtr& member,
                                                   std::stop_token stop,
                                                   std::optional<SandboxExit>* ended = nullptr);
  void put_in_service(const CrewPtr& crew, const CrewMemberPtr& member, Backend::Endpoint endpoint);
  // Starts all at once. On an error none of them is left.
  [[nodiscard]] Status start_all(const CrewPtr& crew, const std::vector<CrewMemberPtr>& members,
                                 std::stop_token stop);
  // No new requests, then the open ones end, then the sandbox; all at once. Waits first for whoever
  // is busy with them.
  void retire(const CrewPtr& crew, const std::vector<CrewMemberPtr>& members, Duration drain,
              std::stop_token stop);
  void stop_sandbox(CrewMember& member);
  enum class Cause { ended, disk_full };
  void handle_end(const std::string& sandbox, const SandboxExit& exit, Cause cause);
  void count_end(Crew& crew, CrewMember& member, const SandboxExit& exit, Cause cause)
      SLIPWAY_REQUIRES(mutex);
  void schedule_restart(const CrewPtr& crew, const CrewMemberPtr& member);
  void restart(const CrewPtr& crew, const CrewMemberPtr& member);
  // Calls `run` with the member's sandbox as the launcher knows it.
  [[nodiscard]] Result<Backend::Endpoint> with_subject(
      const CrewPtr& crew, const CrewMemberPtr& member,
      const std::function<Result<Backend::Endpoint>(const InstanceLauncher::Subject&)>& run);
  void join(Crew& crew, const InstanceLauncher::Subject& subject);

  // crews_health.cc
  void tick();
  void check(const CrewPtr& crew, const CrewMemberPtr& member);
  void revise_port(CrewMember& member, const std::string& sandbox);
  void replace_unhealthy(const CrewPtr& crew, const CrewMemberPtr& member);
  void check_disk(const CrewMemberPtr& member);

  // crews_adopt.cc
  [[nodiscard]] Status adopt(const std::vector<Kept>& kept);
  [[nodiscard]] bool adopt_one(const SandboxInfo& info);
  void join_siblings(const CrewPtr& crew, const CrewMemberPtr& member);
  void adopt_unready(const CrewPtr& crew, const CrewMemberPtr& member);

  const Parts parts;
  const InstanceParts spec;
  mutable Mutex mutex;
  CondVar changed;  // of members
  std::map<Key, CrewPtr> crews SLIPWAY_GUARDED_BY(mutex);
  struct Owner {
    std::weak_ptr<Crew> crew;
    CrewMemberPtr member;
  };
  std::unordered_map<std::string, Owner> by_sandbox SLIPWAY_GUARDED_BY(mutex);
  Duration last_disk_check SLIPWAY_GUARDED_BY(mutex){};
  // Restarts wait for apps, which must not keep health checks waiting.
  Workers work{"restarts of releases", {.units = 48, .per_key = 8, .kept = {32}}};
  Workers checks{"looks at releases", {.units = 16, .per_key = 4, .kept = {8}}};
  [[nodiscard]] static Workers::Share share_of(const Key& key) {
    return {class_of(key.environment), fmt::format("{}/{}", key.project, key.environment)};
  }
  InstanceLauncher launcher;  // last: the ends that it tells of use the rest
};

// How often an instance may end within this time before it is called a crash loop.
inline constexpr std::size_t crash_limit = 5;
inline constexpr Duration crash_window = std::chrono::minutes{2};

}  // namespace slipway
