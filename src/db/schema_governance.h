#pragma once

#include <string_view>

namespace slipway {

// Migration 3: policy sets, decisions with the facts they were made on, and what lifts a denial.
// The added columns of `deployment` are computed from its record; with their indexes a decision
// counts previews and deploys without reading records.
inline constexpr std::string_view governance_schema =
    R"(CREATE TABLE policy_set (
  version INTEGER PRIMARY KEY, digest TEXT NOT NULL, created_at INTEGER NOT NULL,
  record TEXT NOT NULL, text TEXT NOT NULL) STRICT;
CREATE TABLE fact_snapshot (digest TEXT PRIMARY KEY, facts TEXT NOT NULL) STRICT;
CREATE TABLE decision (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, time INTEGER NOT NULL,
  project TEXT NOT NULL, actor TEXT NOT NULL, verdict TEXT NOT NULL, resource TEXT NOT NULL,
  facts TEXT NOT NULL, record TEXT NOT NULL) STRICT;
CREATE INDEX decision_project ON decision(project, seq);
CREATE INDEX denial_actor ON decision(actor, time) WHERE verdict='deny';
CREATE INDEX denial_project ON decision(project, time) WHERE verdict='deny';
CREATE INDEX decision_resource ON decision(resource, seq);
CREATE INDEX decision_facts ON decision(facts);
CREATE TABLE approval (
  id TEXT PRIMARY KEY, state TEXT NOT NULL, project TEXT NOT NULL, resource TEXT NOT NULL,
  created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, record TEXT NOT NULL) STRICT;
CREATE INDEX approval_state ON approval(state, expires_at);
CREATE INDEX approval_resource ON approval(resource);
CREATE TABLE waiver (
  id TEXT PRIMARY KEY, state TEXT NOT NULL, project TEXT NOT NULL, resource TEXT NOT NULL,
  created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, record TEXT NOT NULL) STRICT;
CREATE INDEX waiver_state ON waiver(state, expires_at);
CREATE TABLE break_glass (
  id TEXT PRIMARY KEY, state TEXT NOT NULL, project TEXT NOT NULL, resource TEXT NOT NULL,
  created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, record TEXT NOT NULL) STRICT;
CREATE INDEX break_glass_state ON break_glass(state, expires_at);
ALTER TABLE deployment ADD COLUMN actor TEXT
  AS (json_extract(record,'$.actor.kind') || ':' || json_extract(record,'$.actor.name')) VIRTUAL;
ALTER TABLE deployment ADD COLUMN agent_of TEXT
  AS (nullif(json_extract(record,'$.actor.on_behalf_of'),'')) VIRTUAL;
CREATE INDEX deployment_actor ON deployment(actor, created_at);
CREATE INDEX deployment_agent_of ON deployment(agent_of, created_at) WHERE agent_of IS NOT NULL;
CREATE INDEX deployment_recent ON deployment(project, created_at);
CREATE INDEX deployment_live ON deployment(project, actor) WHERE state IN ('ready','sleeping');
)";

// Added later: which agent an agent came from, whatever name it goes by.
inline constexpr std::string_view top_agent_schema =
    R"(ALTER TABLE deployment ADD COLUMN top_agent TEXT
  AS (CASE WHEN json_extract(record,'$.actor.kind')='agent' THEN
   json_extract(record,'$.actor.chain[0]') || ' ' || json_extract(record,'$.actor.chain[1]') END) VIRTUAL;
CREATE INDEX deployment_top_agent ON deployment(top_agent, created_at) WHERE top_agent IS NOT NULL;
CREATE INDEX deployment_live_agent ON deployment(top_agent) WHERE state IN ('ready','sleeping');
ALTER TABLE decision ADD COLUMN top_agent TEXT
  AS (CASE WHEN json_extract(record,'$.actor.kind')='agent' THEN
   json_extract(record,'$.actor.chain[0]') || ' ' || json_extract(record,'$.actor.chain[1]') END) VIRTUAL;
CREATE INDEX denial_top_agent ON decision(top_agent, time) WHERE verdict='deny';
)";

}  // namespace slipway
