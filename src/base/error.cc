#include "base/error.h"

#include <array>
#include <utility>

namespace slipway {
namespace {

using enum ErrcInfo::Retry;

// In the order of the enumerators, so that info() is an index.
constexpr std::array table{
    ErrcInfo{Errc::invalid_argument, "invalid_argument", 400, 2, no},
    ErrcInfo{Errc::not_found, "not_found", 404, 3, no},
    ErrcInfo{Errc::conflict, "conflict", 409, 4, no},
    ErrcInfo{Errc::failed_precondition, "failed_precondition", 412, 4, no},
    ErrcInfo{Errc::over_budget, "over_budget", 402, 5, no},
    ErrcInfo{Errc::denied_by_policy, "denied_by_policy", 403, 6, no},
    ErrcInfo{Errc::build_failed, "build_failed", 422, 7, no},
    ErrcInfo{Errc::start_failed, "start_failed", 422, 7, no},
    ErrcInfo{Errc::unauthenticated, "unauthenticated", 401, 77, no},
    ErrcInfo{Errc::permission_denied, "permission_denied", 403, 77, no},
    ErrcInfo{Errc::too_large, "too_large", 413, 2, no},
    ErrcInfo{Errc::rate_limited, "rate_limited", 429, 75, yes},
    ErrcInfo{Errc::unavailable, "unavailable", 503, 75, yes},
    ErrcInfo{Errc::deadline_exceeded, "deadline_exceeded", 504, 75, yes},
    ErrcInfo{Errc::canceled, "canceled", 409, 130, no},
    ErrcInfo{Errc::disk_full, "disk_full", 507, 75, yes},
    ErrcInfo{Errc::io, "io", 500, 70, no},
    ErrcInfo{Errc::corrupt, "corrupt", 422, 70, no},
    ErrcInfo{Errc::internal, "internal", 500, 70, no},
};

constexpr bool in_order() {
  for (std::size_t i = 0; i < table.size(); ++i)
    if (std::to_underlying(table[i].code) != static_cast<int>(i)) return false;
  return true;
}
static_assert(in_order());
static_assert(table.size() == std::to_underlying(Errc::internal) + 1);

}  // namespace

const ErrcInfo& info(Errc code) {
  return table[static_cast<std::size_t>(std::to_underlying(code))];
}

Errc errc_from_name(std::string_view name) {
  for (const ErrcInfo& row : table)
    if (row.name == name) return row.code;
  return Errc::internal;
}

Error&& Error::with_hint(std::string text) && {
  hint = std::move(text);
  return std::move(*this);
}

Error&& Error::with_next(std::string run, std::string when) && {
  next.push_back({std::move(run), std::move(when)});
  return std::move(*this);
}

}  // namespace slipway
