#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/result.h"
#include "base/task_group.h"
#include "db/alert_store.h"
#include "deploy/secret_box.h"
#include "deploy/settings.h"
#include "release/releases.h"

namespace slipway {

// Tells webhooks of projects what became of their releases. docs/canary.md, "Alerts".
//
// A message is signed as the Standard Webhooks specification 1.0 wants it: headers webhook-id,
// webhook-timestamp (seconds) and webhook-signature, "v1," and the base64 of an HMAC-SHA256 over
// "<id>.<timestamp>.<body>", keyed by what follows "whsec_" in the secret. It is in the database
// before tell() returns, and is tried for a day, at growing intervals, across restarts of the
// server; so it may arrive twice, with the same id. Any answer of 2xx takes it; 410 ends it; a
// redirect is a failure and is not followed.
//
// URLs are the users', so requests go to public addresses only (http/address_guard.h), by the very
// address that was checked, at each attempt; Settings::Alerts may allow others. An answer has ten
// seconds; of its body nothing is kept.
//
// Thread-safe. What it is given must outlive it; the destructor waits for deliveries under way.
class Alerts {
 public:
  struct Parts {
    const Settings& settings;
    const Clock& clock;
    AlertStore& store;
    const SecretBox& box;
    std::string server_url;
  };
  explicit Alerts(Parts parts);
  ~Alerts();

  struct Wanted {
    std::string project, environment;  // "": all environments
    std::string url;
    std::vector<std::string> events;  // empty: all
  };
  struct Added {
    AlertSubscription subscription;
    std::string secret;  // "whsec_…"; this once
  };
  // Errors: invalid_argument (the URL, an unknown event), permission_denied (a private address),
  // conflict (too many).
  [[nodiscard]] Result<Added> add(const AuditContext& by, const Wanted& wanted);
  [[nodiscard]] Result<std::vector<AlertSubscription>> list(std::string_view project);
  [[nodiscard]] Result<AlertSubscription> remove(const AuditContext& by, std::string_view project,
                                                 const AlertId& id);
  // Seals every secret with the box's newest key. How many there are.
  [[nodiscard]] Result<std::size_t> reseal(const AuditContext& by);
  // Sends one message, "alert.test", at once and once. Its status; errors as of the request.
  [[nodiscard]] Result<int> test(std::string_view project, const AlertId& id);

  // Queues a message for each webhook that wants it. Writes to the database and waits for nobody
  // else. What goes wrong is logged.
  void tell(const ReleaseAlert& alert);

  // Threads that deliver; without them deliver_due() does. Errors: unavailable.
  [[nodiscard]] Status start();
  void stop();
  // Tries everything that is due, once; how many were delivered. A message whose outcome could not
  // be recorded is not sent again: only the record is tried again, at growing intervals.
  [[nodiscard]] Result<std::size_t> deliver_due();

  // How long after its `attempts`-th failure a message is tried again.
  [[nodiscard]] static Duration retry_delay(std::int64_t attempts);
  // The header's value. `key`: bytes.
  [[nodiscard]] static std::string signature(std::string_view key, std::string_view id,
                                             std::int64_t timestamp, std::string_view body);

 private:
  // Delivers one message, if one is due whose subscription no other thread is busy with; how long
  // to rest then.
  [[nodiscard]] std::optional<Duration> work();
  void wake_all();
  // Sends it and records what became of it. Whether it was delivered.
  [[nodiscard]] Result<bool> attempt(const AlertStore::Due& due);
  [[nodiscard]] Result<std::string> secret_of(const AlertSubscription& of) const;
  // What became of a message.
  struct Outcome {
    enum class Kind { delivered, given_up, postponed } kind = Kind::postponed;
    std::string text;
    Timestamp at{}, again{};
  };
  [[nodiscard]] Outcome send(const AlertStore::Due& due) const;
  [[nodiscard]] Status record(const AlertStore::Due& due, const Outcome& outcome);
  // Whether the record of its outcome waits for a better time.
  [[nodiscard]] bool rests(const AlertStore::Due& due, Timestamp now) const
      SLIPWAY_REQUIRES(mutex_);
  // What a full disk kept from being queued is queued as soon as it can be.
  void queue_again();
  [[nodiscard]] Result<int> post(const AlertSubscription& to, std::string_view id,
                                 std::string_view body) const;

  Parts parts_;
  mutable Mutex mutex_;
  struct Unrecorded {
    Outcome outcome;
    std::int64_t tries = 0;
    Timestamp next{};
  };
  std::map<std::string, Unrecorded> unrecorded_ SLIPWAY_GUARDED_BY(mutex_);  // by the message's id
  std::vector<AlertDelivery> unqueued_ SLIPWAY_GUARDED_BY(mutex_);
  Timestamp queue_again_at_ SLIPWAY_GUARDED_BY(mutex_){};
  Guarded<std::set<AlertId>> in_flight_;  // mutex_ may be taken under it
  std::array<Worker, 3> workers_{Worker("alerts"), Worker("alerts"), Worker("alerts")};
};

}  // namespace slipway
