#pragma once

#include <string_view>

namespace slipway {

// Configurations, a row a version; `vars` is a JSON array of {name, kind, secret, sealed}. The key
// that opens what is sealed is not in the database.
inline constexpr std::string_view configuration_schema =
    R"(CREATE TABLE configuration (
  project TEXT NOT NULL, environment TEXT NOT NULL, version INTEGER NOT NULL, created_at INTEGER NOT NULL,
  actor TEXT NOT NULL, note TEXT NOT NULL, vars TEXT NOT NULL,
  PRIMARY KEY (project, environment, version)) STRICT, WITHOUT ROWID;
)";

}  // namespace slipway
