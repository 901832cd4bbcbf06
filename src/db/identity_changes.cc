// Changes of teams, members, tokens and agents: the database first, then what requests are checked
// against.
#include <algorithm>

#include "base/mutex.h"
#include "base/text.h"
#include "db/host_names.h"
#include "db/identity_store.h"

namespace slipway {
namespace {

constexpr std::size_t max_roots = 20'000;

std::int64_t micros(Timestamp time) { return time.time_since_epoch().count(); }
Timestamp timestamp(std::int64_t value) { return Timestamp{Duration{value}}; }

Status check_name(std::string_view what, std::string_view name) {
  if (is_agent_name(name)) return {};
  return fail(Errc::invalid_argument, fmt::format("'{}' cannot name {}", sanitize_line(name), what),
              "use 1 to 40 letters, digits, '.', '_' or '-'");
}

std::unexpected<Error> no_team(std::string_view team) {
  return fail(Errc::not_found, fmt::format("no team is called '{}'", sanitize_line(team)),
              "see `slipway team ls`");
}

Result<bool> team_exists(Database::Session& session, std::string_view team) {
  SLIPWAY_TRY(Statement query, session.prepare("SELECT 1 FROM team WHERE name=?"));
  return query.bind(1, team).step();
}

}  // namespace

// -- tokens

Result<IdentityStore::MadeToken> IdentityStore::create_token(const AuditContext& by,
                                                             const NewToken& wanted) {
  Root root{.team = wanted.team,
            .member = wanted.member,
            .created_by = by.actor.name,
            .restriction = wanted.restriction,
            .created_at = clock_.now()};
  const std::string id = TokenId::random().str();
  root.restriction.id = id;
  {
    const MutexLock lock(mutex_);
    if (!members_.contains({wanted.team, wanted.member}))
      return fail(Errc::not_found,
                  fmt::format("{} is not a member of the team {}", sanitize_line(wanted.member),
                              sanitize_line(wanted.team)),
                  "add them with `slipway team add`");
    if (roots_.size() >= max_roots)
      return fail(Errc::over_budget, fmt::format("there are {} tokens already", max_roots),
                  "narrow one offline instead");
  }
  SLIPWAY_TRY(const std::string restriction, to_text(root.restriction));
  SLIPWAY_CHECK(database_.transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(Statement insert,
                session.prepare("INSERT INTO token(id,team,member,restriction,created_at,"
                                "created_by) VALUES(?,?,?,?,?,?)"));
    insert.bind(1, id).bind(2, root.team).bind(3, root.member).bind(4, restriction);
    SLIPWAY_CHECK(insert.bind(5, micros(root.created_at)).bind(6, root.created_by).run());
    return audit_.append(session, {.event = "token.created",
                                   .action = "token_create",
                                   .by = by,
                                   .resource = "token/" + id,
                                   .team = root.team,
                                   .after = sha256(restriction).str(),
                                   .detail = {{"member", root.member},
                                              {"agent", root.restriction.agent},
                                              {"label", root.restriction.label}}});
  }));
  SLIPWAY_TRY(std::string text, to_text(issue_token(secrets_.key, id)));
  const MutexLock lock(mutex_);
  roots_[id] = root;
  return MadeToken{.text = std::move(text),
                   .record = {.path = id,
                              .team = root.team,
                              .member = root.member,
                              .restriction = root.restriction,
                              .created_at = root.created_at,
                              .created_by = root.created_by}};
}

Result<IdentityStore::MadeToken> IdentityStore::narrow_token(const AuditContext& by,
                                                             std::string_view holder_text,
                                                             Restriction restriction) {
  SLIPWAY_TRY(const Token holder, parse_token(holder_text));
  restriction.id = TokenId::random().str();
  SLIPWAY_TRY(const Token made, narrow(holder, restriction));
  SLIPWAY_TRY(std::string text, to_text(made));
  SLIPWAY_TRY(const Principal principal, authenticate(text));
  SLIPWAY_TRY(const std::string kept, to_text(restriction));
  SLIPWAY_CHECK(audit_.record(
      {.event = "token.narrowed",
       .action = "token_create",
       .by = by,
       .resource = "token/" + restriction.id,
       .team = principal.team,
       .after = sha256(kept).str(),
       .detail = {
           {"path", made.path()}, {"agent", restriction.agent}, {"label", restriction.label}}}));
  const MutexLock lock(mutex_);
  std::ignore = remember(principal, clock_.now());
  const auto use = uses_.find(made.path());
  TokenRecord record =
      record_of(made.path(), use == uses_.end() ? Use{.restriction = restriction} : use->second);
  record.last_used_at.reset();
  return MadeToken{.text = std::move(text), .record = std::move(record)};
}

