#pragma once

// For tests: the rules that governance_model_test.cc plays under, and what is deployed there.

#include <string_view>
#include <vector>

#include "deploy/testing/world.h"

namespace slipway::testing {

inline constexpr std::string_view rules_head = "name = \"test\"\n";
inline constexpr std::string_view keys_rule = R"([[rule]]
id = "keys"
on = ["build"]
enforce = "soft"
message = "no"
violations = "SELECT subject FROM file WHERE path LIKE '%.pem' AND change != 'removed'"
[[rule.test]]
expect = "deny"
file = [{ path = "a.pem", subject = "a.pem", change = "added" }]
[[rule.test]]
expect = "pass"
)";
inline constexpr std::string_view other_rules = R"([[rule]]
id = "tables"
on = ["build"]
enforce = "hard"
message = "no"
approvals = { need = 1, roles = ["approver", "admin"], valid_for = "200h" }
violations = "SELECT subject FROM file WHERE path LIKE '%.sql' AND change != 'removed'"
[[rule.test]]
expect = "deny"
file = [{ path = "a.sql", subject = "a.sql", change = "added" }]
[[rule.test]]
expect = "pass"
[[rule]]
id = "promotions-ask"
on = ["promote"]
enforce = "hard"
message = "no"
approvals = { need = 1, roles = ["approver", "admin"], valid_for = "200h" }
violations = "SELECT actor_name AS subject FROM request WHERE actor_kind = 'agent' OR environment = 'production'"
[[rule.test]]
expect = "deny"
request = { actor_kind = "agent" }
[[rule.test]]
expect = "pass"
request = { environment = "staging" }
[[rule]]
id = "two-people"
on = ["config"]
enforce = "soft"
message = "no"
approvals = { need = 1, roles = ["approver", "admin"], valid_for = "200h" }
violations = "SELECT 'env' AS subject FROM request WHERE environment = 'production'"
[[rule.test]]
expect = "deny"
request = { environment = "production" }
[[rule.test]]
expect = "pass"
request = { environment = "preview" }
[[rule]]
id = "no-agents"
on = ["secret", "rollback"]
enforce = "hard"
message = "no"
violations = "SELECT actor_name AS subject FROM request WHERE actor_kind = 'agent' AND environment = 'production'"
[[rule.test]]
expect = "deny"
request = { actor_kind = "agent" }
[[rule.test]]
expect = "pass"
[[rule]]
id = "agents-remove"
on = ["remove"]
enforce = "hard"
message = "no"
approvals = { need = 1, roles = ["approver", "admin"], valid_for = "200h" }
violations = "SELECT actor_name AS subject FROM request WHERE actor_kind = 'agent'"
[[rule.test]]
expect = "deny"
request = { actor_kind = "agent" }
[[rule.test]]
expect = "pass"
[[rule]]
id = "short-tokens"
on = ["token"]
enforce = "hard"
message = "no"
violations = "SELECT label AS subject FROM token_request WHERE for_kind = 'agent' AND COALESCE(expires_in, 1000000) > 172800"
[[rule.test]]
expect = "deny"
token_request = { for_kind = "agent", expires_in = 200000 }
[[rule.test]]
expect = "pass"
token_request = { for_kind = "agent", expires_in = 3600 }
[[rule]]
id = "weaker"
on = ["policy"]
enforce = "hard"
message = "no"
approvals = { need = 1, roles = ["admin"], valid_for = "200h" }
violations = "SELECT 'rules' AS subject FROM policy_change WHERE rules_removed > 0 OR rules_weakened > 0"
[[rule.test]]
expect = "deny"
policy_change = { rules_removed = 1 }
[[rule.test]]
expect = "pass"
policy_change = { rules_added = 1 }
)";

inline const std::vector<Files> model_sources{
    {{"index.html", "1"}},
    {{"index.html", "2"}},
    {{"index.html", "1"}, {"key.pem", "k"}},
    {{"a.sql", "s"}, {"index.html", "2"}},
    {{"a.sql", "s"}, {"index.html", "1"}, {"key.pem", "k"}}};

}  // namespace slipway::testing
