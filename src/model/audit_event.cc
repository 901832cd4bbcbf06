#include "model/audit_event.h"

namespace slipway {

Actor system_actor(std::string_view part) {
  return {.kind = "system", .name = std::string(part), .chain = {"system:" + std::string(part)}};
}

AuditContext by_system(std::string_view part) { return {.actor = system_actor(part)}; }

}  // namespace slipway
