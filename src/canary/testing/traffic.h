#pragma once

#include <cmath>
#include <cstdint>
#include <random>

#include "canary/judge.h"

namespace slipway::testing {

// How requests to a release behave.
struct Behaviour {
  double errors = 0.005;  // share of requests
  double median_ms = 40;  // of answers; lognormal
  double spread = 0.6;    // sigma of their logarithm
  double restarts = 0;    // an instance-second
  double leak = 0;        // bytes an instance-second
  double memory = 120e6;  // bytes of an instance, where it levels off
  std::uint32_t instances = 1;
};

// A release that answers simulated requests. Deterministic for a given generator.
class SimulatedRelease {
 public:
  explicit SimulatedRelease(Behaviour behaviour) : behaviour_(behaviour) {
    sample_.instances = sample_.ready = behaviour.instances;
    level_ = behaviour.memory;
    set_memory(0);
  }
  Behaviour& behaviour() { return behaviour_; }

  // `seconds` with a Poisson number of requests.
  void serve(std::mt19937_64& random, double requests_per_second, double seconds) {
    const double mean = requests_per_second * seconds;
    const auto requests =
        mean > 0 ? std::poisson_distribution<std::uint64_t>(mean)(random) : std::uint64_t{0};
    std::bernoulli_distribution failing(std::clamp(behaviour_.errors, 0.0, 1.0));
    std::lognormal_distribution<double> time(std::log(behaviour_.median_ms * 1000),
                                             behaviour_.spread);
    for (std::uint64_t i = 0; i < requests; ++i) {
      ++sample_.traffic.requests;
      if (failing(random)) ++sample_.traffic.errors;
      const auto micros = static_cast<std::uint64_t>(time(random));
      ++sample_.traffic.latency.counts[LatencyHistogram::bucket(micros)];
    }
    if (behaviour_.restarts > 0) {
      sample_.restarts += std::poisson_distribution<std::uint64_t>(behaviour_.restarts * seconds *
                                                                   behaviour_.instances)(random);
    }
    level_ += behaviour_.leak * seconds;
    // The sawtooth of a garbage collector, with some noise.
    sawtooth_ += seconds / 7;
    sawtooth_ -= std::floor(sawtooth_);
    set_memory(0.15 * sawtooth_ + std::uniform_real_distribution<double>(0, 0.01)(random));
  }
  ReleaseSample& sample() { return sample_; }

 private:
  void set_memory(double above) {
    sample_.memory_bytes = static_cast<std::uint64_t>(level_ * (1 + above) * behaviour_.instances);
  }

  Behaviour behaviour_;
  ReleaseSample sample_;
  double level_ = 0, sawtooth_ = 0;
};

}  // namespace slipway::testing
