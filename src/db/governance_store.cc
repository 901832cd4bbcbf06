#include "db/governance_store.h"

#include <boost/json/serialize.hpp>

#include "db/revision.h"

namespace slipway {
namespace {

std::int64_t micros(Timestamp time) { return time.time_since_epoch().count(); }

std::string actor_name(const Actor& actor) { return actor.kind + ":" + actor.name; }

Result<json::value> parse_kept(const std::string& text) {
  Result<json::value> value = parse_json(text);
  if (!value) return fail(Errc::corrupt, "database: a governance record: " + value.error().message);
  return value;
}

Result<StoredPolicySet> read_set(const Statement& row) {
  SLIPWAY_TRY(const json::value value, parse_kept(row.text(0)));
  return policy_set_from_json(value);
}

AuditEvent event_about(const AuditContext& by, std::string_view event, std::string resource,
                       std::string_view project) {
  return {.event = std::string(event),
          .by = by,
          .resource = std::move(resource),
          .project = std::string(project),
          .policy_set = by.policy_set,
          .facts = by.facts};
}

// One row of approval, waiver or break_glass: the same columns, so one piece of code.
struct ItemTable {
  std::string_view table, noun;
};
constexpr ItemTable approval_table{"approval", "approval"}, waiver_table{"waiver", "waiver"},
    break_glass_table{"break_glass", "emergency"};

ItemTable table_of(const ApprovalRequest&) { return approval_table; }
ItemTable table_of(const Waiver&) { return waiver_table; }
ItemTable table_of(const BreakGlass&) { return break_glass_table; }
std::string resource_of(const ApprovalRequest& request) { return request.resource; }
std::string resource_of(const Waiver& waiver) { return "rule/" + waiver.rule; }
std::string resource_of(const BreakGlass&) { return ""; }
Result<ApprovalRequest> parse_item(const ApprovalRequest*, const json::value& value) {
  return approval_from_json(value);
}
Result<Waiver> parse_item(const Waiver*, const json::value& value) {
  return waiver_from_json(value);
}
Result<BreakGlass> parse_item(const BreakGlass*, const json::value& value) {
  return break_glass_from_json(value);
}
AuditEvent describe(AuditEvent event, const ApprovalRequest& request) {
  event.environment = request.environment;
  event.detail = {{"action", request.action},
                  {"about", request.resource},
                  {"requester", actor_name(request.requester)}};
  if (!request.closed_reason.empty()) event.detail["reason"] = request.closed_reason;
  std::string approvers;
  for (const Vote& vote : request.votes)
    if (vote.choice == Vote::Choice::approve)
      approvers += (approvers.empty() ? "" : ", ") + actor_name(vote.actor);
  if (!approvers.empty()) event.detail["approved_by"] = std::move(approvers);
  if (event.event == "approval.given" && !request.votes.back().reason.empty())
    event.detail["reason"] = request.votes.back().reason;
  return event;
}
AuditEvent describe(AuditEvent event, const Waiver& waiver) {
  event.detail = {{"rule", waiver.rule},
                  {"subject", waiver.subject},
                  {"author", actor_name(waiver.author)},
                  {"reason", waiver.reason},
                  {"expires_at", to_rfc3339(waiver.expires_at)}};
  return event;
}
AuditEvent describe(AuditEvent event, const BreakGlass& emergency) {
  event.detail = {{"first", actor_name(emergency.first)},
                  {"reason", emergency.reason},
                  {"expires_at", to_rfc3339(emergency.expires_at)}};
  if (emergency.second) event.detail["second"] = actor_name(*emergency.second);
  return event;
}

template <class Item>
Status write_item(Database::Transaction& session, AuditStore& audit, const AuditContext& by,
                  std::string_view event, const Item& item, std::string_view before) {
  const ItemTable table = table_of(item);
  const std::string record = json::serialize(to_json(item));
  SLIPWAY_TRY(Statement write,
              session.prepare(fmt::format(
                  "INSERT INTO {}(id,state,project,resource,created_at,expires_at,record)"
                  " VALUES(?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET state=excluded.state,"
                  " expires_at=excluded.expires_at, record=excluded.record, revision=revision+1",
                  table.table)));
  SLIPWAY_CHECK(write.bind(1, item.id.str())
                    .bind(2, item.state)
                    .bind(3, item.project)
                    .bind(4, resource_of(item))
                    .bind(5, micros(item.created_at))
                    .bind(6, micros(item.expires_at))
                    .bind(7, record)
                    .run());
  AuditEvent told = describe(
      event_about(by, event, fmt::format("{}/{}", table.table, item.id.str()), item.project), item);
  if (!before.empty()) told.before = sha256(before).str();
  told.after = sha256(record).str();
  return audit.append(session, told);
}

struct KeptItem {
  std::string record;
  std::int64_t revision = 0;
};

template <class Item, class IdType>
Result<KeptItem> read_item(Database::Session& session, const IdType& id) {
  const ItemTable table = table_of(Item{});
  SLIPWAY_TRY(Statement query, session.prepare(fmt::format(
                                   "SELECT record, revision FROM {} WHERE id=?", table.table)));
  SLIPWAY_TRY(const bool row, query.bind(1, id.str()).step());
  if (!row) return fail(Errc::not_found, fmt::format("no {} {}", table.noun, id.str()));
  return KeptItem{query.text(0), query.number(1)};
}

template <class Item>
Result<Item> parse_text(const std::string& text) {
  SLIPWAY_TRY(const json::value value, parse_kept(text));
  return parse_item(static_cast<const Item*>(nullptr), value);
}

template <class Item, class IdType>
Result<Item> get_item(Database& database, const IdType& id) {
  auto session = database.read();
  SLIPWAY_TRY(const KeptItem kept, read_item<Item>(session, id));
  return parse_text<Item>(kept.record);
}

template <class Item, class IdType>
Result<Item> change_item(Database& database, AuditStore& audit, const AuditContext& by,
                         const IdType& id, std::string_view event,
                         const GovernanceStore::Edit<Item>& edit) {
  return until_written<Item>(id.str(), [&]() -> Result<std::optional<Item>> {
    KeptItem before;
    {
      auto session = database.read();
      SLIPWAY_TRY(before, read_item<Item>(session, id));
    }
    SLIPWAY_TRY(Item item, parse_text<Item>(before.record));
    SLIPWAY_CHECK(edit(item));
    bool written = false;
    SLIPWAY_CHECK(database.transaction([&](Database::Transaction& session) -> Status {
      SLIPWAY_TRY(const KeptItem now, read_item<Item>(session, id));
      written = now.revision == before.revision;
      if (!written) return {};
      return write_item(session, audit, by, event, item, before.record);
    }));
    if (!written) return std::nullopt;
    return item;
  });
}

template <class Item>
Result<std::vector<Item>> list_items(Database& database, std::string_view where,
                                     std::string_view first, std::string_view second) {
  auto session = database.read();
  SLIPWAY_TRY(Statement query, session.prepare(fmt::format("SELECT record FROM {} WHERE {} ORDER BY"
                                                           " created_at DESC, id",
                                                           table_of(Item{}).table, where)));
  query.bind(1, first).bind(2, second);
  std::vector<Item> out;
  for (;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return out;
    SLIPWAY_TRY(Item item, parse_text<Item>(query.text(0)));
    out.push_back(std::move(item));
  }
}

constexpr std::string_view by_state = "(?1='' OR state=?1) AND (?2='' OR project=?2)";

}  // namespace

Result<std::optional<StoredPolicySet>> GovernanceStore::active_set() {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query, session.prepare("SELECT record, text FROM policy_set"
                                               " ORDER BY version DESC LIMIT 1"));
  SLIPWAY_TRY(const bool row, query.step());
  if (!row) return std::nullopt;
  SLIPWAY_TRY(StoredPolicySet set, read_set(query));
  set.text = query.text(1);
  return set;
}

