#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/result.h"
#include "base/task_group.h"
#include "db/witness_store.h"
#include "deploy/audit_log.h"
#include "deploy/settings.h"

namespace slipway {

// Submits the audit log's checkpoints to its witnesses, by the protocol of c2sp.org/tlog-witness,
// and keeps what they cosign. docs/audit.md, "Witnesses".
//
// One thread asks, one witness after the other: each at most every five seconds and only for a
// checkpoint that it has not cosigned, with ten seconds for an answer of 64 KiB; after a failure at
// growing intervals up to an hour. Without a witness it sleeps. URLs are the administrators', so
// requests go to public addresses only (http/address_guard.h), by the very address that was
// checked; Settings::Alerts may allow others. Redirects are not followed.
//
// Thread-safe. What it is given must outlive it; the destructor waits for the request under way.
class Witnesses {
 public:
  struct Parts {
    const Settings& settings;
    const Clock& clock;
    WitnessStore& store;
    AuditLog& audit;
  };
  explicit Witnesses(Parts parts) : parts_(parts) {}
  ~Witnesses() { stop(); }
  Witnesses(const Witnesses&) = delete;
  Witnesses& operator=(const Witnesses&) = delete;

  // Errors: invalid_argument (name, key, URL), permission_denied (a private address), conflict.
  [[nodiscard]] Result<Witness> add(const AuditContext& by, std::string_view name,
                                    std::string_view key, std::string_view url);
  [[nodiscard]] Result<std::vector<Witness>> list() { return parts_.store.list(); }
  [[nodiscard]] Result<Witness> remove(const AuditContext& by, std::string_view name);

  // The newest checkpoint that somebody has cosigned, with all cosignatures of it.
  struct Cosigned {
    SignedCheckpoint checkpoint;
    std::string note;
    Timestamp at{};  // of the newest cosignature
  };
  [[nodiscard]] Result<std::optional<Cosigned>> cosigned();
  // What to show to the world: the newest checkpoint, or the newest that is cosigned as long as
  // witnesses keep up, a minute behind at most.
  [[nodiscard]] std::string newest();

  // Errors: unavailable.
  [[nodiscard]] Status start();
  void stop() { worker_.stop(); }
  // Asks every witness whose time it is, once. How long to rest then; nothing: until one is added.
  // A stop is heeded between two of them.
  [[nodiscard]] std::optional<Duration> ask_due(const std::stop_token& stop = {});

  // How long after its `failures`-th failure in a row a witness is asked again.
  [[nodiscard]] static Duration retry_delay(std::size_t failures);

 private:
  struct Pace {
    std::size_t failures = 0;
    Duration next{};  // monotonic
  };
  [[nodiscard]] Status ask(const Witness& witness, const SignedCheckpoint& checkpoint);

  const Parts parts_;
  Guarded<std::map<std::string, Pace>> paces_;  // by the witness' key
  Worker worker_{"witnesses"};                  // last: it uses the others
};

}  // namespace slipway
