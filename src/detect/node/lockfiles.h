#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "detect/node/package.h"

namespace slipway::detection::node {

struct Lockfile {
  std::string_view name, manager;
};
// In the order of trust among those that agree with package.json: a package-lock.json beside
// another is usually the stray one, a bun.lockb beside a bun.lock the older format.
[[nodiscard]] std::span<const Lockfile> lockfiles();

// Whether a lockfile was made for this package.json, by its account of what the package asks for.
enum class Agreement { agrees, unknown, stale };
struct LockCheck {
  Agreement agreement = Agreement::unknown;
  std::string culprit;  // of a stale one: the first dependency that differs
  std::size_t differing = 0;
};
// `text` may be cut off (Files::max_read); what is not seen is unknown, never stale.
[[nodiscard]] LockCheck check_lockfile(const Package& package, const Lockfile& lockfile,
                                       std::string_view text);

// The command that brings a lockfile of `manager` up to date.
[[nodiscard]] std::string_view update_command(std::string_view manager);

}  // namespace slipway::detection::node
