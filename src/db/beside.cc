#include "db/beside.h"

#include "db/governance_store.h"

namespace slipway {

Status put(Database::Transaction& transaction, AuditStore& audit, const Beside& beside) {
  if (beside.decision != nullptr)
    SLIPWAY_CHECK(GovernanceStore::put(transaction, *beside.decision, beside.facts));
  for (const ApprovalId& id : beside.uses)
    SLIPWAY_CHECK(
        GovernanceStore::use(transaction, audit, *beside.decided_by, id, beside.decision->at));
  if (beside.request != nullptr)
    SLIPWAY_CHECK(GovernanceStore::add(transaction, audit, *beside.asked_by, *beside.request));
  return {};
}

}  // namespace slipway
