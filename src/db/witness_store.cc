#include "db/witness_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace slipway {
namespace {

std::int64_t micros(Timestamp time) { return time.time_since_epoch().count(); }

std::optional<Timestamp> time_of(const Statement& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return Timestamp{Duration{row.number(column)}};
}

Result<std::vector<Witness>> all(Database::Session& session) {
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT name,vkey,url,created_at,size,note,cosignature,cosigned_at,"
                              "tried_at,result FROM audit_witness ORDER BY name"));
  std::vector<Witness> out;
  for (;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return out;
    auto key = note::WitnessKey::parse(query.text(1));
    if (!key) return fail(Errc::corrupt, "database: the key of a witness");
    out.push_back({.name = query.text(0),
                   .key = *std::move(key),
                   .url = query.text(2),
                   .created_at = Timestamp{Duration{query.number(3)}},
                   .size = static_cast<std::uint64_t>(query.number(4)),
                   .note = query.text(5),
                   .cosignature = query.text(6),
                   .cosigned_at = time_of(query, 7),
                   .tried_at = time_of(query, 8),
                   .result = query.text(9)});
  }
}

Status append_audit(AuditStore& audit, Database::Transaction& session, std::string_view event,
                    const AuditContext& by, const Witness& witness) {
  return audit.append(session, {.event = std::string(event),
                                .action = "team_manage",
                                .by = by,
                                .resource = "witness/" + witness.name,
                                .detail = {{"key", witness.key.str()}, {"url", witness.url}}});
}

}  // namespace

Status WitnessStore::add(const AuditContext& by, const Witness& witness) {
  return database_.transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(const std::vector<Witness> there, all(session));
    for (const Witness& one : there)
      if (one.name == witness.name || one.key == witness.key)
        return fail(
            Errc::conflict,
            fmt::format("there is a witness {} with the key {} already", one.name, one.key.str()),
            fmt::format("remove it first: slipway audit witness rm {}", one.name));
    if (there.size() >= most)
      return fail(Errc::conflict, fmt::format("there are {} witnesses already", there.size()),
                  "remove one: slipway audit witness ls");
    SLIPWAY_TRY(Statement insert,
                session.prepare("INSERT INTO audit_witness(name,vkey,url,created_at,size,note,"
                                "cosignature,result) VALUES(?,?,?,?,0,'','','')"));
    const std::string key = witness.key.str();
    insert.bind(1, witness.name).bind(2, key).bind(3, witness.url);
    SLIPWAY_CHECK(insert.bind(4, micros(witness.created_at)).run());
    return append_audit(audit_, session, "witness.added", by, witness);
  });
}

Result<std::vector<Witness>> WitnessStore::list() {
  auto session = database_.read();
  return all(session);
}

Result<Witness> WitnessStore::remove(const AuditContext& by, std::string_view name) {
  Witness removed;
  SLIPWAY_CHECK(database_.transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(const std::vector<Witness> there, all(session));
    const auto found = std::ranges::find(there, name, &Witness::name);
    if (found == there.end())
      return fail(Errc::not_found,
                  fmt::format("there is no witness '{}'", sanitize_line(name.substr(0, 80))),
                  "see: slipway audit witness ls");
    removed = *found;
    SLIPWAY_TRY(Statement remove, session.prepare("DELETE FROM audit_witness WHERE name=?"));
    SLIPWAY_CHECK(remove.bind(1, name).run());
    return append_audit(audit_, session, "witness.removed", by, removed);
  }));
  return removed;
}

Status WitnessStore::cosigned(const Witness& witness, std::uint64_t size, std::string_view note,
                              std::string_view cosignature, Timestamp at) {
  return database_.transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(Statement update,
                session.prepare("UPDATE audit_witness SET size=?1, note=?2, cosignature=?3,"
                                " cosigned_at=?4, tried_at=?4, result='cosigned'"
                                " WHERE name=?5 AND vkey=?6 AND size<=?1"));
    const std::string key = witness.key.str();
    update.bind(1, static_cast<std::int64_t>(size)).bind(2, note).bind(3, cosignature);
    return update.bind(4, micros(at)).bind(5, witness.name).bind(6, key).run();
  });
}

Status WitnessStore::failed(const Witness& witness, std::string_view why, Timestamp at) {
  return database_.transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(Statement update, session.prepare("UPDATE audit_witness SET tried_at=?, result=?"
                                                  " WHERE name=? AND vkey=?"));
    const std::string key = witness.key.str();
    update.bind(1, micros(at)).bind(2, why).bind(3, witness.name).bind(4, key);
    return update.run();
  });
}

}  // namespace slipway
