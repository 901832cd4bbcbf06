#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.h"
#include "build/host_settings.h"
#include "build/toolchain.h"
#include "engine/engine.h"

namespace slipway {

// Resolves what a service needs to what there is: the host's installation when it satisfies the
// range, else one fetched earlier, else one fetched now from the language's own registry (npm
// carries Node, pnpm, Yarn, Bun and Deno; PyPI carries uv, which fetches Pythons), in a sandbox,
// with the registry's own client. Fetched ones lie at "<root>/<name>-<version>" and appear by
// rename. What the host has is asked once a process. Thread-safe; `runner` and `settings` must
// outlive it.
class Toolchains {
 public:
  using Finder = std::function<std::vector<Toolchain>(std::string_view name)>;

  // `find` tells what the host has; find_host_toolchains() outside tests.
  Toolchains(std::filesystem::path root, Finder find, const HostSettings& settings,
             StepRunner& runner);

  struct Context {
    std::function<void(std::string_view)> note;  // one line for the build's log
    StepRunner::OutputSink output;
    std::stop_token stop;
    std::uint32_t uid_slot = 0;
    std::string sandbox_id;  // for fetching
  };
  // Errors: failed_precondition with what to install as the hint; canceled.
  [[nodiscard]] Result<Toolchain> resolve(const ToolchainNeed& need, const Context& context);
  // A toolchain that was resolved before, perhaps by an earlier process ("node@20.20.2"). Errors:
  // failed_precondition when it is gone.
  [[nodiscard]] Result<Toolchain> get(std::string_view id);
  // Removes fetched ones that `in_use` (an id) denies and that nothing resolved for `unused_for`.
  // One that is resolved meanwhile is either kept or fetched again. Returns the bytes freed.
  [[nodiscard]] Result<std::uint64_t> collect(
      const std::function<bool(std::string_view id)>& in_use, Duration unused_for);
  // What the host has of a tool.
  [[nodiscard]] std::vector<Toolchain> on_host(std::string_view name);

 private:
  std::vector<Toolchain> fetched(std::string_view name) const;
  // A fetched one that was just resolved: from now on it counts as used. Nothing when it was
  // collected meanwhile.
  std::optional<Toolchain> use_fetched(const Toolchain* tool);
  Result<Toolchain> fetch(const ToolchainNeed& need, const VersionRange& range,
                          const Context& context);
  Result<Toolchain> remember(Toolchain tool);

  std::filesystem::path root_;
  Finder find_;
  const HostSettings& settings_;
  StepRunner& runner_;
  Mutex mutex_;
  std::map<std::string, std::vector<Toolchain>, std::less<>> host_ SLIPWAY_GUARDED_BY(mutex_);
  std::map<std::string, Toolchain, std::less<>> resolved_ SLIPWAY_GUARDED_BY(mutex_);
  Guarded<bool> fetching_;  // one at a time
  CondVar fetch_over_;
};

}  // namespace slipway
