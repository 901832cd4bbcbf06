#pragma once

#include <memory>
#include <string>

#include "policy/evaluator.h"

namespace slipway {

// Runs rules on SQLite: a fresh `:memory:` database of STRICT tables for each session, which holds
// nothing but the facts of one decision. Hardened: an authorizer allows SELECT, reading of fact
// tables and listed functions only (no recursion, virtual table, PRAGMA, ATTACH, time or random);
// double-quoted strings are off, DEFENSIVE is on; lengths, depth, steps, memory and rows are
// limited. LIKE, GLOB and instr() are our own, so that no pattern takes more than linear space and
// its time counts as steps.
[[nodiscard]] std::unique_ptr<RuleEvaluator> make_sql_rule_evaluator();

// The CREATE TABLE statements, for docs and tests.
[[nodiscard]] std::string fact_schema();

}  // namespace slipway
