#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/cosignature.h"
#include "base/clock.h"
#include "base/result.h"
#include "db/audit_store.h"
#include "db/database.h"

namespace slipway {

// Somebody who watches the audit log and cosigns its checkpoints. A plain value.
struct Witness {
  std::string name;  // ours for it; its key has a name of its own
  note::WitnessKey key;
  std::string url;  // where checkpoints are submitted to
  Timestamp created_at{};
  // The newest checkpoint that it has cosigned; 0 and nothing before the first.
  std::uint64_t size = 0;
  std::string note;         // without cosignatures
  std::string cosignature;  // its line
  std::optional<Timestamp> cosigned_at, tried_at;
  std::string result;  // of the newest try
};

// Witnesses, and what they have cosigned. Changes of witnesses are audited; cosignatures are
// bookkeeping. Thread-safe. What it is given must outlive it.
class WitnessStore {
 public:
  static constexpr std::size_t most = 16;

  WitnessStore(Database& database, AuditStore& audit) : database_(database), audit_(audit) {}

  // Errors: conflict when the name or the key is taken, or there are as many as there may be.
  [[nodiscard]] Status add(const AuditContext& by, const Witness& witness);
  // By name.
  [[nodiscard]] Result<std::vector<Witness>> list();
  // Errors: not_found.
  [[nodiscard]] Result<Witness> remove(const AuditContext& by, std::string_view name);

  // Nothing happens to one that was removed, or has another key by now. An older checkpoint than
  // the one that is kept changes nothing.
  [[nodiscard]] Status cosigned(const Witness& witness, std::uint64_t size, std::string_view note,
                                std::string_view cosignature, Timestamp at);
  [[nodiscard]] Status failed(const Witness& witness, std::string_view why, Timestamp at);

 private:
  Database& database_;
  AuditStore& audit_;
};

}  // namespace slipway
