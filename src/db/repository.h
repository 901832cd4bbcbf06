#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "db/audit_store.h"
#include "db/beside.h"
#include "db/database.h"
#include "db/value_seal.h"
#include "model/audit_event.h"
#include "model/deployment.h"

namespace slipway {

struct Project {
  std::string name;
  std::string team = "default";
  Timestamp created_at{};
  std::int64_t deployments = 0;  // that are not deleted
};

struct Upload {
  UploadId id;
  std::string project;
  Digest manifest;
  Timestamp created_at{};
};

struct DeploymentFilter {
  std::string project, alias;            // "" means any
  std::optional<DeploymentState> state;  // nothing: all but deleted
  enum class Deleted { left_out, included } deleted = Deleted::left_out;  // without a state
  std::int64_t before = 0;  // sequence number to continue below; 0: from the newest
  std::size_t limit = 50;
  // Which of them whoever asks may see; null: all. The others are on no page and end none.
  std::function<bool(std::string_view project, std::string_view alias)> visible;
};
struct DeploymentPage {
  std::vector<Deployment> deployments;  // newest first
  std::int64_t next = 0;                // 0: no more
};

// What is remembered of projects, deployments and uploads, in SQLite. Every call is one transaction
// and durable when it returns. Whatever a user would call a change says on whose word it happens
// and is recorded in the audit log by the same transaction; bookkeeping (uploads, uid ranges, the
// tree to compare with) is not. Thread-safe. Deployments are kept whole as JSON records, with the
// columns that are searched beside them. What it is given must outlive it.
class Repository {
 public:
  Repository(Database& database, AuditStore& audit) : database_(&database), audit_(&audit) {}
  // From now on values of variables (-e, -b) are sealed in what is written; what was written before
  // stays readable. Without it they are plain. Set before use.
  void seal_with(ValueSeal seal) { seal_ = std::move(seal); }
  // Seals everything again, all or none, what was plain too. For a change of the key. Returns how
  // many deployments that were.
  [[nodiscard]] Result<std::size_t> reseal(const AuditContext& by);

  // -- projects
  // Makes the project when it is new.
  [[nodiscard]] Status ensure_project(const AuditContext& by, std::string_view name, Timestamp now);
  // "default" for one that is not there yet.
  [[nodiscard]] Result<std::string> team_of(std::string_view project);
  [[nodiscard]] Result<bool> has_project(std::string_view name);
  [[nodiscard]] Result<std::vector<Project>> projects();
  // Where the folders come from that were deployed to a project: a claim of clients, to notice two
  // unrelated folders of one name. Errors: conflict, cause "other_origin", when others are known.
  [[nodiscard]] Status check_origin(std::string_view project, std::string_view origin);
  [[nodiscard]] Status remember_origin(std::string_view project, std::string_view origin);
  // The manifest whose full source layer newer trees of the project are compared with.
  [[nodiscard]] Result<std::optional<Digest>> base_manifest(std::string_view project);
  [[nodiscard]] Status set_base_manifest(std::string_view project, const Digest& manifest);

  // -- uploads
  [[nodiscard]] Status add_upload(const Upload& upload);
  [[nodiscard]] Result<Upload> get_upload(const UploadId& id);
  [[nodiscard]] Status remove_uploads_before(Timestamp time);
  [[nodiscard]] Result<std::vector<Digest>> upload_manifests();

  // The manifests of the project's newest deployments, newest first, each once.
  [[nodiscard]] Result<std::vector<Digest>> sources(std::string_view project, std::size_t limit);

