#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "base/result.h"
#include "db/audit_store.h"
#include "db/database.h"
#include "identity/path_quota.h"
#include "identity/principal.h"
#include "identity/token.h"

namespace slipway {

// What the server's tokens are checked with. Both lie in files of the data directory (0600), never
// in the database.
struct IdentitySecrets {
  TokenKey key;
  std::string local_token;  // of the person who runs the server: admin, every team
};

struct Team {
  std::string name;
  Timestamp created_at{};
};

struct Member {
  std::string team, name;
  Role role = Role::viewer;
  Timestamp created_at{};
};

// What is known of a token: one that was made here, or a narrowing that was seen in use.
struct TokenRecord {
  std::string path;  // "tok_root/tok_narrowing"
  std::string team, member;
  Restriction restriction;  // the last one's
  Timestamp created_at{};   // or first seen
  std::string created_by;   // "" for what was narrowed offline
  std::optional<Timestamp> last_used_at;
  std::int64_t deploys = 0, money_micros = 0;  // used up
  bool revoked = false;                        // itself, or what it came from
};

// How much is remembered of tokens. What a holder makes of a token is limited by that token and
// those it came from (PathQuota); what people who manage teams do is not, so that nobody can make
// them fail.
struct IdentityLimits {
  PathQuota::Limits uses, revocations;
  std::size_t all_uses = 100'000, all_revocations = 200'000;  // by everybody who is limited
  std::size_t killed_by_agents = 10'000;                      // names that they had killed
};

// Teams, members, tokens and what tokens have used up. Everything that a request is checked against
// is kept in memory as well, so that authentication reads no database; each change is durable,
// audited in the same transaction and in force for the next request when the call returns. When a
// token was last used is written once a minute and at the end. Thread-safe. What it is given must
// outlive it.
class IdentityStore {
 public:
  [[nodiscard]] static Result<std::unique_ptr<IdentityStore>> open(Database& database,
                                                                   AuditStore& audit,
                                                                   const Clock& clock,
                                                                   IdentitySecrets secrets,
                                                                   IdentityLimits limits = {});
  ~IdentityStore();
  IdentityStore(const IdentityStore&) = delete;
  IdentityStore& operator=(const IdentityStore&) = delete;

  // -- requests
  // Who holds this token. Errors: unauthenticated, in one wording for every token that is not ours;
  // one that was expires, is revoked or whose agent was killed is told so. Remembers nothing.
  [[nodiscard]] Result<Principal> authenticate(std::string_view token_text);
  // Remembers that the token is in use, for the lists; after the speed limits. Where there is no
  // room the one used longest ago is forgotten; what has used up some of a budget never is.
  void note_use(const Principal& principal);
  // permits(), and the project is one of the principal's team. One that does not exist is nobody's:
  // only the server's own team may speak of it.
  [[nodiscard]] Status authorize(const Principal& principal, Permission permission,
                                 std::string_view project, std::string_view environment);

  // The same, where the project is made when it is not there yet: claim_project() before anything
  // is written down for it.
  [[nodiscard]] Status authorize_new(const Principal& principal, Permission permission,
                                     std::string_view project, std::string_view environment);

  // -- limits over a token's whole life
  // Counts one deployment for the token and everything it came from; durable. Errors: over_budget.
  [[nodiscard]] Status take_deploy(const Principal& principal);
  // It did not come to be.
  void give_deploy_back(const Principal& principal);
  // Counts money, in micro-units; negative gives it back. Errors: over_budget, and then nothing was
  // counted.
  [[nodiscard]] Status take_money(const Principal& principal, std::int64_t micros);

  // -- tokens
  struct NewToken {
    std::string team, member;
    Restriction restriction;  // its id is made here
  };
  // The text is shown once and kept nowhere. Errors: not_found when there is no such member.
  struct MadeToken {
    std::string text;
    TokenRecord record;
  };
  [[nodiscard]] Result<MadeToken> create_token(const AuditContext& by, const NewToken& wanted);
  // A narrower one than `holder_text`, which is the token of who asks.
  [[nodiscard]] Result<MadeToken> narrow_token(const AuditContext& by, std::string_view holder_text,
                                               Restriction restriction);
  // Those that `principal` may see: with team_manage the team's (or all), else what came of its
  // own.
  [[nodiscard]] std::vector<TokenRecord> tokens(const Principal& principal);
  // The token `id` and all that came of it are dead when this returns. Without team_manage: one's
  // own, what was narrowed from it, and other tokens of the same person. An id that was never seen
  // may have been made offline. `which` is an id, or a path ("tok_a/tok_b") where several have that
  // id. Returns whether it is known. Errors: not_found, permission_denied; conflict with the paths
  // when several that the principal manages have the id; over_budget when a holder has revoked more
  // of its own than is remembered, never for who manages teams.
  [[nodiscard]] Result<bool> revoke(const AuditContext& by, const Principal& principal,
                                    std::string_view which);
  // Whether the token that an actor asked with is dead: itself or what it came from was revoked, or
  // went with its member. Of an actor in an old record, which names no path: whether every token of
  // that id that is remembered is.
  [[nodiscard]] bool was_revoked(const Actor& actor);

  // -- agents, by the names that person_name() makes: those of two teams have nothing in common
  // Revokes every token that this agent holds and refuses its name until it is revived. People are
  // never refused; an agent is for names that nobody has seen.
  [[nodiscard]] Status kill_agent(const AuditContext& by, std::string_view name);
  [[nodiscard]] Status revive_agent(const AuditContext& by, std::string_view name);
  struct Agent {
    std::string name, team, on_behalf_of;
    std::optional<Timestamp> last_used_at, killed_at;
    std::size_t tokens = 0;  // that work
  };
  [[nodiscard]] std::vector<Agent> agents();

