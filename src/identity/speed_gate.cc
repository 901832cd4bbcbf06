#include "identity/speed_gate.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipway {
namespace {

constexpr std::size_t max_buckets = 16'384;

double refilled(Duration passed, const Rate& rate) {
  return static_cast<double>(passed.count()) /
         static_cast<double>(std::max<Duration::rep>(rate.every.count(), 1));
}

}  // namespace

std::optional<Duration> SpeedGate::request(const Principal& principal) {
  std::vector<Take> takes;
  std::string key = "requests";
  for (const std::string& link : principal.actor.chain) {
    key += "/" + link;
    takes.push_back(
        {key, link.starts_with("agent:") ? limits_.agent_requests : limits_.human_requests});
  }
  return take(takes);
}

std::optional<Duration> SpeedGate::deploy(const Principal& principal, std::string_view project) {
  std::vector<Take> takes{{fmt::format("deploys@{}", project), limits_.project_deploys}};
  std::string key = takes.front().key;
  for (const std::string& link : principal.actor.chain) {
    key += "/" + link;
    takes.push_back(
        {key, link.starts_with("agent:") ? limits_.agent_deploys : limits_.human_deploys});
  }
  return take(takes);
}

std::optional<Duration> SpeedGate::take(const std::vector<Take>& takes) {
  const Duration now = clock_.monotonic();
  const MutexLock lock(mutex_);
  if (buckets_.size() + takes.size() > max_buckets) forget_idle(now);
  std::optional<Duration> wait;
  for (const Take& one : takes) {
    const auto found = buckets_.find(one.key);
    if (found == buckets_.end()) {
      // Full of buckets that are in use: nobody new until one empties.
      if (buckets_.size() + takes.size() > max_buckets) wait = std::chrono::seconds{1};
      continue;
    }
    Bucket& bucket = found->second;
    bucket.level = std::max(0.0, bucket.level - refilled(now - bucket.at, one.rate));
    bucket.at = now;
    const double over = bucket.level + 1 - one.rate.burst;
    if (over > 0)
      wait = std::max(
          wait.value_or(Duration{1}),
          Duration{static_cast<Duration::rep>(over * static_cast<double>(one.rate.every.count())) +
                   1});
  }
  if (wait) return wait;
  for (const Take& one : takes) {
    Bucket& bucket = buckets_[one.key];
    bucket.level += 1;
    bucket.at = now;
    bucket.rate = one.rate;
  }
  return std::nullopt;
}

void SpeedGate::forget_idle(Duration now) {
  std::erase_if(buckets_, [&](const auto& entry) {
    const Bucket& bucket = entry.second;
    return bucket.level <= refilled(now - bucket.at, bucket.rate);
  });
}

}  // namespace slipway
