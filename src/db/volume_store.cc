#include "db/volume_store.h"

#include <fmt/format.h>

namespace slipway {

Result<std::string> VolumeStore::share(std::string_view project) {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query, session.prepare("SELECT source FROM volume_share WHERE project=?"));
  SLIPWAY_TRY(const bool row, query.bind(1, project).step());
  return row ? query.text(0) : std::string();
}

Status VolumeStore::set_share(const AuditContext& by, std::string_view project,
                              std::string_view source) {
  return database_.transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(
        Statement change,
        session.prepare(source.empty() ? "DELETE FROM volume_share WHERE project=?1"
                                       : "INSERT INTO volume_share(project,source) VALUES(?1,?2)"
                                         " ON CONFLICT(project) DO UPDATE SET source=?2"));
    change.bind(1, project);
    if (!source.empty()) change.bind(2, source);
    SLIPWAY_CHECK(change.run());
    const std::string environment(source.empty() ? "preview" : source);
    return audit_.append(session,
                         {.event = source.empty() ? "volume.unshared" : "volume.shared",
                          .action = "promote",
                          .by = by,
                          .resource = fmt::format("volume/{}/{}", project, environment),
                          .project = std::string(project),
                          .environment = environment,
                          .detail = {{"from", std::string(source)}, {"with", "previews"}}});
  });
}

Status VolumeStore::record(const AuditContext& by, std::string_view event, std::string_view project,
                           std::string_view environment, std::string_view snapshot) {
  return audit_.record({.event = std::string(event),
                        .action = "promote",
                        .by = by,
                        .resource = fmt::format("volume/{}/{}", project, environment),
                        .project = std::string(project),
                        .environment = std::string(environment),
                        .detail = {{"snapshot", std::string(snapshot)}}});
}

}  // namespace slipway