  // -- teams. "default" is always there; its members reach the projects of every team.
  [[nodiscard]] Status create_team(const AuditContext& by, std::string_view name);
  [[nodiscard]] Result<std::vector<Team>> teams();
  [[nodiscard]] std::vector<Member> members(std::string_view team);
  // Adds the member or changes the role. Errors: not_found for the team.
  [[nodiscard]] Status set_member(const AuditContext& by, std::string_view team,
                                  std::string_view name, Role role);
  // Their tokens stop working.
  [[nodiscard]] Status remove_member(const AuditContext& by, std::string_view team,
                                     std::string_view name);
  // Makes the project in the team, or moves it there.
  [[nodiscard]] Status give_project(const AuditContext& by, std::string_view team,
                                    std::string_view project);
  // Makes the project in the principal's team unless it exists; whether it did. Every handler whose
  // change may be the first about a project calls it. Errors: permission_denied when it is another
  // team's.
  [[nodiscard]] Result<bool> claim_project(const AuditContext& by, const Principal& principal,
                                           Permission permission, std::string_view project);

  // Writes down when tokens were last used. authenticate() does it now and then.
  void flush();

 private:
  struct Root {
    std::string team, member, created_by;
    Restriction restriction;
    Timestamp created_at{};
  };
  struct Use {
    Restriction restriction;
    Timestamp first_at{}, last_at{};
    std::int64_t deploys = 0, money_micros = 0;
    bool changed = false;  // since it was written
  };

  IdentityStore(Database& database, AuditStore& audit, const Clock& clock, IdentitySecrets secrets,
                IdentityLimits limits);
  [[nodiscard]] Status load();
  [[nodiscard]] Result<Principal> holder(const Token& token) SLIPWAY_REQUIRES(mutex_);
  [[nodiscard]] bool is_revoked(const std::vector<std::string>& paths) const
      SLIPWAY_REQUIRES(mutex_);
  // `wanted`: the paths that must be there then. Errors: over_budget.
  [[nodiscard]] Status remember(const Principal& principal, Timestamp now,
                                const std::vector<std::string>& wanted = {})
      SLIPWAY_REQUIRES(mutex_);
  [[nodiscard]] bool make_room_for(std::string_view path, Timestamp now) SLIPWAY_REQUIRES(mutex_);
  [[nodiscard]] bool works(const std::string& path, const Use& use, Timestamp now) const
      SLIPWAY_REQUIRES(mutex_);
  void forget(std::map<std::string, Use>::iterator use, Timestamp now) SLIPWAY_REQUIRES(mutex_);
  [[nodiscard]] TokenRecord record_of(const std::string& path, const Use& use) const
      SLIPWAY_REQUIRES(mutex_);
  struct Revocation {
    std::string within, id;  // what begins with `within` and has `id` in it; within "": everything
    std::string covers;      // the path that is dead with it, and all below it
  };
  // What revoking an id or a path takes. Errors: permission_denied, conflict, over_budget.
  struct Planned {
    std::vector<Revocation> revocations;
    std::string team;
    bool known = false;
  };
  [[nodiscard]] Result<Planned> plan_revocation(const Principal& principal, std::string_view which)
      SLIPWAY_REQUIRES(mutex_);
  // After the database has them: also what they leave nothing of.
  void remember(const std::vector<Revocation>& revocations) SLIPWAY_REQUIRES(mutex_);
  void forget_root(const std::string& id) SLIPWAY_REQUIRES(mutex_);

  [[nodiscard]] Status take(const Principal& principal, std::int64_t deploys, std::int64_t money);
  [[nodiscard]] Result<std::optional<std::string>> team_of(std::string_view project);
  [[nodiscard]] Status write(Database::Transaction& session,
                             const std::vector<Revocation>& revocations);
  [[nodiscard]] Status write_uses(Database::Transaction& session,
                                  const std::vector<std::pair<std::string, Use>>& uses);

  Database& database_;
  AuditStore& audit_;
  const Clock& clock_;
  const IdentitySecrets secrets_;
  const IdentityLimits limits_;

  Mutex mutex_;  // never held while the database is written
  std::map<std::pair<std::string, std::string>, Member> members_
      SLIPWAY_GUARDED_BY(mutex_);  // by team and name
  std::unordered_map<std::string, Root> roots_ SLIPWAY_GUARDED_BY(mutex_);
  std::map<std::string, Use> uses_ SLIPWAY_GUARDED_BY(mutex_);  // by path, the roots' among them
  PathQuota use_quota_
      SLIPWAY_GUARDED_BY(mutex_);  // of uses_ without roots, by the token that each came from
  // Used for the first time, and not written yet: one request's or two.
  std::vector<std::string> unwritten_ SLIPWAY_GUARDED_BY(mutex_);
  // Uses that the database may still have, and whether for their end: only those may go although
  // something of their budget is used up.
  std::map<std::string, bool> forgotten_ SLIPWAY_GUARDED_BY(mutex_);
  std::set<std::string, std::less<>> revoked_ SLIPWAY_GUARDED_BY(mutex_);  // "<within> <id>"
  PathQuota revocation_quota_ SLIPWAY_GUARDED_BY(mutex_);  // of revoked_, by `within`
  std::map<std::string, Timestamp, std::less<>> killed_ SLIPWAY_GUARDED_BY(mutex_);
  std::unordered_map<std::string, std::string> project_teams_ SLIPWAY_GUARDED_BY(mutex_);
  Timestamp flushed_at_ SLIPWAY_GUARDED_BY(mutex_){};
};

}  // namespace slipway
