#include "db/audit_store.h"

#include <boost/json/serialize.hpp>

#include "json/json.h"

namespace slipway {

Status AuditStore::append(Database::Session& session, const AuditEvent& event) {
  json::object detail;
  for (const auto& [name, value] : event.detail) detail[name] = value;
  const json::object record{{"event", event.event},
                            {"action", event.action},
                            {"actor", to_json(event.by.actor)},
                            {"resource", event.resource},
                            {"project", event.project},
                            {"before", event.before},
                            {"after", event.after},
                            {"detail", std::move(detail)}};
  SLIPWAY_TRY(Statement insert,
              session.prepare("INSERT INTO audit_record(time,record) VALUES(?,?)"));
  return insert.bind(1, clock_.now().time_since_epoch().count())
      .bind(2, json::serialize(record))
      .run();
}

Status AuditStore::record(const AuditEvent& event) {
  return database_.transaction(
      [&](Database::Session& session) -> Status { return append(session, event); });
}

}  // namespace slipway
