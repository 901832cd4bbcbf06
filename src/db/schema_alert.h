#pragma once

#include <string_view>

namespace slipway {

// Webhooks, and what waits to be delivered to them. A secret is sealed; the key that opens it is
// not in the database. What was delivered, or given up, leaves the queue.
inline constexpr std::string_view alert_schema =
    R"(CREATE TABLE alert_subscription (
  id TEXT PRIMARY KEY, project TEXT NOT NULL, environment TEXT NOT NULL, url TEXT NOT NULL,
  events TEXT NOT NULL, secret TEXT NOT NULL, created_at INTEGER NOT NULL, actor TEXT NOT NULL,
  last_at INTEGER, last_result TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX alert_subscription_project ON alert_subscription(project);
CREATE TABLE alert_delivery (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
  subscription TEXT NOT NULL REFERENCES alert_subscription(id) ON DELETE CASCADE,
  event TEXT NOT NULL, body TEXT NOT NULL, created_at INTEGER NOT NULL, due_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL, last_error TEXT NOT NULL) STRICT;
CREATE INDEX alert_delivery_due ON alert_delivery(due_at);
CREATE INDEX alert_delivery_subscription ON alert_delivery(subscription, seq);
)";

}  // namespace slipway
