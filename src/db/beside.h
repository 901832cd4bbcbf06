#pragma once

#include <span>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "db/audit_store.h"
#include "db/database.h"

namespace slipway {

struct StoredDecision;  // db/governance_records.h
struct ApprovalRequest;

// What belongs to the same transaction as a change: the decision that it rests on, and the approval
// that it waits for. Values, so that nothing but the stores' own statements runs in a transaction.
// What it refers to must outlive the call that it is given to.
struct Beside {
  const StoredDecision* decision = nullptr;
  std::string_view facts;  // the decision's snapshot, as canonical JSON
  const AuditContext* decided_by = nullptr;
  std::span<const ApprovalId> uses;  // what it rests on, used up by it
  const ApprovalRequest* request = nullptr;
  const AuditContext* asked_by = nullptr;  // on whose word `request` is recorded

  // The same, and this request.
  [[nodiscard]] Beside with(const AuditContext& by, const ApprovalRequest& asked) const {
    Beside out = *this;
    out.request = &asked;
    out.asked_by = &by;
    return out;
  }
};

[[nodiscard]] Status put(Database::Transaction& transaction, AuditStore& audit,
                         const Beside& beside);

}  // namespace slipway
