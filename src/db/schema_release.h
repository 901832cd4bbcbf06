#pragma once

#include <string_view>

namespace slipway {

// Releases, rollouts and where each environment stands. `record` is their JSON
// (json/release_json.h); the columns beside it are what is searched for. `by_watch`: a rollout that
// Slipway took back by itself after the switch.
inline constexpr std::string_view release_schema =
    R"(CREATE TABLE release_entry (
  project TEXT NOT NULL, environment TEXT NOT NULL, number INTEGER NOT NULL, deployment TEXT NOT NULL,
  live_at INTEGER, kept INTEGER NOT NULL, record TEXT NOT NULL,
  PRIMARY KEY (project, environment, number)) STRICT, WITHOUT ROWID;
CREATE INDEX release_deployment ON release_entry(deployment);
CREATE INDEX release_kept ON release_entry(project, environment, number) WHERE kept=1;
CREATE TABLE rollout (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, project TEXT NOT NULL,
  environment TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, created_at INTEGER NOT NULL,
  switched_at INTEGER, ended_at INTEGER, by_watch INTEGER NOT NULL, record TEXT NOT NULL) STRICT;
CREATE INDEX rollout_environment ON rollout(project, environment, seq);
CREATE INDEX rollout_open ON rollout(seq) WHERE state IN ('waiting','running','canary','watching');
CREATE TABLE environment_state (
  project TEXT NOT NULL, environment TEXT NOT NULL, record TEXT NOT NULL,
  PRIMARY KEY (project, environment)) STRICT, WITHOUT ROWID;
)";

}  // namespace slipway
