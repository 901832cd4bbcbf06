#include "db/alert_store.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "base/text.h"
#include "db/revision.h"
#include "json/json.h"

namespace slipway {
namespace {

constexpr std::string_view columns =
    "s.id,s.project,s.environment,s.url,s.events,s.secret,s.created_at,s.actor,s.last_at,"
    "s.last_result";
constexpr int column_count = 10;

std::int64_t micros(Timestamp time) { return time.time_since_epoch().count(); }
Timestamp timestamp(std::int64_t micros) { return Timestamp{Duration{micros}}; }

Result<AlertSubscription> subscription_of(const Statement& row) {
  AlertSubscription out{.project = row.text(1),
                        .environment = row.text(2),
                        .url = row.text(3),
                        .sealed_secret = row.text(5),
                        .created_at = timestamp(row.number(6)),
                        .last_result = row.text(9)};
  const auto id = AlertId::parse(row.text(0));
  if (!id) return fail(Errc::corrupt, "database: the id of a webhook");
  out.id = *id;
  SLIPWAY_TRY(const json::value events, parse_json(row.text(4)));
  if (!events.is_array()) return fail(Errc::corrupt, "database: a webhook's events");
  for (const json::value& event : events.get_array())
    if (event.is_string()) out.events.emplace_back(event.get_string());
  SLIPWAY_TRY(const json::value actor, parse_json(row.text(7)));
  SLIPWAY_TRY(out.actor, actor_from_json(actor));
  if (!row.is_null(8)) out.last_at = timestamp(row.number(8));
  return out;
}

Result<std::vector<AlertSubscription>> rows_of(Statement& query) {
  std::vector<AlertSubscription> out;
  for (;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return out;
    SLIPWAY_TRY(AlertSubscription subscription, subscription_of(query));
    out.push_back(std::move(subscription));
  }
}

Status append_audit(AuditStore& audit, Database::Transaction& session, std::string_view event,
                    const AuditContext& by, const AlertSubscription& subscription) {
  std::string events;
  for (const std::string& each : subscription.events) events += (events.empty() ? "" : ",") + each;
  return audit.append(session, {.event = std::string(event),
                                .action = "env_write",
                                .by = by,
                                .resource = "alert/" + subscription.id.str(),
                                .project = subscription.project,
                                .environment = subscription.environment,
                                .detail = {{"url", subscription.url}, {"events", events}}});
}

Result<std::int64_t> count(Statement& query) {
  SLIPWAY_TRY([[maybe_unused]] const bool row, query.step());
  return query.number(0);
}

// Of every subscription: its id, and how often its secret was sealed again.
using Revision = std::pair<std::string, std::int64_t>;
Result<std::vector<Revision>> revisions(Database::Session& session) {
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT id, revision FROM alert_subscription ORDER BY id"));
  std::vector<Revision> out;
  for (;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return out;
    out.emplace_back(query.text(0), query.number(1));
  }
}

}  // namespace

Status AlertStore::add(const AuditContext& by, const AlertSubscription& subscription) {
  return database_.transaction([&](Database::Transaction& session) -> Status {
    {
      SLIPWAY_TRY(Statement query,
                  session.prepare("SELECT count(*) FROM alert_subscription WHERE project=?"));
      query.bind(1, subscription.project);
      SLIPWAY_TRY(const std::int64_t there, count(query));
      if (there >= static_cast<std::int64_t>(most_subscriptions))
        return fail(Errc::conflict,
                    fmt::format("{} has {} webhooks already", subscription.project, there),
                    fmt::format("remove one: slipway alerts ls {}", subscription.project));
    }
    json::array events;
    for (const std::string& each : subscription.events) events.emplace_back(each);
    const std::string events_text = json::serialize(events),
                      actor = json::serialize(to_json(subscription.actor));
    SLIPWAY_TRY(Statement insert,
                session.prepare("INSERT INTO alert_subscription(id,project,environment,url,events,"
                                "secret,created_at,actor,last_result) VALUES(?,?,?,?,?,?,?,?,'')"));
    insert.bind(1, subscription.id.str()).bind(2, subscription.project);
    insert.bind(3, subscription.environment).bind(4, subscription.url).bind(5, events_text);
    insert.bind(6, subscription.sealed_secret).bind(7, micros(subscription.created_at));
    SLIPWAY_CHECK(insert.bind(8, actor).run());
    return append_audit(audit_, session, "alert.added", by, subscription);
  });
}

Result<std::vector<AlertSubscription>> AlertStore::list(std::string_view project) {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query,
              session.prepare(fmt::format("SELECT {} FROM alert_subscription s WHERE s.project=? "
                                          "ORDER BY s.created_at, s.id",
                                          columns)));
  query.bind(1, project);
  return rows_of(query);
}

