#pragma once

#include <string_view>
#include <vector>

#include "db/database.h"
#include "json/json.h"
#include "model/audit_event.h"
#include "model/release.h"

// Rows of the release store's tables and the audit records about them; for release_store.cc alone.
// Everything happens within the caller's session.
namespace slipway::release_rows {

[[nodiscard]] std::int64_t micros(Timestamp time);

template <class T>
[[nodiscard]] Result<T> parse_record(const std::string& text,
                                     Result<T> (*parse)(const json::value&)) {
  SLIPWAY_TRY(const json::value value, parse_json(text));
  Result<T> parsed = parse(value);
  if (!parsed)
    return fail(Errc::corrupt, "database: a release's record: " + parsed.error().message);
  return parsed;
}

// Every row's first column.
template <class T>
[[nodiscard]] Result<std::vector<T>> all_of(Statement& query,
                                            Result<T> (*parse)(const json::value&)) {
  std::vector<T> out;
  for (;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return out;
    SLIPWAY_TRY(T value, parse_record(query.text(0), parse));
    out.push_back(std::move(value));
  }
}

[[nodiscard]] Result<EnvironmentState> read_environment(Database::Session& session,
                                                        std::string_view project,
                                                        std::string_view environment);
[[nodiscard]] Result<Release> read_release(Database::Session& session, std::string_view project,
                                           std::string_view environment, std::int64_t number);
[[nodiscard]] Result<Rollout> read_rollout(Database::Session& session, const RolloutId& id);
// How often a row was changed (db/revision.h). -1 when there is none.
[[nodiscard]] Result<std::int64_t> revision_of(Database::Session& session, const RolloutId& id);
[[nodiscard]] Result<std::int64_t> revision_of(Database::Session& session, std::string_view project,
                                               std::string_view environment);
[[nodiscard]] Result<std::int64_t> revision_of(Database::Session& session, std::string_view project,
                                               std::string_view environment, std::int64_t number);
// Not over, oldest first. "" for all projects.
[[nodiscard]] Result<std::vector<Rollout>> open_of(Database::Session& session,
                                                   std::string_view project,
                                                   std::string_view environment);

[[nodiscard]] Status write_environment(Database::Transaction& session,
                                       const EnvironmentState& state);
[[nodiscard]] Status write_release(Database::Transaction& session, const Release& release);
[[nodiscard]] Status write_rollout(Database::Transaction& session, const Rollout& rollout);

// Errors: failed_precondition when it is over.
[[nodiscard]] Status check_open(const Rollout& rollout);
// The error that says that another rollout is under way.
[[nodiscard]] Status busy(const EnvironmentState& state);

[[nodiscard]] AuditEvent event_about(const AuditContext& by, std::string_view event,
                                     const Release& release);
[[nodiscard]] AuditEvent event_about(const AuditContext& by, const std::optional<Rollout>& before,
                                     const Rollout& after);
[[nodiscard]] AuditEvent event_about(const AuditContext& by, const EnvironmentState& before,
                                     const EnvironmentState& after);
// What the newest verdict rests on.
void add_evidence(AuditEvent& event, const Rollout& rollout);

}  // namespace slipway::release_rows
