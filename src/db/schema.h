#pragma once

#include <array>
#include <string_view>

#include "db/schema_alert.h"
#include "db/schema_audit.h"
#include "db/schema_configuration.h"
#include "db/schema_domain.h"
#include "db/schema_governance.h"
#include "db/schema_identity.h"
#include "db/schema_live.h"
#include "db/schema_place.h"
#include "db/schema_release.h"
#include "db/schema_revision.h"
#include "db/schema_waits.h"
#include "db/schema_witness.h"

namespace slipway {

// The schema's history. Append; never edit a row that was released.
inline constexpr std::array<std::string_view, 14> schema_migrations{
    R"(CREATE TABLE project (
  name TEXT PRIMARY KEY, team TEXT NOT NULL, created_at INTEGER NOT NULL, base_manifest TEXT) STRICT;
CREATE TABLE deployment (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, project TEXT NOT NULL REFERENCES project(name),
  alias TEXT NOT NULL, state TEXT NOT NULL, created_at INTEGER NOT NULL, deleted_at INTEGER,
  expires_at INTEGER, idempotency_key TEXT UNIQUE, record TEXT NOT NULL) STRICT;
CREATE INDEX deployment_project ON deployment(project, seq);
CREATE INDEX deployment_state ON deployment(state, seq);
CREATE INDEX deployment_due ON deployment(expires_at) WHERE state IN ('ready','sleeping');
CREATE INDEX deployment_deleted ON deployment(deleted_at) WHERE deleted_at IS NOT NULL;
CREATE TABLE alias (
  project TEXT NOT NULL, alias TEXT NOT NULL, deployment TEXT NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (project, alias)) STRICT, WITHOUT ROWID;
CREATE TABLE upload (
  id TEXT PRIMARY KEY, project TEXT NOT NULL, manifest TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT;
CREATE TABLE uid_slot (environment TEXT PRIMARY KEY, slot INTEGER NOT NULL UNIQUE) STRICT;
CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
)",
    audit_schema,
    identity_schema,
    governance_schema,
    configuration_schema,
    release_schema,
    domain_schema,
    alert_schema,
    revision_schema,
    top_agent_schema,
    waits_schema,
    witness_schema,
    place_schema,
    live_schema};

}  // namespace slipway