Result<StoredPolicySet> GovernanceStore::policy_set(std::int64_t version) {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT record, text FROM policy_set WHERE version=?"));
  SLIPWAY_TRY(const bool row, query.bind(1, version).step());
  if (!row)
    return fail(Errc::not_found, fmt::format("there is no version {} of the policy", version),
                "see `slipway policy show --all`");
  SLIPWAY_TRY(StoredPolicySet set, read_set(query));
  set.text = query.text(1);
  return set;
}

Result<std::vector<StoredPolicySet>> GovernanceStore::policy_sets() {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT record FROM policy_set ORDER BY version DESC"));
  std::vector<StoredPolicySet> out;
  for (;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return out;
    SLIPWAY_TRY(StoredPolicySet set, read_set(query));
    out.push_back(std::move(set));
  }
}

Status GovernanceStore::activate(const AuditContext& by, const StoredPolicySet& set) {
  return database_.transaction([&](Database::Transaction& session) -> Status {
    std::string before;
    std::int64_t last = 0;
    {
      SLIPWAY_TRY(Statement query, session.prepare("SELECT version, digest FROM policy_set"
                                                   " ORDER BY version DESC LIMIT 1"));
      SLIPWAY_TRY(const bool row, query.step());
      if (row) {
        last = query.number(0);
        before = query.text(1);
      }
    }
    if (set.version != last + 1)
      return fail(Errc::conflict, fmt::format("the policy is at version {} already", last),
                  "somebody else changed it; look at it again: slipway policy show");
    SLIPWAY_TRY(Statement insert,
                session.prepare("INSERT INTO policy_set(version,digest,created_at,record,text)"
                                " VALUES(?,?,?,?,?)"));
    SLIPWAY_CHECK(insert.bind(1, set.version)
                      .bind(2, set.digest.str())
                      .bind(3, micros(set.created_at))
                      .bind(4, json::serialize(to_json(set)))
                      .bind(5, set.text)
                      .run());
    AuditEvent event = event_about(by, "policy.changed", fmt::format("policy/{}", set.version), "");
    event.action = "policy";
    event.before = before;
    event.after = set.digest.str();
    event.detail = {{"version", std::to_string(set.version)}, {"reason", set.reason}};
    if (!set.signature.empty()) {
      event.detail["signature"] = set.signature;
      event.detail["key"] = set.key;
    }
    return audit_.append(session, event);
  });
}

