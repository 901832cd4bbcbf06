#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "db/database.h"
#include "model/audit_event.h"

namespace slipway {

// The audit log's table. A change of state and its record are one transaction, so neither is ever
// there without the other; what happens outside the database (a route, an instance, a file) follows
// after the commit. Rows are only ever added. Thread-safe through the database's lock.
class AuditStore {
 public:
  AuditStore(Database& database, const Clock& clock) : database_(database), clock_(clock) {}

  // Within the transaction of the change itself.
  [[nodiscard]] Status append(Database::Session& session, const AuditEvent& event);
  // For what changes no row: durable when it returns, so before it takes effect.
  [[nodiscard]] Status record(const AuditEvent& event);

 private:
  Database& database_;
  const Clock& clock_;
};

}  // namespace slipway
