#include "db/stores.h"

#include "db/schema.h"

namespace slipway {

Result<Stores> Stores::open(const std::filesystem::path& file, const Clock& clock) {
  Stores stores;
  SLIPWAY_TRY(stores.database, Database::open(file, schema_migrations));
  stores.audit = std::make_unique<AuditStore>(*stores.database, clock);
  stores.repository = std::make_unique<Repository>(*stores.database, *stores.audit);
  return stores;
}

}  // namespace slipway
