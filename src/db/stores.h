#pragma once

#include <memory>

#include "base/clock.h"
#include "db/audit_store.h"
#include "db/repository.h"

namespace slipway {

// One database file with everything that is remembered in it. `clock` must outlive it.
struct Stores {
  std::unique_ptr<Database> database;
  std::unique_ptr<AuditStore> audit;
  std::unique_ptr<Repository> repository;

  // ":memory:" for tests.
  [[nodiscard]] static Result<Stores> open(const std::filesystem::path& file, const Clock& clock);
};

}  // namespace slipway
