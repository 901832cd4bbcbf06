// Who a token speaks for. What tokens have used up: identity_uses.cc; their end:
// identity_revocations.cc; changes of teams and tokens: identity_changes.cc.
#include "db/identity_store.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"

namespace slipway {
namespace {

Timestamp timestamp(std::int64_t value) { return Timestamp{Duration{value}}; }

std::unexpected<Error> unknown_token() {
  return fail(Errc::unauthenticated, "the token is not known here",
              "run `slipway login` with this server's token");
}

std::unexpected<Error> dead_token(std::string_view id, std::string_view why) {
  return fail(Errc::unauthenticated, fmt::format("the token {} {}", id, why),
              "ask whoever gave it to you for another, or narrow one of your own with "
              "`slipway token create`");
}

std::optional<std::int64_t> least(std::optional<std::int64_t> left, std::int64_t right) {
  return left ? std::min(*left, right) : right;
}

}  // namespace

IdentityStore::IdentityStore(Database& database, AuditStore& audit, const Clock& clock,
                             IdentitySecrets secrets, IdentityLimits limits)
    : database_(database),
      audit_(audit),
      clock_(clock),
      secrets_(std::move(secrets)),
      limits_(limits),
      use_quota_(limits.uses),
      revocation_quota_(limits.revocations) {}

IdentityStore::~IdentityStore() { flush(); }

Result<std::unique_ptr<IdentityStore>> IdentityStore::open(Database& database, AuditStore& audit,
                                                           const Clock& clock,
                                                           IdentitySecrets secrets,
                                                           IdentityLimits limits) {
  std::unique_ptr<IdentityStore> store(
      new IdentityStore(database, audit, clock, std::move(secrets), limits));
  SLIPWAY_CHECK(store->load());
  return store;
}

Status IdentityStore::load() {
  auto session = database_.read();
  const MutexLock lock(mutex_);
  const auto each = [&](std::string_view sql, auto&& visit) -> Status {
    SLIPWAY_TRY(Statement query, session.prepare(sql));
    for (;;) {
      SLIPWAY_TRY(const bool row, query.step());
      if (!row) return {};
      SLIPWAY_CHECK(visit(query));
    }
  };
  SLIPWAY_CHECK(each("SELECT team,name,role,created_at FROM member", [&](Statement& row) -> Status {
    mutex_.assert_held();
    const auto role = parse_role(row.text(2));
    if (!role) return fail(Errc::corrupt, "database: a member's role");
    members_[{row.text(0), row.text(1)}] = {.team = row.text(0),
                                            .name = row.text(1),
                                            .role = *role,
                                            .created_at = timestamp(row.number(3))};
    return {};
  }));
  SLIPWAY_CHECK(each("SELECT id,team,member,restriction,created_at,created_by FROM token",
                     [&](Statement& row) -> Status {
                       mutex_.assert_held();
                       SLIPWAY_TRY(Restriction restriction, parse_restriction(row.text(3)));
                       roots_[row.text(0)] = {.team = row.text(1),
                                              .member = row.text(2),
                                              .created_by = row.text(5),
                                              .restriction = std::move(restriction),
                                              .created_at = timestamp(row.number(4))};
                       return {};
                     }));
  SLIPWAY_CHECK(each("SELECT path,restriction,first_at,last_at,deploys,money FROM token_use",
                     [&](Statement& row) -> Status {
                       mutex_.assert_held();
                       Restriction restriction;
                       if (const std::string text = row.text(1); !text.empty()) {
                         SLIPWAY_TRY(restriction, parse_restriction(text));
                       }
                       const std::string path = row.text(0);
                       uses_[path] = {.restriction = std::move(restriction),
                                      .first_at = timestamp(row.number(2)),
                                      .last_at = timestamp(row.number(3)),
                                      .deploys = row.number(4),
                                      .money_micros = row.number(5)};
                       if (const std::string_view parent = parent_path(path); !parent.empty())
                         use_quota_.add(parent);
                       return {};
                     }));
  SLIPWAY_CHECK(each("SELECT within,id FROM token_revocation", [&](Statement& row) -> Status {
    mutex_.assert_held();
    const std::string within = row.text(0), id = row.text(1);
    remember({{within, id,
               within.empty()          ? ""
               : last_id(within) == id ? within
                                       : fmt::format("{}/{}", within, id)}});
    return {};
  }));
  flushed_at_ = clock_.now();
  return each("SELECT name,at FROM agent_kill", [&](Statement& row) -> Status {
    mutex_.assert_held();
    killed_[row.text(0)] = timestamp(row.number(1));
    return {};
  });
}

Result<Principal> IdentityStore::authenticate(std::string_view token_text) {
  Token token{.root = std::string(local_token_id)};
  if (!equal_in_constant_time(token_text, secrets_.local_token)) {
    Result<Token> parsed = parse_token(token_text);
    if (!parsed) return unknown_token();
    token = *std::move(parsed);
    // The chain comes first, so that nothing is told about tokens to who does not hold them.
    const Digest start = token.root == local_token_id ? local_mac(secrets_.local_token)
                                                      : root_mac(secrets_.key, token.root);
    if (!verify(token, start)) return unknown_token();
  }
  const MutexLock lock(mutex_);
  return holder(token);
}

Result<Principal> IdentityStore::holder(const Token& token) {
  Principal out;
  out.path = token.root;
  out.actor.token = token.root;
  if (token.root == local_token_id) {
    out.actor.name = "local";
    out.actor.chain = {"human:local"};
    out.role = Role::admin;
  } else {
    const auto root = roots_.find(token.root);
    if (root == roots_.end()) return unknown_token();
    const auto member = members_.find({root->second.team, root->second.member});
    if (member == members_.end())
      return dead_token(token.root, fmt::format("is of {}, who is no longer a member of {}",
                                                root->second.member, root->second.team));
    out.actor.name = person_name(root->second.team, root->second.member);
    out.actor.chain = {"human:" + out.actor.name};
    out.role = member->second.role;
    if (root->second.team != server_team) out.team = root->second.team;
    out.path.clear();
    apply_narrowing(out, root->second.restriction);
    out.path = token.root;
  }
  for (const Restriction& restriction : token.restrictions) {
    // Whoever ends the one would end the other.
    if (roots_.contains(restriction.id))
      return dead_token(restriction.id, "has the id of another token");
    apply_narrowing(out, restriction);
  }
  out.actor.path = out.path;
  const std::vector<std::string> paths = path_prefixes(out.path);
  if (is_revoked(paths)) return dead_token(last_id(out.path), "was revoked");
  for (const std::string& link : out.actor.chain)
    if (link.starts_with("agent:") && killed_.contains(std::string_view(link).substr(6)))
      return fail(
          Errc::unauthenticated, fmt::format("the agent {} was killed", link.substr(6)),
          "a person who may kill agents can revive it: slipway agent revive " + link.substr(6));
  const Timestamp now = clock_.now();
  for (const Restriction& restriction : out.restrictions) {
    if (restriction.expires_at && *restriction.expires_at <= now)
      return dead_token(restriction.id, "expired at " + to_rfc3339(*restriction.expires_at));
  }
  // The local token has no restriction of its own, so the paths of restrictions are the last ones.
  const std::size_t skip = paths.size() - out.restrictions.size();
  for (std::size_t i = 0; i < out.restrictions.size(); ++i) {
    const Restriction& restriction = out.restrictions[i];
    const auto use = uses_.find(paths[i + skip]);
    const std::int64_t deploys = use == uses_.end() ? 0 : use->second.deploys;
    const std::int64_t money = use == uses_.end() ? 0 : use->second.money_micros;
    if (restriction.deploys)
      out.deploys_left =
          least(out.deploys_left, std::max<std::int64_t>(*restriction.deploys - deploys, 0));
    if (restriction.money_micros)
      out.money_left_micros = least(out.money_left_micros,
                                    std::max<std::int64_t>(*restriction.money_micros - money, 0));
  }
  return out;
}

Status IdentityStore::authorize(const Principal& principal, Permission permission,
                                std::string_view project, std::string_view environment) {
  SLIPWAY_CHECK(permits(principal, permission, project, environment));
  if (principal.team.empty() || project.empty() || permission == Permission::none) return {};
  SLIPWAY_TRY(const std::optional<std::string> team, team_of(project));
  if (team && *team == principal.team) return {};
  // What is written down for a project before it exists would be its owner's later. That there is
  // one of another team is not told.
  return fail({.code = Errc::permission_denied,
               .message = fmt::format("there is no project {} of the team {}",
                                      sanitize_line(project), principal.team),
               .hint = "a first deployment makes it; another team's is moved by an admin of the "
                       "whole server: slipway team add-project",
               .cause = "not_permitted"});
}

Status IdentityStore::authorize_new(const Principal& principal, Permission permission,
                                    std::string_view project, std::string_view environment) {
  SLIPWAY_CHECK(permits(principal, permission, project, environment));
  SLIPWAY_TRY(const std::optional<std::string> team, team_of(project));
  if (!team || principal.team.empty() || *team == principal.team) return {};
  return fail({.code = Errc::permission_denied,
               .message = fmt::format("the project {} is not one of the team {}",
                                      sanitize_line(project), principal.team),
               .hint = "take another name, or ask an admin of the whole server to move it: slipway "
                       "team add-project",
               .cause = "not_permitted"});
}

Result<std::optional<std::string>> IdentityStore::team_of(std::string_view project) {
  const std::string name(project);
  {
    const MutexLock lock(mutex_);
    if (const auto found = project_teams_.find(name); found != project_teams_.end())
      return found->second;
  }
  auto session = database_.read();
  SLIPWAY_TRY(Statement query, session.prepare("SELECT team FROM project WHERE name=?"));
  SLIPWAY_TRY(const bool row, query.bind(1, name).step());
  if (!row) return std::nullopt;
  std::string team = query.text(0);
  const MutexLock lock(mutex_);
  if (project_teams_.size() > 100'000) project_teams_.clear();
  project_teams_[name] = team;
  return team;
}

}  // namespace slipway