  // -- deployments
  // With a key seen before, stores nothing and returns the deployment made then.
  [[nodiscard]] Result<Deployment> add(const AuditContext& by, const Deployment& deployment,
                                       std::string_view idempotency_key, const Beside& beside = {});
  // The deployment that was made with this key.
  [[nodiscard]] Result<std::optional<Deployment>> made_with(std::string_view idempotency_key);
  [[nodiscard]] Result<Deployment> get(const DeploymentId& id);
  // Reads, lets `change` edit, writes: as if at once. `change` is called with nothing held, and
  // again on what is there by then when somebody else was first (db/revision.h). An error of
  // `change` leaves it as it was. Audited as "deployment.<state>".
  [[nodiscard]] Result<Deployment> update(const AuditContext& by, const DeploymentId& id,
                                          const std::function<Status(Deployment&)>& change,
                                          const Beside& beside = {});
  [[nodiscard]] Result<DeploymentPage> list(const DeploymentFilter& filter);
  // All whose state is one of `states`, oldest first.
  [[nodiscard]] Result<std::vector<Deployment>> in_states(std::vector<DeploymentState> states);
  // Calls `visit` with every deployment that is not purged, deleted ones included.
  [[nodiscard]] Status each(const std::function<void(const Deployment&)>& visit);
  // Ids whose text behind the prefix starts with `tail` (letters and digits of ids only), two at
  // the most, of the projects that are `visible`; null: of all.
  [[nodiscard]] Result<std::vector<DeploymentId>> find_by_tail(
      std::string_view tail, const std::function<bool(std::string_view project)>& visible = {});
  // The newest that is not deleted; with an alias, of that alias. Nothing when there is none.
  [[nodiscard]] Result<std::optional<Deployment>> newest(std::string_view project,
                                                         std::string_view alias = {});
  // The newest of an alias that was ready once and is not deleted, leaving out `except`: what the
  // alias showed last. Nothing when it never showed anything that is left.
  [[nodiscard]] Result<std::optional<Deployment>> last_shown(std::string_view project,
                                                             std::string_view alias,
                                                             const DeploymentId& except);
  // The one of the same alias that was recorded before it, whatever became of it, and is not
  // deleted.
  [[nodiscard]] Result<std::optional<Deployment>> before(const Deployment& deployment);
  // Those that were deleted last, newest first.
  [[nodiscard]] Result<std::vector<Deployment>> last_deleted(Timestamp since, std::size_t most);
  // Live deployments: whose time has come, how many there are, which.
  [[nodiscard]] Result<std::vector<DeploymentId>> live_due(Timestamp now);
  [[nodiscard]] Result<std::size_t> live_count();
  [[nodiscard]] Result<std::vector<DeploymentId>> live_ids();
  // Forgets a deleted deployment for good. Errors: failed_precondition while a release of it is
  // kept.
  [[nodiscard]] Status purge(const AuditContext& by, const DeploymentId& id);

  // -- aliases: what <alias>--<project> leads to
  struct Alias {
    std::string project, alias;
    DeploymentId deployment;
  };
  // Points the alias at `deployment` unless it already points at a newer one. Returns whether it
  // does now.
  [[nodiscard]] Result<bool> advance_alias(const AuditContext& by, const Deployment& deployment);
  // Points every alias at its newest live deployment, and forgets those that have none: what a
  // server that was killed in between had still to do. Returns how many were wrong.
  [[nodiscard]] Result<std::size_t> settle_aliases(const AuditContext& by);
  // Points it at the newest live deployment that is left; nothing when there is none.
  [[nodiscard]] Result<std::optional<DeploymentId>> retreat_alias(const AuditContext& by,
                                                                  std::string_view project,
                                                                  std::string_view alias);
  [[nodiscard]] Result<std::vector<Alias>> aliases();
  [[nodiscard]] Result<std::optional<DeploymentId>> alias(std::string_view project,
                                                          std::string_view alias);
  // The newest of the alias that was ever ready, whatever became of it; until it is purged.
  [[nodiscard]] Result<std::optional<Deployment>> last_shown(std::string_view project,
                                                             std::string_view alias);

  // -- uid ranges
  // The slot of an environment ("<project>/<alias>"), the lowest free one at its first use.
  [[nodiscard]] Result<std::uint32_t> uid_slot(std::string_view environment);
  // Those of aliases and builds that no deployment is left of are free again.
  [[nodiscard]] Status give_back_uid_slots();

  // Whether the database does its work within `bound`: answers, and lets somebody write.
  [[nodiscard]] Status probe(Duration bound) { return database_->probe(bound); }

  // -- small facts
  [[nodiscard]] Result<std::optional<std::string>> setting(std::string_view key);
  [[nodiscard]] Status set_setting(std::string_view key, std::string_view value);

 private:
  // A deployment's record, with its values sealed, and back.
  [[nodiscard]] Result<std::string> record_text(const Deployment& deployment) const;
  [[nodiscard]] Result<Deployment> parse_record(const std::string& text) const;
  [[nodiscard]] Result<std::vector<Deployment>> read_all(Statement& query) const;
  [[nodiscard]] Result<std::optional<Deployment>> read_one(Statement& query) const;

  Database* database_;
  AuditStore* audit_;
  ValueSeal seal_;
};

}  // namespace slipway