Result<AlertSubscription> AlertStore::get(std::string_view project, const AlertId& id) {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query,
              session.prepare(fmt::format(
                  "SELECT {} FROM alert_subscription s WHERE s.project=? AND s.id=?", columns)));
  SLIPWAY_TRY(const bool row, query.bind(1, project).bind(2, id.str()).step());
  if (!row)
    return fail(Errc::not_found, fmt::format("{} has no webhook {}", project, id.str()),
                fmt::format("see: slipway alerts ls {}", project));
  return subscription_of(query);
}

Result<AlertSubscription> AlertStore::remove(const AuditContext& by, std::string_view project,
                                             const AlertId& id) {
  SLIPWAY_TRY(AlertSubscription subscription, get(project, id));
  SLIPWAY_CHECK(database_.transaction([&](Database::Transaction& session) -> Status {
    for (const char* sql : {"DELETE FROM alert_delivery WHERE subscription=?",
                            "DELETE FROM alert_subscription WHERE id=?"}) {
      SLIPWAY_TRY(Statement remove, session.prepare(sql));
      SLIPWAY_CHECK(remove.bind(1, id.str()).run());
    }
    return append_audit(audit_, session, "alert.removed", by, subscription);
  }));
  return subscription;
}

Result<std::size_t> AlertStore::reseal(const AuditContext& by, const Reseal& reseal) {
  return until_written<std::size_t>("the webhooks", [&]() -> Result<std::optional<std::size_t>> {
    std::vector<Revision> before;
    std::vector<AlertSubscription> all;
    {
      auto session = database_.read();
      SLIPWAY_TRY(before, revisions(session));
      SLIPWAY_TRY(Statement query,
                  session.prepare(fmt::format("SELECT {} FROM alert_subscription s", columns)));
      SLIPWAY_TRY(all, rows_of(query));
    }
    if (all.empty()) return 0;
    for (AlertSubscription& each : all) {
      SLIPWAY_TRY(each.sealed_secret, reseal(each));
    }
    bool written = false;
    SLIPWAY_CHECK(database_.transaction([&](Database::Transaction& session) -> Status {
      SLIPWAY_TRY(const std::vector<Revision> now, revisions(session));
      written = now == before;
      if (!written) return {};
      for (const AlertSubscription& each : all) {
        SLIPWAY_TRY(Statement write,
                    session.prepare("UPDATE alert_subscription SET secret=?, revision=revision+1"
                                    " WHERE id=?"));
        SLIPWAY_CHECK(write.bind(1, each.sealed_secret).bind(2, each.id.str()).run());
      }
      return audit_.append(session, {.event = "alert.resealed",
                                     .action = "secret_write",
                                     .by = by,
                                     .resource = "alert",
                                     .detail = {{"values", std::to_string(all.size())}}});
    }));
    if (!written) return std::nullopt;
    return all.size();
  });
}

