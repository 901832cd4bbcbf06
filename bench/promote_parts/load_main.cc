// Mixed traffic on one site of this machine, at a steady rate: small GETs over kept, fresh and
// pipelined connections, POST bodies in parts, downloads of four seconds, WebSockets that echo.
// Every answer is compared with what it must be; bench/promote_parts/app answers all of it.
//
//     bench_load URL RATE
//
// Prints "running" once all clients have begun. A line on standard input begins a phase of that
// name; its end ends the traffic, in order, and prints one JSON list: for each phase its answers,
// failures, who answered, and latencies; what was under way at the end is a phase "end".

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <iostream>
#include <optional>
#include <thread>

#include "load.h"

namespace {

struct Site {
  std::string host;
  int port = 80;
};

std::optional<Site> parse_url(std::string_view url) {
  if (!url.starts_with("http://")) return std::nullopt;
  url.remove_prefix(7);
  url = url.substr(0, url.find('/'));
  Site site{.host = std::string(url)};
  if (const auto colon = url.rfind(':'); colon != std::string_view::npos)
    std::from_chars(url.data() + colon + 1, url.data() + url.size(), site.port);
  return site;
}

}  // namespace

int main(int argc, char** argv) {
  const auto site = argc == 3 ? parse_url(argv[1]) : std::nullopt;
  const double rate = argc == 3 ? std::atof(argv[2]) : 0;
  if (!site || rate < 1) {
    fmt::print(stderr, "usage: bench_load http://HOST:PORT REQUESTS-A-SECOND\n");
    return 2;
  }
  slipway::bench::Load load(site->host, site->port, rate);
  load.begin_phase("start");
  slipway::bench::Crowd crowd(load);
  load.loop.post([&] {
    crowd.start([&] { load.loop.stop(); });
    fmt::print("running\n");
    std::fflush(stdout);
  });
  std::thread orders([&] {
    for (std::string line; std::getline(std::cin, line);)
      load.loop.post([&load, line] { load.begin_phase(line); });
    load.loop.post([&load] {
      load.stopping = true;
      load.begin_phase("end");
    });
  });
  load.loop.run();
  orders.join();
  fmt::print("{}\n", load.report());
  return 0;
}
