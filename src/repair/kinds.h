#pragma once

#include "repair/repair.h"

namespace slipway::repair {

// One a file of the same name.
[[nodiscard]] std::optional<Change> flaky_registry(const Failure& failure);
[[nodiscard]] std::optional<Change> unfrozen_install(const Failure& failure);
[[nodiscard]] std::optional<Change> peer_conflicts(const Failure& failure);
[[nodiscard]] std::optional<Change> engine_ranges(const Failure& failure);
[[nodiscard]] std::optional<Change> without_lockfile(const Failure& failure);
[[nodiscard]] std::optional<Change> newer_node(const Failure& failure);
[[nodiscard]] std::optional<Change> older_python(const Failure& failure);
[[nodiscard]] std::optional<Change> legacy_openssl(const Failure& failure);
[[nodiscard]] std::optional<Change> prisma_client(const Failure& failure);
[[nodiscard]] std::optional<Change> type_check(const Failure& failure);
[[nodiscard]] std::optional<Change> pkg_resources(const Failure& failure);
[[nodiscard]] std::optional<Change> undeclared_dependency(const Failure& failure);
[[nodiscard]] std::optional<Change> browser_download(const Failure& failure);
[[nodiscard]] std::optional<Change> failed_install_script(const Failure& failure);
[[nodiscard]] std::optional<Change> more_memory(const Failure& failure);

// Whether `text` holds any of `parts`.
[[nodiscard]] bool holds_any(std::string_view text, std::initializer_list<std::string_view> parts);
// `text` with each `from` replaced; nothing when there is none.
[[nodiscard]] std::optional<std::string> replaced(std::string_view text, std::string_view from,
                                                  std::string_view to);

}  // namespace slipway::repair
