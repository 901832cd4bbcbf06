#pragma once

#include <memory>
#include <string>
#include <vector>

#include "audit/checkpoint.h"
#include "base/clock.h"
#include "base/task_group.h"
#include "db/audit_store.h"
#include "deploy/audit_keys.h"

namespace slipway {

// The audit log in operation: signs a checkpoint a second after a record came, or after 256 of
// them, and hands out the latest; sleeps while nothing happens. Cuts off what is older than the
// retention allows. Only what is committed is ever signed. Thread-safe.
class AuditLog {
 public:
  // `keep`: how long records are kept; zero for ever. `store` and `clock` must outlive it; nobody
  // may append to the store yet.
  [[nodiscard]] static Result<std::unique_ptr<AuditLog>> open(const std::filesystem::path& key_file,
                                                              AuditStore& store, const Clock& clock,
                                                              Duration keep);
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  [[nodiscard]] AuditStore& store() { return store_; }
  // The newest checkpoint there is: what every answer carries. Its compact form is made once.
  struct Latest {
    SignedCheckpoint checkpoint;
    std::string compact;
  };
  [[nodiscard]] std::shared_ptr<const Latest> latest() const;
  // One over all that is committed now.
  [[nodiscard]] Result<SignedCheckpoint> sign();
  [[nodiscard]] std::vector<note::VerifierKey> keys() const;
  // Makes a new key, records that, and signs with it and with the one before from now on. The new
  // key.
  [[nodiscard]] Result<note::VerifierKey> rotate(const AuditContext& by);

 private:
  AuditLog(AuditKeys keys, AuditStore& store, const Clock& clock, Duration keep);
  // Waits for records and signs them; how long to rest then.
  [[nodiscard]] std::optional<Duration> sign_next(const std::stop_token& stop);
  void retain();

  AuditStore& store_;
  const Clock& clock_;
  const Duration keep_;
  Duration retained_at_{};
  // The database's lock comes between the two.
  mutable Mutex signing_;
  AuditKeys keys_ SLIPWAY_GUARDED_BY(signing_);
  mutable Mutex mutex_ SLIPWAY_ACQUIRED_AFTER(signing_);
  CondVar changed_;
  std::shared_ptr<const Latest> latest_ SLIPWAY_GUARDED_BY(mutex_);
  std::uint64_t appends_ SLIPWAY_GUARDED_BY(mutex_) = 0;
  std::uint64_t signed_appends_ SLIPWAY_GUARDED_BY(mutex_) = 0;  // of them
  bool idle_ SLIPWAY_GUARDED_BY(mutex_) = false;  // the thread waits for the first append
  Worker worker_{"audit"};                        // last: it uses the others
};

}  // namespace slipway
