// What a sandbox costs: median and 90th percentile of starting, stopping, running a step and
// dialing, beside a bare process. Needs root. usage: bench_engine [ROUNDS [RUNTIME]]
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "engine/sandbox.h"
#include "engine/shim.h"
#include "sys/files.h"
#include "sys/process.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

void print(std::string_view what, std::vector<Duration> times) {
  std::ranges::sort(times);
  const auto ms = [](Duration d) { return static_cast<double>(d.count()) / 1000; };
  fmt::print("{:<44} median {:8.2f} ms   p90 {:8.2f} ms\n", what, ms(times[times.size() / 2]),
             ms(times[times.size() * 9 / 10]));
}

int bench(int rounds, std::string runtime) {
  const SystemClock clock;
  auto directory = TempDir::create("/tmp", "slipway-bench-");
  if (!directory) return 1;
  SandboxSettings settings;
  settings.state_dir = directory->path() / "state";
  settings.self_exe = std::filesystem::canonical("/proc/self/exe");
  settings.runtime = std::move(runtime);
  auto opened = SandboxEngine::open(settings, clock);
  if (!opened) {
    fmt::print(stderr, "{}\n", opened.error().message);
    return 1;
  }
  SandboxEngine& engine = **opened;
  const auto spec_of = [&](std::string script, Egress egress) {
    SandboxSpec spec;
    spec.id = "bench-" + random_id();
    spec.cgroup = "bench";
    spec.root.upper = directory->path() / "uppers" / spec.id;
    spec.argv = {"/bin/sh", "-c", std::move(script)};
    spec.egress = egress;
    return spec;
  };
  bool failed = false;
  const auto time = [&](const std::function<Status()>& work) {
    const Duration began = clock.monotonic();
    if (const Status done = work(); !done) {
      fmt::print(stderr, "{}\n", done.error().message);
      failed = true;
    }
    return clock.monotonic() - began;
  };

  std::vector<Duration> bare, start, stop, start_alone, step, dial;
  for (int i = 0; i < rounds && !failed; ++i) {
    const std::vector<std::string> command{"/bin/sh", "-c", "true"};
    bare.push_back(time([&]() -> Status {
      const auto done = run_command(command, "", 10s);
      return done ? Status{} : fail(done.error());
    }));
    const SandboxSpec spec = spec_of("exec sleep 1000", Egress::internet);
    start.push_back(time([&] { return engine.start(spec, directory->path() / "logs", 1 << 20); }));
    const auto dialer = engine.dialer(spec.id);
    if (dialer)
      dial.push_back(time([&]() -> Status {
                       for (int n = 0; n < 100; ++n) std::ignore = (*dialer)->dial(9);
                       return {};
                     }) /
                     100);
    stop.push_back(time([&] { return engine.stop(spec.id, 5s); }));
    const SandboxSpec alone = spec_of("exec sleep 1000", Egress::none);
    start_alone.push_back(
        time([&] { return engine.start(alone, directory->path() / "logs", 1 << 20); }));
    failed |= !engine.stop(alone.id, 0s);
    const SandboxSpec build = spec_of("true", Egress::none);
    step.push_back(time([&]() -> Status {
      const auto outcome = engine.run(build, 1min, 1 << 20, [](std::string_view) {}, {});
      return outcome ? Status{} : fail(outcome.error());
    }));
  }
  if (failed) return 1;
  print("bare: sh -c true", bare);
  print("start() of an instance with egress", start);
  print("start() of an instance without network", start_alone);
  print("stop() of `sleep`, which SIGTERM ends", stop);
  print("run() of the step `true`, all in all", step);
  print("dial() of a port", dial);
  return 0;
}

}  // namespace
}  // namespace slipway

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == slipway::shim_command)
    return slipway::shim_main(argc, argv);
  int rounds = 30;
  if (argc > 1) {
    const std::string_view text = argv[1];
    std::from_chars(text.data(), text.data() + text.size(), rounds);
  }
  return slipway::bench(std::max(rounds, 1), argc > 2 ? argv[2] : "");
}