TokenRecord IdentityStore::record_of(const std::string& path, const Use& use) const {
  TokenRecord out{.path = path,
                  .restriction = use.restriction,
                  .created_at = use.first_at,
                  .deploys = use.deploys,
                  .money_micros = use.money_micros};
  if (use.last_at != Timestamp{}) out.last_used_at = use.last_at;
  const std::string root = path.substr(0, path.find('/'));
  if (const auto found = roots_.find(root); found != roots_.end()) {
    out.team = found->second.team;
    out.member = found->second.member;
    if (path == root) {
      out.created_at = found->second.created_at;
      out.created_by = found->second.created_by;
    }
  } else if (root == local_token_id) {
    out.team = "default";
    out.member = "local";
  }
  out.revoked = is_revoked(path_prefixes(path));
  return out;
}

std::vector<TokenRecord> IdentityStore::tokens(const Principal& principal) {
  const bool manages = permits(principal, Permission::team_manage).has_value();
  const MutexLock lock(mutex_);
  std::vector<TokenRecord> out;
  for (const auto& [id, root] : roots_) {
    if (uses_.contains(id)) continue;  // below
    out.push_back(record_of(id, {.restriction = root.restriction}));
  }
  for (const auto& [path, use] : uses_) out.push_back(record_of(path, use));
  std::erase_if(out, [&](const TokenRecord& record) {
    if (is_within(record.path, principal.path)) return false;
    return !manages || !(principal.team.empty() || principal.team == record.team);
  });
  std::ranges::sort(out, {}, &TokenRecord::path);
  return out;
}

std::vector<IdentityStore::Agent> IdentityStore::agents() {
  const MutexLock lock(mutex_);
  std::map<std::string, Agent> out;
  const auto count = [&](const TokenRecord& record) SLIPWAY_REQUIRES(mutex_) {
    std::string name = person_name(record.team, record.restriction.agent);
    Agent& agent = out[name];
    agent.name = std::move(name);
    agent.team = record.team;
    agent.on_behalf_of = person_name(record.team, record.member);
    if (record.last_used_at && (!agent.last_used_at || *agent.last_used_at < *record.last_used_at))
      agent.last_used_at = record.last_used_at;
    if (!record.revoked && !killed_.contains(agent.name)) ++agent.tokens;
  };
  for (const auto& [path, use] : uses_)
    if (!use.restriction.agent.empty()) count(record_of(path, use));
  for (const auto& [id, root] : roots_)
    if (!root.restriction.agent.empty() && !uses_.contains(id))
      count(record_of(id, {.restriction = root.restriction}));
  for (const auto& [name, at] : killed_) {
    out[name].name = name;
    out[name].team = std::string(team_of_name(name));
    out[name].killed_at = at;
  }
  std::vector<Agent> list;
  for (auto& [name, agent] : out) list.push_back(std::move(agent));
  return list;
}

// -- teams

Status IdentityStore::create_team(const AuditContext& by, std::string_view name) {
  if (!is_slug(name))
    return fail(Errc::invalid_argument, fmt::format("'{}' cannot name a team", sanitize_line(name)),
                fmt::format("'{}' could", slug(name)));
  return database_.transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(const bool exists, team_exists(session, name));
    if (exists)
      return fail(Errc::conflict, fmt::format("there is a team {} already", name),
                  "see `slipway team ls`");
    SLIPWAY_TRY(Statement insert, session.prepare("INSERT INTO team(name,created_at) VALUES(?,?)"));
    SLIPWAY_CHECK(insert.bind(1, name).bind(2, micros(clock_.now())).run());
    return audit_.append(session, {.event = "team.created",
                                   .action = "team_manage",
                                   .by = by,
                                   .resource = fmt::format("team/{}", name),
                                   .team = std::string(name)});
  });
}

Result<std::vector<Team>> IdentityStore::teams() {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query, session.prepare("SELECT name,created_at FROM team ORDER BY name"));
  std::vector<Team> out;
  for (;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return out;
    out.push_back({.name = query.text(0), .created_at = timestamp(query.number(1))});
  }
}

std::vector<Member> IdentityStore::members(std::string_view team) {
  const MutexLock lock(mutex_);
  std::vector<Member> out;
  for (const auto& [key, member] : members_)
    if (key.first == team) out.push_back(member);
  return out;
}

Status IdentityStore::set_member(const AuditContext& by, std::string_view team,
                                 std::string_view name, Role role) {
  SLIPWAY_CHECK(check_name("a member", name));
  if (name == "local")
    return fail(Errc::invalid_argument, "'local' is whoever runs the server",
                "choose another name");
  Member member{.team = std::string(team),
                .name = std::string(name),
                .role = role,
                .created_at = clock_.now()};
  std::string before;
  {
    const MutexLock lock(mutex_);
    if (const auto found = members_.find({member.team, member.name}); found != members_.end()) {
      member.created_at = found->second.created_at;
      before = to_string(found->second.role);
    }
  }
  SLIPWAY_CHECK(database_.transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(const bool exists, team_exists(session, team));
    if (!exists) return no_team(team);
    SLIPWAY_TRY(Statement write,
                session.prepare("INSERT INTO member(team,name,role,created_at) VALUES(?,?,?,?)"
                                " ON CONFLICT(team,name) DO UPDATE SET role=excluded.role"));
    write.bind(1, team).bind(2, name).bind(3, to_string(role));
    SLIPWAY_CHECK(write.bind(4, micros(member.created_at)).run());
    return audit_.append(
        session, {.event = before.empty() ? "member.added" : "member.changed",
                  .action = "team_manage",
                  .by = by,
                  .resource = fmt::format("member/{}/{}", team, name),
                  .team = member.team,
                  .detail = {{"role", std::string(to_string(role))}, {"role_before", before}}});
  }));
  const MutexLock lock(mutex_);
  members_[{member.team, member.name}] = std::move(member);
  return {};
}