Status AlertStore::enqueue(const std::vector<AlertDelivery>& deliveries) {
  if (deliveries.empty()) return {};
  return database_.transaction([&](Database::Transaction& session) -> Status {
    for (const AlertDelivery& each : deliveries) {
      SLIPWAY_TRY(
          Statement insert,
          session.prepare("INSERT INTO alert_delivery(id,subscription,event,body,created_at,"
                          "due_at,attempts,last_error) SELECT ?1,?2,?3,?4,?5,?6,?7,?8 "
                          "WHERE EXISTS (SELECT 1 FROM alert_subscription WHERE id=?2)"));
      insert.bind(1, each.id).bind(2, each.subscription.str()).bind(3, each.event);
      insert.bind(4, each.body).bind(5, micros(each.created_at)).bind(6, micros(each.due_at));
      SLIPWAY_CHECK(insert.bind(7, each.attempts).bind(8, each.last_error).run());
      SLIPWAY_TRY(Statement bound,
                  session.prepare("DELETE FROM alert_delivery WHERE subscription=?1 AND seq <= "
                                  "(SELECT seq FROM alert_delivery WHERE subscription=?1 "
                                  " ORDER BY seq DESC LIMIT 1 OFFSET ?2)"));
      bound.bind(1, each.subscription.str()).bind(2, static_cast<std::int64_t>(most_waiting));
      SLIPWAY_CHECK(bound.run());
    }
    return {};
  });
}

Result<std::vector<AlertStore::Due>> AlertStore::due(Timestamp now, std::size_t limit) {
  auto session = database_.read();
  SLIPWAY_TRY(
      Statement query,
      session.prepare(fmt::format(
          "SELECT {},d.id,d.event,d.body,d.created_at,d.due_at,d.attempts,d.last_error "
          "FROM alert_delivery d JOIN alert_subscription s ON s.id=d.subscription "
          "WHERE d.due_at<=?1 AND d.seq=(SELECT min(seq) FROM alert_delivery o "
          " WHERE o.subscription=d.subscription AND o.due_at<=?1) ORDER BY d.due_at LIMIT ?2",
          columns)));
  query.bind(1, micros(now)).bind(2, static_cast<std::int64_t>(limit));
  std::vector<Due> out;
  for (;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return out;
    Due due;
    SLIPWAY_TRY(due.subscription, subscription_of(query));
    int at = column_count;
    due.delivery.id = query.text(at++);
    due.delivery.subscription = due.subscription.id;
    due.delivery.event = query.text(at++);
    due.delivery.body = query.text(at++);
    due.delivery.created_at = timestamp(query.number(at++));
    due.delivery.due_at = timestamp(query.number(at++));
    due.delivery.attempts = query.number(at++);
    due.delivery.last_error = query.text(at);
    out.push_back(std::move(due));
  }
}

Result<std::optional<Timestamp>> AlertStore::next_due() {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query, session.prepare("SELECT min(due_at) FROM alert_delivery"));
  SLIPWAY_TRY([[maybe_unused]] const bool row, query.step());
  if (query.is_null(0)) return std::nullopt;
  return timestamp(query.number(0));
}

Status AlertStore::conclude(const AlertDelivery& delivery, Timestamp at, std::string_view result) {
  return database_.transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(Statement remove, session.prepare("DELETE FROM alert_delivery WHERE id=?"));
    SLIPWAY_CHECK(remove.bind(1, delivery.id).run());
    SLIPWAY_TRY(
        Statement note,
        session.prepare("UPDATE alert_subscription SET last_at=?, last_result=? WHERE id=?"));
    return note.bind(1, micros(at)).bind(2, result).bind(3, delivery.subscription.str()).run();
  });
}

Status AlertStore::postpone(const AlertDelivery& delivery, Timestamp at, Timestamp due_at,
                            std::string_view error) {
  return database_.transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(Statement write,
                session.prepare("UPDATE alert_delivery SET due_at=?, attempts=attempts+1, "
                                "last_error=? WHERE id=?"));
    SLIPWAY_CHECK(write.bind(1, micros(due_at)).bind(2, error).bind(3, delivery.id).run());
    SLIPWAY_TRY(
        Statement note,
        session.prepare("UPDATE alert_subscription SET last_at=?, last_result=? WHERE id=?"));
    const std::string result = fmt::format("failed, tried again later: {}", error);
    return note.bind(1, micros(at)).bind(2, result).bind(3, delivery.subscription.str()).run();
  });
}

Result<std::size_t> AlertStore::waiting(const AlertId& subscription) {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT count(*) FROM alert_delivery WHERE subscription=?"));
  query.bind(1, subscription.str());
  SLIPWAY_TRY(const std::int64_t found, count(query));
  return static_cast<std::size_t>(found);
}

}  // namespace slipway
