// The route table with 10 and with 20,000 routes: a lookup, publishing one route, and, for
// comparison, what publishing would cost if it copied the whole table.

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <unordered_map>

#include "router/route_table.h"

namespace {

using Clock = std::chrono::steady_clock;
using slipway::RouteTable;
using slipway::RouteTarget;

std::string host(int i) { return fmt::format("alias{}--project{}.localhost", i, i % 997); }

template <class Work>
double nanoseconds_each(int times, Work work) {
  const auto start = Clock::now();
  for (int i = 0; i < times; ++i) work(i);
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count() / times;
}

void measure(int routes) {
  RouteTable table;
  std::unordered_map<std::string, RouteTarget> plain;
  std::vector<std::pair<std::string, std::optional<RouteTarget>>> all;
  for (int i = 0; i < routes; ++i) {
    const RouteTarget target = std::make_shared<slipway::Backend>(slipway::DeploymentId::random());
    all.emplace_back(host(i), target);
    plain.emplace(host(i), target);
  }
  table.publish(std::move(all));
  std::vector<std::string> names;
  for (int i = 0; i < routes; ++i) names.push_back(host(i));
  int found = 0;
  const double find = nanoseconds_each(1'000'000, [&](int i) {
    found += table.find(names[static_cast<std::size_t>(i * 7919LL % routes)]).has_value();
  });
  const RouteTarget other = std::make_shared<slipway::Backend>(slipway::DeploymentId::random());
  const double publish = nanoseconds_each(10'000, [&](int i) {
    table.publish({{names[static_cast<std::size_t>(i * 7919LL % routes)], other}});
  });
  const double copy = nanoseconds_each(20, [&](int) {
    const auto whole = plain;
    found += static_cast<int>(whole.size() > 0);
  });
  fmt::print("{:>7} {:>14.0f} {:>19.2f} {:>23.2f}\n", routes, find, publish / 1000, copy / 1000);
  if (found == 0) fmt::print("nothing was found\n");
}

}  // namespace

int main() {
  fmt::print("{:>7} {:>14} {:>19} {:>23}\n", "routes", "lookup, ns", "publish one, us",
             "copying the whole, us");
  for (const int routes : {10, 1'000, 20'000}) measure(routes);
}
