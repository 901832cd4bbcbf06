#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "db/audit_store.h"
#include "db/database.h"
#include "model/alert.h"

namespace slipway {

// Webhooks of projects, and the durable queue of what waits to be delivered to them. Changes of
// webhooks are audited; deliveries are bookkeeping. Thread-safe. What it is given must outlive it.
class AlertStore {
 public:
  static constexpr std::size_t most_subscriptions = 20;  // of a project
  static constexpr std::size_t most_waiting = 100;       // of a subscription; the oldest go first

  AlertStore(Database& database, AuditStore& audit) : database_(database), audit_(audit) {}

  // Errors: conflict when the project has as many as it may.
  [[nodiscard]] Status add(const AuditContext& by, const AlertSubscription& subscription);
  // Oldest first.
  [[nodiscard]] Result<std::vector<AlertSubscription>> list(std::string_view project);
  // Errors: not_found, also when it is another project's.
  [[nodiscard]] Result<AlertSubscription> get(std::string_view project, const AlertId& id);
  // With what waits for it. Errors: as get().
  [[nodiscard]] Result<AlertSubscription> remove(const AuditContext& by, std::string_view project,
                                                 const AlertId& id);

  // Seals every secret again, all or none. For a change of the key.
  using Reseal = std::function<Result<std::string>(const AlertSubscription& of)>;
  [[nodiscard]] Result<std::size_t> reseal(const AuditContext& by, const Reseal& reseal);

  // All or none; durable when it returns.
  [[nodiscard]] Status enqueue(const std::vector<AlertDelivery>& deliveries);
  struct Due {
    AlertDelivery delivery;
    AlertSubscription subscription;
  };
  // Of each subscription the oldest that is due, so that one that is slow holds up only itself; at
  // most `limit`, those that wait longest first.
  [[nodiscard]] Result<std::vector<Due>> due(Timestamp now, std::size_t limit);
  // When the next one is; nothing when none waits.
  [[nodiscard]] Result<std::optional<Timestamp>> next_due();
  // It leaves the queue, delivered or given up; `result` is shown with the subscription.
  [[nodiscard]] Status conclude(const AlertDelivery& delivery, Timestamp at,
                                std::string_view result);
  // Tried in vain; again at `due_at`.
  [[nodiscard]] Status postpone(const AlertDelivery& delivery, Timestamp at, Timestamp due_at,
                                std::string_view error);
  [[nodiscard]] Result<std::size_t> waiting(const AlertId& subscription);

 private:
  Database& database_;
  AuditStore& audit_;
};

}  // namespace slipway