Status IdentityStore::remove_member(const AuditContext& by, std::string_view team,
                                    std::string_view name) {
  const std::pair key{std::string(team), std::string(name)};
  std::vector<std::string> roots;
  {
    const MutexLock lock(mutex_);
    for (const auto& [id, root] : roots_)
      if (root.team == team && root.member == name) roots.push_back(id);
  }
  SLIPWAY_CHECK(database_.transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(Statement remove,
                session.prepare("DELETE FROM member WHERE team=? AND name=? RETURNING name"));
    SLIPWAY_TRY(const bool was, remove.bind(1, team).bind(2, name).step());
    if (!was)
      return fail(Errc::not_found,
                  fmt::format("{} is not a member of the team {}", sanitize_line(name),
                              sanitize_line(team)),
                  "see `slipway team ls`");
    SLIPWAY_TRY([[maybe_unused]] const bool more, remove.step());
    // Their tokens would come back with the name otherwise.
    SLIPWAY_TRY(Statement forget, session.prepare("DELETE FROM token WHERE team=? AND member=?"));
    SLIPWAY_CHECK(forget.bind(1, team).bind(2, name).run());
    for (const std::string& root : roots)
      for (const std::string_view sql :
           {"DELETE FROM token_revocation WHERE within=?1 OR (within>=?1||'/' AND within<?1||'0')",
            "DELETE FROM token_use WHERE path=?1 OR (path>=?1||'/' AND path<?1||'0')"}) {
        SLIPWAY_TRY(Statement drop, session.prepare(sql));
        SLIPWAY_CHECK(drop.bind(1, root).run());
      }
    return audit_.append(session, {.event = "member.removed",
                                   .action = "team_manage",
                                   .by = by,
                                   .resource = fmt::format("member/{}/{}", team, name),
                                   .team = key.first});
  }));
  const MutexLock lock(mutex_);
  members_.erase(key);
  std::erase_if(roots_, [&](const auto& entry) {
    return entry.second.team == key.first && entry.second.member == key.second;
  });
  for (const std::string& root : roots) forget_root(root);
  return {};
}

Status IdentityStore::give_project(const AuditContext& by, std::string_view team,
                                   std::string_view project) {
  if (!is_slug(project))
    return fail(Errc::invalid_argument,
                fmt::format("'{}' cannot name a project", sanitize_line(project)));
  SLIPWAY_CHECK(database_.transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(const bool exists, team_exists(session, team));
    if (!exists) return no_team(team);
    SLIPWAY_CHECK(check_project_host(session, project));
    SLIPWAY_TRY(Statement write,
                session.prepare("INSERT INTO project(name,team,created_at) VALUES(?,?,?)"
                                " ON CONFLICT(name) DO UPDATE SET team=excluded.team"));
    SLIPWAY_CHECK(write.bind(1, project).bind(2, team).bind(3, micros(clock_.now())).run());
    return audit_.append(session, {.event = "project.moved",
                                   .action = "team_manage",
                                   .by = by,
                                   .resource = fmt::format("project/{}", project),
                                   .team = std::string(team),
                                   .project = std::string(project)});
  }));
  const MutexLock lock(mutex_);
  project_teams_[std::string(project)] = team;
  return {};
}

Result<bool> IdentityStore::claim_project(const AuditContext& by, const Principal& principal,
                                          Permission permission, std::string_view project) {
  bool made = false;
  const std::string team = principal.team.empty() ? std::string(server_team) : principal.team;
  SLIPWAY_TRY(const std::optional<std::string> known, team_of(project));
  if (!known) {
    SLIPWAY_CHECK(database_.transaction([&](Database::Transaction& session) -> Status {
      SLIPWAY_CHECK(check_project_host(session, project));
      SLIPWAY_TRY(Statement insert,
                  session.prepare("INSERT INTO project(name,team,created_at) VALUES(?,?,?)"
                                  " ON CONFLICT(name) DO NOTHING RETURNING name"));
      insert.bind(1, project).bind(2, team).bind(3, micros(clock_.now()));
      SLIPWAY_TRY(made, insert.step());
      if (!made) return {};
      SLIPWAY_TRY([[maybe_unused]] const bool more, insert.step());
      return audit_.append(session, {.event = "project.created",
                                     .action = std::string(to_string(permission)),
                                     .by = by,
                                     .resource = fmt::format("project/{}", project),
                                     .team = team,
                                     .project = std::string(project)});
    }));
  }
  SLIPWAY_CHECK(authorize(principal, permission, project, {}));
  return made;
}

}  // namespace slipway
