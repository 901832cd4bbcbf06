// Who a token speaks for, and what it has used up. Changes of teams and tokens:
// identity_changes.cc.
#include "db/identity_store.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t max_uses = 100'000, max_uses_of_root = 10'000;
constexpr Duration flush_interval = 1min;

std::int64_t micros(Timestamp time) { return time.time_since_epoch().count(); }
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

// Each beginning of a path: "a", "a/b", "a/b/c".
std::vector<std::string> prefixes(std::string_view path) {
  std::vector<std::string> out;
  for (std::size_t slash = 0; slash != std::string_view::npos;) {
    slash = path.find('/', slash + 1);
    out.emplace_back(path.substr(0, slash));
  }
  return out;
}

std::string_view last_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::optional<std::int64_t> least(std::optional<std::int64_t> left, std::int64_t right) {
  return left ? std::min(*left, right) : right;
}

}  // namespace

IdentityStore::IdentityStore(Database& database, AuditStore& audit, const Clock& clock,
                             IdentitySecrets secrets)
    : database_(database), audit_(audit), clock_(clock), secrets_(std::move(secrets)) {}

IdentityStore::~IdentityStore() { flush(); }

Result<std::unique_ptr<IdentityStore>> IdentityStore::open(Database& database, AuditStore& audit,
                                                           const Clock& clock,
                                                           IdentitySecrets secrets) {
  std::unique_ptr<IdentityStore> store(
      new IdentityStore(database, audit, clock, std::move(secrets)));
  SLIPWAY_CHECK(store->load());
  return store;
}