Status GovernanceStore::put(Database::Transaction& session, const StoredDecision& stored,
                            std::string_view facts) {
  const std::string digest = stored.decision.facts_digest.str();
  SLIPWAY_TRY(Statement snapshot, session.prepare("INSERT INTO fact_snapshot(digest,facts)"
                                                  " VALUES(?,?) ON CONFLICT(digest) DO NOTHING"));
  SLIPWAY_CHECK(snapshot.bind(1, digest).bind(2, facts).run());
  SLIPWAY_TRY(Statement insert, session.prepare("INSERT INTO decision(id,time,project,actor,"
                                                "verdict,resource,facts,record)"
                                                " VALUES(?,?,?,?,?,?,?,?)"));
  return insert.bind(1, stored.id.str())
      .bind(2, micros(stored.at))
      .bind(3, stored.project)
      .bind(4, actor_name(stored.actor))
      .bind(5, to_string(stored.decision.verdict))
      .bind(6, stored.resource)
      .bind(7, digest)
      .bind(8, json::serialize(to_json(stored)))
      .run();
}

Status GovernanceStore::put_refusal(const AuditContext& by, const StoredDecision& stored,
                                    std::string_view facts) {
  return database_.transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_CHECK(put(session, stored, facts));
    AuditEvent event =
        event_about(by, "request.denied", "decision/" + stored.id.str(), stored.project);
    event.action = to_string(stored.decision.point);
    event.environment = stored.environment;
    event.detail = {{"about", stored.resource}};
    for (const Violation& violation : stored.decision.violations)
      if (violation.state == ViolationState::blocks) {
        event.detail["rule"] = violation.rule;
        break;
      }
    return audit_.append(session, event);
  });
}

Result<json::object> GovernanceStore::decision(const DecisionId& id) {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query, session.prepare("SELECT record FROM decision WHERE id=?"));
  SLIPWAY_TRY(const bool row, query.bind(1, id.str()).step());
  if (!row)
    return fail(Errc::not_found, "no decision " + id.str(),
                "old decisions are forgotten; see `slipway why` for the newest");
  SLIPWAY_TRY(json::value value, parse_kept(query.text(0)));
  if (!value.is_object()) return fail(Errc::corrupt, "database: a decision's record");
  return std::move(value.as_object());
}

