#pragma once

#include <string_view>

namespace slipway {

// Teams, members and what is remembered of tokens. No token and nothing that one could be made of:
// the key lies in a file outside the database.
inline constexpr std::string_view identity_schema =
    R"(CREATE TABLE team (name TEXT PRIMARY KEY, created_at INTEGER NOT NULL) STRICT;
INSERT INTO team(name,created_at) VALUES('default',0);
CREATE TABLE member (
  team TEXT NOT NULL REFERENCES team(name), name TEXT NOT NULL, role TEXT NOT NULL, created_at INTEGER NOT NULL,
  PRIMARY KEY (team, name)) STRICT, WITHOUT ROWID;
CREATE TABLE token (
  id TEXT PRIMARY KEY, team TEXT NOT NULL, member TEXT NOT NULL, restriction TEXT NOT NULL,
  created_at INTEGER NOT NULL, created_by TEXT NOT NULL) STRICT;
CREATE TABLE token_use (
  path TEXT PRIMARY KEY, restriction TEXT NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
  deploys INTEGER NOT NULL, money INTEGER NOT NULL) STRICT;
CREATE TABLE token_revocation (
  within TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (within, id)) STRICT, WITHOUT ROWID;
CREATE TABLE agent_kill (name TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT;
)";

}  // namespace slipway
