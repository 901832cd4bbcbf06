#include "load.h"

#include <algorithm>
#include <boost/json.hpp>
#include <ctime>

namespace slipway::bench {
namespace {

std::uint64_t quantile(std::vector<std::uint32_t>& values, double share) {
  if (values.empty()) return 0;
  const auto at = std::min(values.size() - 1,
                           static_cast<std::size_t>(static_cast<double>(values.size()) * share));
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(at));
  return values[at];
}

boost::json::object to_json(Phase phase, Duration end) {
  boost::json::object counts, releases;
  std::uint64_t all = 0;
  for (std::size_t i = 0; i < kind_names.size(); ++i) {
    counts[kind_names[i]] = phase.answers[i];
    all += phase.answers[i];
  }
  for (const auto& [release, count] : phase.releases) releases[release] = count;
  boost::json::array failures;
  for (const auto& [kind, what] : phase.failures)
    failures.push_back(boost::json::object{{"kind", kind}, {"what", what}});
  const double seconds = static_cast<double>((end - phase.began).count()) / 1e6;
  return {{"phase", phase.name},
          {"seconds", seconds},
          {"answers", all},
          {"per_second", static_cast<double>(all) / std::max(seconds, 1e-3)},
          {"failed", phase.failed},
          {"failures", failures},
          {"reconnects", phase.reconnects},
          {"kinds", counts},
          {"releases", releases},
          {"p50_us", quantile(phase.micros, 0.5)},
          {"p99_us", quantile(phase.micros, 0.99)},
          {"p999_us", quantile(phase.micros, 0.999)},
          {"max_us", quantile(phase.micros, 1)}};
}

Task<void> run_one(Crowd& crowd, Task<void> client) {
  co_await client;
  if (--crowd.running == 0) crowd.load.loop.post(crowd.on_end);
}

}  // namespace

Duration now() { return SystemClock().monotonic(); }

void Load::begin_phase(std::string name) {
  phases.push_back({.name = std::move(name), .began = now()});
}

void Load::answered(Kind kind, const std::string& release, Duration took) {
  Phase& phase = phases.back();
  ++phase.answers[static_cast<std::size_t>(kind)];
  ++phase.releases[release];
  if (kind != Kind::download)
    phase.micros.push_back(static_cast<std::uint32_t>(std::min<std::int64_t>(took.count(), ~0u)));
}

void Load::failed(Kind kind, std::string what) {
  Phase& phase = phases.back();
  ++phase.failed;
  if (phase.failures.size() < 20)
    phase.failures.emplace_back(kind_names[static_cast<std::size_t>(kind)], std::move(what));
}

std::string Load::report() const {
  boost::json::array list;
  for (std::size_t i = 0; i < phases.size(); ++i)
    list.push_back(to_json(phases[i], i + 1 < phases.size() ? phases[i + 1].began : now()));
  return boost::json::serialize(list);
}

void Crowd::start(std::function<void()> ended) {
  // Shares of the small requests; downloads come on top.
  struct Group {
    Kind kind;
    int clients;
    double share;
  };
  constexpr Group groups[] = {{Kind::get, 32, 0.70},
                              {Kind::pipelined, 4, 0.08},
                              {Kind::fresh, 8, 0.05},
                              {Kind::post, 16, 0.12},
                              {Kind::socket, 20, 0.05}};
  constexpr int downloads = 10;
  on_end = std::move(ended);
  const auto start_one = [&](Task<void> client) {
    ++running;
    activities.push_back(std::make_unique<Activity>());
    activities.back()->start(run_one(*this, std::move(client)));
  };
  for (const auto& [kind, clients, share] : groups)
    for (int i = 0; i < clients; ++i) {
      const Duration every{static_cast<std::int64_t>(1e6 * clients / (load.rate * share))};
      start_one(kind == Kind::socket ? talk_again_and_again(load, every)
                                     : ask_again_and_again(load, kind, every));
    }
  for (int i = 0; i < downloads; ++i) start_one(download_again_and_again(load));
}

}  // namespace slipway::bench