Status IdentityStore::load() {
  auto session = database_.read();
  const auto each = [&](std::string_view sql, auto&& visit) -> Status {
    SLIPWAY_TRY(Statement query, session.prepare(sql));
    for (;;) {
      SLIPWAY_TRY(const bool row, query.step());
      if (!row) return {};
      SLIPWAY_CHECK(visit(query));
    }
  };
  SLIPWAY_CHECK(each("SELECT team,name,role,created_at FROM member", [&](Statement& row) -> Status {
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
                       Restriction restriction;
                       if (const std::string text = row.text(1); !text.empty()) {
                         SLIPWAY_TRY(restriction, parse_restriction(text));
                       }
                       uses_[row.text(0)] = {.restriction = std::move(restriction),
                                             .first_at = timestamp(row.number(2)),
                                             .last_at = timestamp(row.number(3)),
                                             .deploys = row.number(4),
                                             .money_micros = row.number(5),
                                             .stored = true};
                       return {};
                     }));
  SLIPWAY_CHECK(each("SELECT within,id FROM token_revocation", [&](Statement& row) -> Status {
    revoked_.insert(row.text(0) + " " + row.text(1));
    return {};
  }));
  flushed_at_ = clock_.now();
  return each("SELECT name,at FROM agent_kill", [&](Statement& row) -> Status {
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
  const Timestamp now = clock_.now();
  bool due = false;
  Result<Principal> principal = Principal{};
  {
    const std::scoped_lock lock(mutex_);
    principal = holder(token);
    if (!principal) return principal;
    SLIPWAY_CHECK(note_use(*principal, now));
    due = now - flushed_at_ >= flush_interval;
    if (due) flushed_at_ = now;
  }
  if (due) flush();
  return principal;
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
    out.actor.name = root->second.member;
    out.actor.chain = {"human:" + root->second.member};
    out.role = member->second.role;
    if (root->second.team != "default") out.team = root->second.team;
    out.path.clear();
    apply_narrowing(out, root->second.restriction);
    out.path = token.root;
  }
  for (const Restriction& restriction : token.restrictions) apply_narrowing(out, restriction);
  const std::vector<std::string> paths = prefixes(out.path);
  if (is_revoked(paths)) return dead_token(last_of(out.path), "was revoked");
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

bool IdentityStore::is_revoked(const std::vector<std::string>& paths) const {
  for (std::size_t j = 0; j < paths.size(); ++j) {
    const std::string id(last_of(paths[j]));
    if (revoked_.contains(" " + id)) return true;
    for (std::size_t i = 0; i <= j; ++i)
      if (revoked_.contains(paths[i] + " " + id)) return true;
  }
  return false;
}

Status IdentityStore::note_use(const Principal& principal, Timestamp now) {
  const std::vector<std::string> paths = prefixes(principal.path);
  const std::size_t skip = paths.size() - principal.restrictions.size();
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const auto found = uses_.find(paths[i]);
    if (found != uses_.end()) {
      found->second.last_at = now;
      found->second.changed = true;
      continue;
    }
    const auto begin = uses_.lower_bound(paths.front());
    const auto end = uses_.lower_bound(paths.front() + "0");  // '0' follows '/'
    if (uses_.size() >= max_uses ||
        std::distance(begin, end) >= static_cast<std::ptrdiff_t>(max_uses_of_root))
      return fail(Errc::rate_limited,
                  fmt::format("too many narrowings of the token {} are in use", paths.front()),
                  "use the ones that were made, or ask for another token");
    Use use{.first_at = now, .last_at = now, .changed = true};
    if (i >= skip) use.restriction = principal.restrictions[i - skip];
    uses_.emplace(paths[i], std::move(use));
  }
  return {};
}

Status IdentityStore::authorize(const Principal& principal, Permission permission,
                                std::string_view project, std::string_view environment) {
  SLIPWAY_CHECK(permits(principal, permission, project, environment));
  if (principal.team.empty() || project.empty() || permission == Permission::none) return {};
  SLIPWAY_TRY(const std::optional<std::string> team, team_of(project));
  // A project that nobody has is made in the team of whoever deploys to it first.
  if (!team || *team == principal.team) return {};
  return fail({.code = Errc::permission_denied,
               .message = fmt::format("the project {} is not one of the team {}",
                                      sanitize_line(project), principal.team),
               .hint = "ask an admin of the whole server to move it: slipway team add-project",
               .cause = "not_permitted"});
}

Result<std::optional<std::string>> IdentityStore::team_of(std::string_view project) {
  const std::string name(project);
  {
    const std::scoped_lock lock(mutex_);
    if (const auto found = project_teams_.find(name); found != project_teams_.end())
      return found->second;
  }
  auto session = database_.read();
  SLIPWAY_TRY(Statement query, session.prepare("SELECT team FROM project WHERE name=?"));
  SLIPWAY_TRY(const bool row, query.bind(1, name).step());
  if (!row) return std::nullopt;
  std::string team = query.text(0);
  const std::scoped_lock lock(mutex_);
  if (project_teams_.size() > 100'000) project_teams_.clear();
  project_teams_[name] = team;
  return team;
}

Status IdentityStore::take_deploy(const Principal& principal) { return take(principal, 1, 0); }

void IdentityStore::give_deploy_back(const Principal& principal) {
  if (Status given = take(principal, -1, 0); !given)
    log_error("a deployment that was not made stays counted",
              {{"token", principal.path}, {"error", given.error().message}});
}

Status IdentityStore::take_money(const Principal& principal, std::int64_t amount) {
  return take(principal, 0, amount);
}

// First in memory, so that two requests never take the same; then in the database.
Status IdentityStore::take(const Principal& principal, std::int64_t deploys, std::int64_t money) {
  const std::vector<std::string> paths = prefixes(principal.path);
  const std::size_t skip = paths.size() - principal.restrictions.size();
  std::vector<std::string> counted;
  for (std::size_t i = 0; i < principal.restrictions.size(); ++i)
    if (principal.restrictions[i].deploys || principal.restrictions[i].money_micros)
      counted.push_back(paths[i + skip]);
  if (counted.empty()) return {};
  std::vector<std::pair<std::string, Use>> written;
  {
    const std::scoped_lock lock(mutex_);
    SLIPWAY_CHECK(note_use(principal, clock_.now()));
    for (std::size_t i = 0; i < principal.restrictions.size(); ++i) {
      const Restriction& limit = principal.restrictions[i];
      const Use& use = uses_.at(paths[i + skip]);
      if (deploys > 0 && limit.deploys && use.deploys + deploys > *limit.deploys)
        return fail(Errc::over_budget,
                    fmt::format("the token {} was good for {} deployments, and all are used up",
                                limit.id, *limit.deploys),
                    "ask whoever narrowed it for another");
      if (money > 0 && limit.money_micros && money > *limit.money_micros - use.money_micros)
        return fail(Errc::over_budget,
                    fmt::format("the token {} has {} micro-units of money left, and this takes {}",
                                limit.id, *limit.money_micros - use.money_micros, money),
                    "ask whoever narrowed it for another");
    }
    for (const std::string& path : counted) {
      Use& use = uses_.at(path);
      use.deploys += deploys;
      use.money_micros += money;
      Use change = use;
      change.deploys = deploys;
      change.money_micros = money;
      written.emplace_back(path, std::move(change));
    }
  }
  const Status stored = database_.transaction(
      [&](Database::Transaction& session) -> Status { return write_uses(session, written); });
  if (stored) return {};
  const std::scoped_lock lock(mutex_);
  for (const std::string& path : counted) {
    uses_.at(path).deploys -= deploys;
    uses_.at(path).money_micros -= money;
  }
  return stored;
}

// The counts of `uses` are added to what is there.
Status IdentityStore::write_uses(Database::Transaction& session,
                                 const std::vector<std::pair<std::string, Use>>& uses) {
  for (const auto& [path, use] : uses) {
    std::string restriction;
    if (!use.restriction.id.empty()) {
      SLIPWAY_TRY(restriction, to_text(use.restriction));
    }
    SLIPWAY_TRY(Statement write,
                session.prepare("INSERT INTO token_use(path,restriction,first_at,last_at,deploys,"
                                "money) VALUES(?,?,?,?,?,?) ON CONFLICT(path) DO UPDATE SET"
                                " last_at=max(last_at,excluded.last_at),"
                                " deploys=deploys+excluded.deploys, money=money+excluded.money"));
    write.bind(1, path).bind(2, restriction).bind(3, micros(use.first_at));
    write.bind(4, micros(use.last_at)).bind(5, use.deploys).bind(6, use.money_micros);
    SLIPWAY_CHECK(write.run());
  }
  return {};
}

void IdentityStore::flush() {
  std::vector<std::pair<std::string, Use>> changed;
  std::vector<std::string> forgotten;
  const Timestamp now = clock_.now();
  {
    const std::scoped_lock lock(mutex_);
    for (auto it = uses_.begin(); it != uses_.end();) {
      auto& [path, use] = *it;
      // What expired a week ago cannot come back.
      if (path.contains('/') && use.restriction.expires_at &&
          *use.restriction.expires_at + std::chrono::days{7} < now) {
        forgotten.push_back(path);
        it = uses_.erase(it);
        continue;
      }
      if (use.changed) {
        Use times = use;
        times.deploys = times.money_micros = 0;
        changed.emplace_back(path, std::move(times));
        use.changed = false;
      }
      ++it;
    }
  }
  if (changed.empty() && forgotten.empty()) return;
  const Status stored = database_.transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_CHECK(write_uses(session, changed));
    for (const std::string& path : forgotten) {
      SLIPWAY_TRY(Statement drop, session.prepare("DELETE FROM token_use WHERE path=?"));
      SLIPWAY_CHECK(drop.bind(1, path).run());
    }
    return {};
  });
  if (!stored)
    log_error("when tokens were last used was not written", {{"error", stored.error().message}});
}

}  // namespace slipway
