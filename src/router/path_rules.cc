#include "router/path_rules.h"

#include <algorithm>

namespace slipway {

std::shared_ptr<const PathRules> PathRules::create(RouteTarget rest, std::vector<Rule> rules) {
  std::ranges::sort(rules, [](const Rule& a, const Rule& b) {
    return a.path.size() != b.path.size() ? a.path.size() > b.path.size() : a.path < b.path;
  });
  auto made = std::make_shared<PathRules>();
  made->rest = std::move(rest);
  made->rules = std::move(rules);
  return made;
}

const PathRules::Rule* PathRules::find(std::string_view target) const {
  const auto at = std::ranges::find_if(rules, [&](const Rule& rule) {
    return target.starts_with(rule.path) &&
           (target.size() == rule.path.size() || target[rule.path.size()] == '/' ||
            target[rule.path.size()] == '?');
  });
  return at == rules.end() ? nullptr : &*at;
}

std::optional<RouteTarget> rest_of(std::optional<RouteTarget> target) {
  if (target)
    if (const auto* rules = std::get_if<std::shared_ptr<const PathRules>>(&*target)) {
      RouteTarget rest = (*rules)->rest;
      return rest;
    }
  return target;
}

std::optional<RouteTarget> follow_path(const RouteTable& routes, std::string& host,
                                       std::string_view& path, std::string& storage) {
  std::optional<RouteTarget> target = routes.find(host);
  const auto* shared = target ? std::get_if<std::shared_ptr<const PathRules>>(&*target) : nullptr;
  if (shared == nullptr) return target;
  const PathRules::Rule* rule = (*shared)->find(path);
  if (rule == nullptr) return rest_of(std::move(target));
  if (rule->prefix == PathRules::Rule::Prefix::taken) {
    path.remove_prefix(rule->path.size());
    if (!path.starts_with('/')) {
      storage = "/";
      storage += path;
      path = storage;
    }
  }
  host = rule->host;
  return rest_of(routes.find(host));  // the other host's rules are about its own paths
}

}  // namespace slipway
