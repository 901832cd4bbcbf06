#include "identity/path_quota.h"

#include <algorithm>

namespace slipway {

std::vector<std::string> path_prefixes(std::string_view path) {
  std::vector<std::string> out;
  for (std::size_t slash = 0; slash != std::string_view::npos;) {
    slash = path.find('/', slash + 1);
    out.emplace_back(path.substr(0, slash));
  }
  return out;
}

std::string_view parent_path(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view last_id(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool is_within(std::string_view path, std::string_view within) {
  return path.starts_with(within) && (path.size() == within.size() || path[within.size()] == '/');
}

std::optional<PathQuota::Full> PathQuota::full(std::string_view path) const {
  const auto count_of = [&](std::string_view of) {
    const auto found = counts_.find(of);
    return found == counts_.end() ? Count{} : found->second;
  };
  if (count_of(path).own >= limits_.own) return Full{std::string(path), Full::Room::own};
  for (std::string_view above = parent_path(path); !above.empty(); above = parent_path(above)) {
    const auto depth = static_cast<std::size_t>(std::ranges::count(above, '/'));
    if (count_of(above).below >= limits_.below[std::min(depth, limits_.below.size() - 1)])
      return Full{std::string(above), Full::Room::below};
  }
  return std::nullopt;
}

void PathQuota::change(std::string_view path, std::ptrdiff_t by) {
  const auto on = [&](std::string_view of, std::size_t Count::* member) {
    const auto at = counts_.try_emplace(std::string(of)).first;
    (at->second.*member) += static_cast<std::size_t>(by);
    if (at->second.own == 0 && at->second.below == 0) counts_.erase(at);
  };
  on(path, &Count::own);
  for (std::string_view above = parent_path(path); !above.empty(); above = parent_path(above))
    on(above, &Count::below);
}

void PathQuota::add(std::string_view path) { change(path, 1); }
void PathQuota::remove(std::string_view path) { change(path, -1); }

std::size_t PathQuota::own(std::string_view path) const {
  const auto found = counts_.find(path);
  return found == counts_.end() ? 0 : found->second.own;
}

}  // namespace slipway
