#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "build/recipe.h"
#include "build/repair_memo.h"
#include "repair/repair.h"

namespace slipway {

// The repairs of one build: asks repair/ what to change after a failure, makes the change to the
// service, remembers it for the next build of the same inputs. Not thread-safe.
class RepairLog {
 public:
  enum class Allowed { yes, no };
  // Repairs begin no later than `time` after the first of them.
  RepairLog(std::filesystem::path memos, Allowed allowed, Duration time)
      : memos_(std::move(memos)), allowed_(allowed), time_(time) {}

  // Names what decides whether a build fails as an earlier one did.
  void remember_as(std::string key) { key_ = std::move(key); }

  enum class Made { nothing, environment, commands };
  // What earlier builds of the same inputs needed.
  Made begin(Service& service);
  // What may help after this failure; `nothing` when it stands.
  Made after(const Error& error, std::string_view log, Service& service, Duration now);
  // The build went through.
  void keep() const;

  void add(std::vector<Warning> findings);
  void add_variables(BuildStep step, EnvVars& env) const;
  [[nodiscard]] int memory_percent() const { return memory_percent_; }
  // Seconds to wait before the next step; once.
  [[nodiscard]] int take_pause() { return std::exchange(pause_seconds_, 0); }
  [[nodiscard]] const std::vector<Warning>& findings() const { return findings_; }

 private:
  Made apply(RepairMemo::Entry entry, repair::Keep keep, Service& service);

  std::filesystem::path memos_;
  Allowed allowed_;
  Duration time_;
  std::string key_;
  EnvVars install_env_, build_env_;
  int memory_percent_ = 100, pause_seconds_ = 0;
  std::map<std::string, int> used_;
  std::vector<RepairMemo::Entry> made_;  // to begin with next time
  std::vector<Warning> findings_;
  std::optional<Duration> first_;
};

}  // namespace slipway
