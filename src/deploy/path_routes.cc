#include "deploy/path_routes.h"

#include "router/path_rules.h"

namespace slipway {

RouteTarget with_path_rules(const Deployment& deployment, const Unit& unit, RouteTarget target,
                            const std::function<std::string(std::string_view label)>& host_of) {
  if (unit.service == nullptr || unit.service->proxies.empty()) return target;
  std::vector<PathRules::Rule> rules;
  for (const Proxy& proxy : unit.service->proxies)
    for (const Unit& other : units_of(deployment))
      if (other.service != nullptr && other.service->name == proxy.service &&
          other.label != unit.label && other.is_routed())
        rules.push_back({.path = proxy.path,
                         .host = host_of(other.label),
                         .prefix = proxy.strip ? PathRules::Rule::Prefix::taken
                                               : PathRules::Rule::Prefix::kept});
  if (rules.empty()) return target;
  return PathRules::create(std::move(target), std::move(rules));
}

}  // namespace slipway
