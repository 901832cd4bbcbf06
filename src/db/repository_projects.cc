// Projects, and what is uploaded for them.
#include "db/host_names.h"
#include "db/repository.h"

namespace slipway {
namespace {

std::int64_t micros(Timestamp time) { return time.time_since_epoch().count(); }
Timestamp timestamp(std::int64_t value) { return Timestamp{Duration{value}}; }

}  // namespace

Status Repository::ensure_project(const AuditContext& by, std::string_view name, Timestamp now) {
  {
    auto session = database_->read();
    SLIPWAY_TRY(Statement known, session.prepare("SELECT 1 FROM project WHERE name=?"));
    SLIPWAY_TRY(const bool exists, known.bind(1, name).step());
    if (exists) return {};
  }
  return database_->transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_CHECK(check_project_host(session, name));
    SLIPWAY_TRY(Statement insert,
                session.prepare("INSERT INTO project(name,team,created_at) VALUES(?1,'default',?2)"
                                " ON CONFLICT(name) DO NOTHING RETURNING name"));
    SLIPWAY_TRY(const bool made, insert.bind(1, name).bind(2, micros(now)).step());
    if (!made) return {};
    SLIPWAY_TRY([[maybe_unused]] const bool more, insert.step());
    return audit_->append(session, {.event = "project.created",
                                    .action = "deploy",
                                    .by = by,
                                    .resource = fmt::format("project/{}", name),
                                    .team = "default",
                                    .project = std::string(name)});
  });
}

Result<std::string> Repository::team_of(std::string_view project) {
  auto session = database_->read();
  SLIPWAY_TRY(Statement query, session.prepare("SELECT team FROM project WHERE name=?"));
  SLIPWAY_TRY(const bool row, query.bind(1, project).step());
  return row ? query.text(0) : "default";
}

Result<bool> Repository::has_project(std::string_view name) {
  auto session = database_->read();
  SLIPWAY_TRY(Statement query, session.prepare("SELECT 1 FROM project WHERE name=?"));
  return query.bind(1, name).step();
}

Result<std::vector<Project>> Repository::projects() {
  auto session = database_->read();
  SLIPWAY_TRY(
      Statement query,
      session.prepare(
          "SELECT p.name, p.team, p.created_at,"
          " (SELECT count(*) FROM deployment d WHERE d.project=p.name AND d.state<>'deleted')"
          " FROM project p ORDER BY p.name"));
  std::vector<Project> out;
  for (;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return out;
    out.push_back({.name = query.text(0),
                   .team = query.text(1),
                   .created_at = timestamp(query.number(2)),
                   .deployments = query.number(3)});
  }
}

Result<std::optional<Digest>> Repository::base_manifest(std::string_view project) {
  auto session = database_->read();
  SLIPWAY_TRY(Statement query, session.prepare("SELECT base_manifest FROM project WHERE name=?"));
  SLIPWAY_TRY(const bool row, query.bind(1, project).step());
  if (!row || query.is_null(0)) return std::nullopt;
  return Digest::parse(query.text(0));
}

Status Repository::set_base_manifest(std::string_view project, const Digest& manifest) {
  return database_->transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(Statement change,
                session.prepare("UPDATE project SET base_manifest=? WHERE name=?"));
    return change.bind(1, manifest.str()).bind(2, project).run();
  });
}

Status Repository::add_upload(const Upload& upload) {
  return database_->transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(
        Statement insert,
        session.prepare("INSERT INTO upload(id,project,manifest,created_at) VALUES(?,?,?,?)"));
    return insert.bind(1, upload.id.str())
        .bind(2, upload.project)
        .bind(3, upload.manifest.str())
        .bind(4, micros(upload.created_at))
        .run();
  });
}

Result<Upload> Repository::get_upload(const UploadId& id) {
  auto session = database_->read();
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT project,manifest,created_at FROM upload WHERE id=?"));
  SLIPWAY_TRY(const bool row, query.bind(1, id.str()).step());
  if (!row)
    return fail(Errc::not_found, "no upload " + id.str(),
                "uploads are kept for an hour: send it again");
  const auto manifest = Digest::parse(query.text(1));
  if (!manifest) return fail(Errc::corrupt, "database: an upload's digest");
  return Upload{.id = id,
                .project = query.text(0),
                .manifest = *manifest,
                .created_at = timestamp(query.number(2))};
}

Status Repository::remove_uploads_before(Timestamp time) {
  return database_->transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(Statement remove, session.prepare("DELETE FROM upload WHERE created_at<?"));
    return remove.bind(1, micros(time)).run();
  });
}

Result<std::vector<Digest>> Repository::upload_manifests() {
  auto session = database_->read();
  SLIPWAY_TRY(Statement query, session.prepare("SELECT DISTINCT manifest FROM upload"));
  std::vector<Digest> out;
  for (;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return out;
    if (const auto digest = Digest::parse(query.text(0))) out.push_back(*digest);
  }
}

Result<std::vector<Digest>> Repository::sources(std::string_view project, std::size_t limit) {
  auto session = database_->read();
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT json_extract(record,'$.source.digest') FROM deployment"
                              " WHERE project=? ORDER BY seq DESC LIMIT ?"));
  query.bind(1, project).bind(2, static_cast<std::int64_t>(limit));
  std::vector<Digest> out;
  for (;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return out;
    if (const auto digest = Digest::parse(query.text(0));
        digest && std::ranges::find(out, *digest) == out.end())
      out.push_back(*digest);
  }
}

}  // namespace slipway
