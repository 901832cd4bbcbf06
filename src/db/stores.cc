#include "db/stores.h"

#include "db/schema.h"

namespace slipway {

Result<Stores> Stores::open(const std::filesystem::path& file, const Clock& clock,
                            std::optional<IdentitySecrets> secrets) {
  Stores stores;
  SLIPWAY_TRY(stores.database, Database::open(file, schema_migrations));
  stores.audit = std::make_unique<AuditStore>(*stores.database, clock);
  stores.repository = std::make_unique<Repository>(*stores.database, *stores.audit);
  stores.governance = std::make_unique<GovernanceStore>(*stores.database, *stores.audit);
  stores.configurations = std::make_unique<ConfigurationStore>(*stores.database, *stores.audit);
  stores.releases = std::make_unique<ReleaseStore>(*stores.database, *stores.audit);
  stores.alerts = std::make_unique<AlertStore>(*stores.database, *stores.audit);
  stores.volumes = std::make_unique<VolumeStore>(*stores.database, *stores.audit);
  stores.witnesses = std::make_unique<WitnessStore>(*stores.database, *stores.audit);
  stores.domains = std::make_unique<DomainStore>(*stores.database, *stores.audit);
  if (!secrets)
    secrets =
        IdentitySecrets{.key = {sha256(random_secret())}, .local_token = "slp_" + random_secret()};
  SLIPWAY_TRY(stores.identity,
              IdentityStore::open(*stores.database, *stores.audit, clock, *std::move(secrets)));
  return stores;
}

}  // namespace slipway
