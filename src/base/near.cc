#include "base/near.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace slipway {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i)
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  return cost[a.size()][b.size()];
}

std::vector<std::string> near_names(std::string_view word, const std::vector<std::string>& names,
                                    std::size_t most) {
  constexpr std::size_t longest = 100;  // what is longer is no slip, and would take long to compare
  const std::size_t too_far = word.size() <= 3 ? 2 : 3;
  std::vector<std::pair<std::size_t, std::string>> near;
  for (const std::string& name : names) {
    if (word.size() > longest || name.size() > longest) continue;
    if (name.size() + too_far <= word.size() || word.size() + too_far <= name.size()) continue;
    const std::size_t far = edit_distance(word, name);
    if (far < too_far) near.emplace_back(far, name);
  }
  if (near.empty() && word.size() >= 2)
    for (const std::string& name : names)
      if (name.starts_with(word)) near.emplace_back(0, name);
  std::ranges::sort(near);
  if (near.size() > most) near.resize(most);
  std::vector<std::string> out;
  for (auto& [far, name] : near) out.push_back(std::move(name));
  return out;
}

std::string did_you_mean(const std::vector<std::string>& near) {
  return near.empty() ? "" : fmt::format("did you mean {}?", sanitize_line(join(near, ", or ")));
}

}  // namespace slipway
