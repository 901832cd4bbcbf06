#pragma once

#include <memory>
#include <optional>

#include "base/clock.h"
#include "db/alert_store.h"
#include "db/audit_store.h"
#include "db/configuration_store.h"
#include "db/domain_store.h"
#include "db/governance_store.h"
#include "db/identity_store.h"
#include "db/release_store.h"
#include "db/repository.h"
#include "db/volume_store.h"
#include "db/witness_store.h"

namespace slipway {

// One database file with everything that is remembered in it. `clock` must outlive it.
struct Stores {
  std::unique_ptr<Database> database;
  std::unique_ptr<AuditStore> audit;
  std::unique_ptr<Repository> repository;
  std::unique_ptr<IdentityStore> identity;
  std::unique_ptr<GovernanceStore> governance;
  std::unique_ptr<ConfigurationStore> configurations;
  std::unique_ptr<ReleaseStore> releases;
  std::unique_ptr<AlertStore> alerts;
  std::unique_ptr<DomainStore> domains;
  std::unique_ptr<VolumeStore> volumes;
  std::unique_ptr<WitnessStore> witnesses;

  // ":memory:" for tests. Without secrets they are random: no token of before works.
  [[nodiscard]] static Result<Stores> open(const std::filesystem::path& file, const Clock& clock,
                                           std::optional<IdentitySecrets> secrets = {});
};

}  // namespace slipway
