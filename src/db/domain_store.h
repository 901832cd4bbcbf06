#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "db/audit_store.h"
#include "db/beside.h"
#include "db/database.h"
#include "db/repository.h"
#include "model/domain.h"

namespace slipway {

// Domains of people's own. Every change is one transaction together with its audit record and, when
// given, what belongs beside it. Thread-safe. What it is given must outlive it.
class DomainStore {
 public:
  DomainStore(Database& database, AuditStore& audit) : database_(database), audit_(audit) {}

  // Errors: conflict when the project claims it already.
  [[nodiscard]] Status add(const AuditContext& by, const Domain& domain);
  // Errors: not_found.
  [[nodiscard]] Result<Domain> get(std::string_view name, std::string_view project);
  // The project that proved the name.
  [[nodiscard]] Result<std::optional<Domain>> owner(std::string_view name);
  // Of a project, "" for all, by name.
  [[nodiscard]] Result<std::vector<Domain>> list(std::string_view project = {});
  // Every claim to a name, by project.
  [[nodiscard]] Result<std::vector<Domain>> claims(std::string_view name);
  // Reads, lets `change` edit, writes; `change` may be called again, as Repository::update() says.
  // Audited as `event` ("domain.verified"); "" for bookkeeping
  // that nobody would call a change. Errors: not_found; conflict when another project proved the
  // name.
  [[nodiscard]] Result<Domain> update(const AuditContext& by, std::string_view name,
                                      std::string_view project, std::string_view event,
                                      const std::function<Status(Domain&)>& change,
                                      const Beside& beside = {});
  // Errors: not_found.
  [[nodiscard]] Result<Domain> remove(const AuditContext& by, std::string_view name,
                                      std::string_view project, const Beside& beside = {});

 private:
  Database& database_;
  AuditStore& audit_;
};

}  // namespace slipway
