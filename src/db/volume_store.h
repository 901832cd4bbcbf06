#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "db/audit_store.h"
#include "db/database.h"

namespace slipway {

// What is remembered of volumes, beside their files: which environment's a project's previews may
// start with a copy of, and the records of what people did. Thread-safe. What it is given must
// outlive it.
class VolumeStore {
 public:
  VolumeStore(Database& database, AuditStore& audit) : database_(database), audit_(audit) {}

  // "" for none.
  [[nodiscard]] Result<std::string> share(std::string_view project);
  // "" ends it.
  [[nodiscard]] Status set_share(const AuditContext& by, std::string_view project,
                                 std::string_view source);
  // Of what happens to files: "volume.restored". Durable when it returns, so before it happens.
  [[nodiscard]] Status record(const AuditContext& by, std::string_view event,
                              std::string_view project, std::string_view environment,
                              std::string_view snapshot);

 private:
  Database& database_;
  AuditStore& audit_;
};

}  // namespace slipway
