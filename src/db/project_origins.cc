// Where the folders came from that were deployed to a project.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "db/repository.h"

namespace slipway {

Status Repository::check_origin(std::string_view project, std::string_view origin) {
  SLIPWAY_TRY(const auto known, setting(fmt::format("origins/{}", project)));
  if (origin.empty() || !known || known->empty()) return {};
  const auto origins = split(*known, '\n');
  if (std::ranges::find(origins, origin) != origins.end()) return {};
  const std::string_view first = origins.front();
  return fail({.code = Errc::conflict,
               .message = fmt::format("{} belongs to another folder{}", project,
                                      first.starts_with("git:")
                                          ? fmt::format(" ({})", sanitize_line(first.substr(4)))
                                          : std::string()),
               .hint = fmt::format("for a project of its own: --project NAME; to deploy into that "
                                   "one all the same: --project {}",
                                   project),
               .cause = "other_origin"});
}

Status Repository::remember_origin(std::string_view project, std::string_view origin) {
  constexpr std::size_t most = 50;
  if (origin.empty()) return {};
  const std::string key = fmt::format("origins/{}", project);
  SLIPWAY_TRY(const auto known, setting(key));
  std::vector<std::string> origins;
  if (known)
    for (const std::string_view each : split(*known, '\n'))
      if (!each.empty()) origins.emplace_back(each);
  if (std::ranges::find(origins, origin) != origins.end()) return {};
  if (origins.size() >= most) origins.erase(origins.begin());
  origins.emplace_back(origin);
  return set_setting(key, join(origins, "\n"));
}

}  // namespace slipway