Result<DecisionPage> GovernanceStore::decisions(const DecisionFilter& filter) {
  std::string sql = "SELECT record, seq FROM decision WHERE seq < ?";
  if (!filter.project.empty()) sql += " AND project = ?";
  if (!filter.resource.empty()) sql += " AND resource = ?";
  if (!filter.verdict.empty()) sql += " AND verdict = ?";
  sql += " ORDER BY seq DESC";
  auto session = database_.read();
  SLIPWAY_TRY(Statement query, session.prepare(sql));
  int at = 1;
  query.bind(at++, filter.before > 0 ? filter.before : INT64_MAX);
  for (const std::string* word : {&filter.project, &filter.resource, &filter.verdict})
    if (!word->empty()) query.bind(at++, *word);
  DecisionPage page;
  std::int64_t last = 0;
  for (;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return page;
    if (page.decisions.size() == filter.limit && !filter.visible) {
      page.next = last;
      return page;
    }
    SLIPWAY_TRY(json::value value, parse_kept(query.text(0)));
    if (!value.is_object() || (filter.visible && !filter.visible(value.as_object()))) continue;
    if (page.decisions.size() == filter.limit) {
      page.next = last;
      return page;
    }
    page.decisions.push_back(std::move(value.as_object()));
    last = query.number(1);
  }
}

Result<std::string> GovernanceStore::role_about(std::string_view resource) {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT coalesce(json_extract(record,'$.role'),'none') FROM decision"
                              " WHERE resource=? ORDER BY seq DESC LIMIT 1"));
  SLIPWAY_TRY(const bool row, query.bind(1, resource).step());
  return row ? query.text(0) : std::string("none");
}

Result<Facts> GovernanceStore::facts_of(const DecisionId& id) {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query, session.prepare("SELECT s.facts FROM decision d JOIN fact_snapshot s"
                                               " ON s.digest=d.facts WHERE d.id=?"));
  SLIPWAY_TRY(const bool row, query.bind(1, id.str()).step());
  if (!row) return fail(Errc::not_found, "no decision " + id.str());
  return Facts::parse(query.text(0));
}

Result<std::vector<PastDecision>> GovernanceStore::past(std::size_t count) {
  std::vector<std::array<std::string, 3>> rows;
  {
    auto session = database_.read();
    SLIPWAY_TRY(Statement query,
                session.prepare("SELECT d.id, d.verdict, s.facts FROM decision d JOIN fact_snapshot"
                                " s ON s.digest=d.facts ORDER BY d.seq DESC LIMIT ?"));
    query.bind(1, static_cast<std::int64_t>(count));
    for (;;) {
      SLIPWAY_TRY(const bool row, query.step());
      if (!row) break;
      rows.push_back({query.text(0), query.text(1), query.text(2)});
    }
  }
  std::vector<PastDecision> out;
  for (const auto& [id, verdict, facts] : rows) {
    SLIPWAY_TRY(Facts parsed, Facts::parse(facts));
    out.push_back({.id = id,
                   .verdict = parse_verdict(verdict).value_or(Verdict::deny),
                   .facts = std::move(parsed)});
  }
  return out;
}

Status GovernanceStore::prune(std::size_t keep) {
  {
    auto session = database_.read();
    SLIPWAY_TRY(Statement query, session.prepare("SELECT 1 FROM decision ORDER BY seq DESC"
                                                 " LIMIT 1 OFFSET ?"));
    SLIPWAY_TRY(const bool row, query.bind(1, static_cast<std::int64_t>(keep)).step());
    if (!row) return {};
  }
  return database_.transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(Statement remove,
                session.prepare("DELETE FROM decision WHERE seq <= (SELECT seq FROM decision"
                                " ORDER BY seq DESC LIMIT 1 OFFSET ?)"));
    SLIPWAY_CHECK(remove.bind(1, static_cast<std::int64_t>(keep)).run());
    return session.execute(
        "DELETE FROM fact_snapshot WHERE digest NOT IN (SELECT facts FROM decision)");
  });
}

