#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "router/route_table.h"

namespace slipway {

// A host whose paths are shared: what lies below a rule's path is answered as if it had been asked
// of another host, everything else by `rest`. Immutable once published.
struct PathRules {
  struct Rule {
    std::string path;                   // "/api": itself and what lies below it, not "/apis"
    std::string host;                   // whose target answers, at the moment of the request
    enum class Prefix { kept, taken };  // taken: "/api/users" reaches it as "/users"
    Prefix prefix = Prefix::kept;
  };
  // `rules` in any order: the longest that matches decides.
  [[nodiscard]] static std::shared_ptr<const PathRules> create(RouteTarget rest,
                                                               std::vector<Rule> rules);
  // The rule for a request's target ("/path?query"); null when `rest` answers.
  [[nodiscard]] const Rule* find(std::string_view target) const;

  RouteTarget rest;
  std::vector<Rule> rules;  // the longest first
};

// What answers where no rule of `target` does: `target` itself when it has none.
[[nodiscard]] std::optional<RouteTarget> rest_of(std::optional<RouteTarget> target);

// Who answers a request for `path` ("/path?query") at `host`; never path rules. A rule that applies
// makes `host` its own, and where it takes a prefix away `path` becomes what is left; new text for
// it is kept in `storage`. Nothing when the host leads nowhere.
[[nodiscard]] std::optional<RouteTarget> follow_path(const RouteTable& routes, std::string& host,
                                                     std::string_view& path, std::string& storage);

}  // namespace slipway
