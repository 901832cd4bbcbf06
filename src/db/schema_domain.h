#pragma once

#include <string_view>

namespace slipway {

// Domains of people's own: any number of claims to a name, at most one of them proven. Which
// environment previews may start with a copy of the volumes of.
inline constexpr std::string_view domain_schema =
    R"(CREATE TABLE domain (
  name TEXT NOT NULL, project TEXT NOT NULL, environment TEXT NOT NULL, verified INTEGER NOT NULL,
  record TEXT NOT NULL, PRIMARY KEY (name, project)) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX domain_owner ON domain(name) WHERE verified=1;
CREATE INDEX domain_place ON domain(project, environment);
CREATE TABLE volume_share (project TEXT PRIMARY KEY, source TEXT NOT NULL) STRICT, WITHOUT ROWID;
)";

}  // namespace slipway
