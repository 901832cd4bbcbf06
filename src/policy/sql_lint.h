#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/fact_tables.h"

namespace slipway {

// What a rule's query reads and answers.
struct QueryShape {
  struct Column {
    std::string name;
    FactType type = FactType::integer;
    bool nullable = false;
  };
  std::vector<Column> result;
  std::set<std::string, std::less<>> tables;   // fact tables
  std::set<std::string, std::less<>> columns;  // "table.column"
};

// Reads one query of the rule language, a typed subset of SQL, and refuses what SQL would let pass
// in silence: comparisons of text with integers, a word that its column never has, NULL where a
// condition would vanish, chained comparisons, `x = 1 OR 2`, units that differ, a query that always
// or (through LIMIT) only sometimes tells. Knows the fact tables; runs nothing; total on any bytes.
// Errors: invalid_argument, with the line inside the query.
[[nodiscard]] Result<QueryShape> lint_query(std::string_view sql);

}  // namespace slipway