Status GovernanceStore::keep(const Beside& beside) { return keep(std::span(&beside, 1)); }
Status GovernanceStore::keep(std::span<const Beside> together) {
  return database_.transaction([&](Database::Transaction& session) -> Status {
    for (const Beside& each : together) SLIPWAY_CHECK(slipway::put(session, audit_, each));
    return {};
  });
}
Status GovernanceStore::add(Database::Transaction& session, AuditStore& audit,
                            const AuditContext& by, const ApprovalRequest& request) {
  return write_item(session, audit, by, "approval.requested", request, "");
}
Status GovernanceStore::add(const AuditContext& by, const ApprovalRequest& request) {
  return keep(Beside{}.with(by, request));
}
Status GovernanceStore::add(const AuditContext& by, const Waiver& waiver) {
  return database_.transaction([&](Database::Transaction& session) {
    return write_item(session, audit_, by, "waiver.requested", waiver, "");
  });
}
Status GovernanceStore::add(const AuditContext& by, const BreakGlass& emergency) {
  return database_.transaction([&](Database::Transaction& session) {
    return write_item(session, audit_, by, "break_glass.requested", emergency, "");
  });
}

Result<ApprovalRequest> GovernanceStore::approval(const ApprovalId& id) {
  return get_item<ApprovalRequest>(database_, id);
}
Status GovernanceStore::use(Database::Transaction& session, AuditStore& audit,
                            const AuditContext& by, const ApprovalId& id, Timestamp now) {
  SLIPWAY_TRY(const KeptItem before, read_item<ApprovalRequest>(session, id));
  SLIPWAY_TRY(ApprovalRequest request, parse_text<ApprovalRequest>(before.record));
  if (request.used_at)
    return fail(Errc::conflict, "what was approved by " + id.str() + " was done already",
                "ask for approval again");
  request.used_at = now;
  if (request.state == "open") {
    request.state = "approved";
    request.closed_at = now;
    request.closed_reason = "enough people agreed";
  }
  // By whoever asked: who agreed is in the detail.
  return write_item(session, audit, by, "approval.used", request, before.record);
}

Result<Waiver> GovernanceStore::waiver(const WaiverId& id) {
  return get_item<Waiver>(database_, id);
}
Result<BreakGlass> GovernanceStore::break_glass(const BreakGlassId& id) {
  return get_item<BreakGlass>(database_, id);
}

Result<ApprovalRequest> GovernanceStore::change(const AuditContext& by, const ApprovalId& id,
                                                std::string_view event,
                                                const Edit<ApprovalRequest>& edit) {
  return change_item<ApprovalRequest>(database_, audit_, by, id, event, edit);
}
Result<Waiver> GovernanceStore::change(const AuditContext& by, const WaiverId& id,
                                       std::string_view event, const Edit<Waiver>& edit) {
  return change_item<Waiver>(database_, audit_, by, id, event, edit);
}
Result<BreakGlass> GovernanceStore::change(const AuditContext& by, const BreakGlassId& id,
                                           std::string_view event, const Edit<BreakGlass>& edit) {
  return change_item<BreakGlass>(database_, audit_, by, id, event, edit);
}

Result<std::vector<ApprovalRequest>> GovernanceStore::approvals(std::string_view state,
                                                                std::string_view project) {
  return list_items<ApprovalRequest>(database_, by_state, state, project);
}
Result<std::vector<Waiver>> GovernanceStore::waivers(std::string_view state,
                                                     std::string_view project) {
  return list_items<Waiver>(database_, by_state, state, project);
}
Result<std::vector<BreakGlass>> GovernanceStore::emergencies(std::string_view state,
                                                             std::string_view project) {
  return list_items<BreakGlass>(database_, by_state, state, project);
}
Result<std::vector<ApprovalRequest>> GovernanceStore::approvals_of(std::string_view resource) {
  // All of them: an approval that was given counts however many others were asked for since.
  return list_items<ApprovalRequest>(database_,
                                     "resource=?1 AND ?2='' AND state IN ('open','approved')"
                                     " AND json_extract(record,'$.used_at') IS NULL",
                                     resource, "");
}

}  // namespace slipway
