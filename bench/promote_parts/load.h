#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "http/loop.h"
#include "http/task.h"

namespace slipway::bench {

enum class Kind { get, pipelined, fresh, post, download, socket };
inline constexpr std::array<std::string_view, 6> kind_names{"get",  "pipelined", "fresh",
                                                            "post", "download",  "socket"};

// What was seen since a phase began.
struct Phase {
  std::string name;
  Duration began{};
  std::array<std::uint64_t, kind_names.size()> answers{};
  std::map<std::string, std::uint64_t> releases;              // answers by who gave them
  std::vector<std::uint32_t> micros;                          // of small requests
  std::vector<std::pair<std::string, std::string>> failures;  // kind, what; the first of each
  std::uint64_t failed = 0;
  std::uint64_t reconnects = 0;  // a connection that the other side ended after a whole answer
};

// What all clients share. On one thread.
struct Load {
  Load(std::string host_, int port_, double rate_)
      : loop(std::chrono::milliseconds{100}), host(std::move(host_)), port(port_), rate(rate_) {}

  void begin_phase(std::string name);
  void answered(Kind kind, const std::string& release, Duration took);
  void failed(Kind kind, std::string what);
  [[nodiscard]] std::string report() const;  // JSON

  Loop loop;
  const std::string host;  // as in Host
  const int port;          // of this machine
  const double rate;       // small requests a second, all clients together
  bool stopping = false;   // no new request
  std::vector<Phase> phases;
  std::mt19937_64 random{1};  // the same traffic every time
};

[[nodiscard]] Duration now();

// Starts the clients; `ended` is called once all of them have ended, after `stopping`.
struct Crowd {
  explicit Crowd(Load& load_) : load(load_) {}
  void start(std::function<void()> ended);

  Load& load;
  std::vector<std::unique_ptr<Activity>> activities;
  std::size_t running = 0;
  std::function<void()> on_end;
};

// One client each; they end when the load stops.
[[nodiscard]] Task<void> ask_again_and_again(Load& load, Kind kind, Duration every);
[[nodiscard]] Task<void> download_again_and_again(Load& load);
[[nodiscard]] Task<void> talk_again_and_again(Load& load, Duration every);

}  // namespace slipway::bench
