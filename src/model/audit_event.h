#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "model/actor.h"

namespace slipway {

// On whose word something happens, and why it was allowed. Handed down from the request (or from
// the part of the server that acts by itself) to whatever changes state.
struct AuditContext {
  Actor actor;
  std::string request_id;
  std::string source_address;  // of the client; "" for the system
  std::string role = "none";   // of the actor: admin | deployer | approver | viewer | none
  std::string decision;        // id of the policy decision that allowed it; "" when none was asked
  std::string waiver;          // id of the waiver it rests on
  std::string policy_set, facts;  // digests: what `decision` was made by and on
  bool operator==(const AuditContext&) const = default;
};

// What Slipway does by itself.
[[nodiscard]] AuditContext by_system(std::string_view part);

// One thing that is about to happen, as the audit log records it (GOVERNANCE.md "Audit"). Sequence,
// time and hashes are added by the log. Nothing in it is ever a secret.
struct AuditEvent {
  std::string event;  // "deployment.created", "token.revoked": noun, dot, past participle
  std::string
      action;  // the permission that it needed: "deploy", "remove", ...; "" for the system's own
  AuditContext by;
  std::string resource;  // "deployment/dpl_…", "token/tok_…"
  std::string team, project, environment;
  std::string before, after;  // digests of the resource's record; "" when there is none
  std::string artifact, sbom, policy_set, facts;  // digests
  std::int64_t cost_micros = 0;
  std::map<std::string, std::string> detail;  // small facts: "state": "ready"
  bool operator==(const AuditEvent&) const = default;
};

}  // namespace slipway
