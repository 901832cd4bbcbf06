#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::repair {

// A lockfile whose downloads lie with a registry of somebody's own (the npm cache of an AI builder,
// a public mirror): the same lockfile, with the configured registry asked for the same name,
// version and integrity hash.
struct Rehosted {
  std::string text;
  std::vector<std::string> hosts;  // that are not asked any more; sorted
  std::size_t entries = 0;
};
// `file_name` says the format: package-lock.json, npm-shrinkwrap.json, bun.lock, pnpm-lock.yaml,
// yarn.lock. `settings` is the text of the .npmrc and the like beside it: a host that it names is
// meant, and stays. `registry` ends with '/' (of use for yarn.lock, which must name one). Only
// downloads that carry an integrity hash are touched. Nothing when there is nothing to change.
// Pure, linear.
[[nodiscard]] std::optional<Rehosted> rehost_lockfile(std::string_view file_name,
                                                      std::string_view text,
                                                      std::string_view settings,
                                                      std::string_view registry);

}  // namespace slipway::repair
