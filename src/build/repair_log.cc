#include "build/repair_log.h"

#include <algorithm>

namespace slipway {

RepairLog::Made RepairLog::begin(Service& service) {
  Made out = Made::nothing;
  if (allowed_ == Allowed::no) return out;
  for (RepairMemo::Entry& entry : RepairMemo::load(memos_, key_)) {
    ++used_[entry.repair];
    out = std::max(out, apply(std::move(entry), repair::Keep::from_now_on, service));
  }
  return out;
}

RepairLog::Made RepairLog::after(const Error& error, std::string_view log, Service& service,
                                 Duration now) {
  if (allowed_ == Allowed::no) return Made::nothing;
  if (error.code != Errc::build_failed && error.code != Errc::start_failed) return Made::nothing;
  if (!first_) first_ = now;
  if (now - *first_ > time_) return Made::nothing;
  const auto planned = repair::next_repair({.service = service, .error = error, .log = log}, used_);
  if (!planned) return Made::nothing;
  ++used_[std::string(planned->repair->name)];
  return apply({.repair = std::string(planned->repair->name), .change = planned->change},
               planned->repair->keep, service);
}

RepairLog::Made RepairLog::apply(RepairMemo::Entry entry, repair::Keep keep, Service& service) {
  const repair::Change& change = entry.change;
  const bool tools = change.install || change.build || !change.runtime_version.empty();
  const Made made = tools ? Made::commands : Made::environment;
  if (!change.runtime_version.empty()) {
    service.runtime.version = change.runtime_version;
    service.runtime.source = "a repair";
  }
  if (change.install) service.install = change.install;
  if (change.build) service.build = change.build;
  for (const auto& [name, value] : change.install_env) install_env_[name] = value;
  for (const auto& [name, value] : change.build_env) build_env_[name] = value;
  memory_percent_ = std::max(memory_percent_, change.memory_percent);
  pause_seconds_ = change.pause_seconds;
  findings_.push_back(repair::finding_of(entry.repair, change));
  if (keep == repair::Keep::from_now_on) made_.push_back(std::move(entry));
  return made;
}

void RepairLog::keep() const {
  if (!made_.empty()) RepairMemo::save(memos_, key_, made_);
}

void RepairLog::add(std::vector<Warning> findings) {
  for (Warning& finding : findings) findings_.push_back(std::move(finding));
}

void RepairLog::add_variables(BuildStep step, EnvVars& env) const {
  for (const auto& [name, value] : step == BuildStep::install ? install_env_ : build_env_) {
    std::string& there = env[name];
    const bool adds = name == "NODE_OPTIONS" && !there.empty();
    there = adds ? there + " " + value : value;
  }
}

}  // namespace slipway
