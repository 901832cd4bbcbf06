// The end of tokens and agents. What people who manage teams do here is never refused for what
// others have made, and what a holder may do is limited by its own token and those it came from.
#include <algorithm>

#include "base/mutex.h"
#include "base/text.h"
#include "db/identity_store.h"
#include "db/urgent.h"

namespace slipway {
namespace {

std::int64_t micros(Timestamp time) { return time.time_since_epoch().count(); }

std::unexpected<Error> not_yours(std::string_view id) {
  return fail({.code = Errc::permission_denied,
               .message = fmt::format("the token {} is not yours", id),
               .hint = "its owner can revoke it, or an admin of the team",
               .cause = "not_permitted"});
}

// Ids are random, so two tokens share one only where a holder made it so.
std::unexpected<Error> several_have(std::string_view id, const std::vector<std::string>& paths) {
  Error error{.code = Errc::conflict,
              .message = fmt::format("{} tokens are called {}", paths.size(), id),
              .hint = "say which by its path: slipway token ls --json"};
  constexpr std::size_t most_named = 8;
  for (std::size_t i = 0; i < std::min(paths.size(), most_named); ++i)
    error.next.push_back({"slipway token revoke " + paths[i], "for that one"});
  return fail(std::move(error));
}

}  // namespace

bool IdentityStore::is_revoked(const std::vector<std::string>& paths) const {
  for (std::size_t j = 0; j < paths.size(); ++j) {
    const std::string id(last_id(paths[j]));
    if (revoked_.contains(" " + id)) return true;
    for (std::size_t i = 0; i <= j; ++i)
      if (revoked_.contains(paths[i] + " " + id)) return true;
  }
  return false;
}

bool IdentityStore::was_revoked(const Actor& actor) {
  const MutexLock lock(mutex_);
  if (!actor.path.empty()) {
    const std::vector<std::string> paths = path_prefixes(actor.path);
    const bool gone = paths.front() != local_token_id && !roots_.contains(paths.front());
    return gone || is_revoked(paths);
  }
  bool seen = false;
  for (const auto& [path, use] : uses_) {
    if (last_id(path) != actor.token) continue;
    // A holder can give its own narrowing the id of another's.
    if (!is_revoked(path_prefixes(path))) return false;
    seen = true;
  }
  return seen || is_revoked({actor.token});
}

Result<IdentityStore::Planned> IdentityStore::plan_revocation(const Principal& principal,
                                                              std::string_view which) {
  const std::string_view id = last_id(which);
  const bool one_path = which.contains('/');
  const bool manages = permits(principal, Permission::team_manage).has_value();
  const auto managed = [&](const std::string& team) {
    return manages && (principal.team.empty() || principal.team == team);
  };
  const auto team_of_path = [&](std::string_view path) SLIPWAY_REQUIRES(mutex_) {
    const auto root = roots_.find(std::string(path.substr(0, path.find('/'))));
    return root == roots_.end() ? std::string(server_team) : root->second.team;
  };
  Planned out;
  if (const auto root = roots_.find(std::string(which)); root != roots_.end()) {
    out.known = true;
    out.team = root->second.team;
    const bool same_person =
        !principal.is_agent() && !principal.path.contains('/') &&
        principal.actor.name == person_name(root->second.team, root->second.member);
    if (id != principal.path && !managed(out.team) && !same_person) return not_yours(id);
    // Roots are limited where they are made.
    out.revocations.push_back({std::string(id), std::string(id), std::string(id)});
    return out;
  }
  const auto add = [&](std::string within, std::string covers) {
    out.revocations.push_back({std::move(within), std::string(id), std::move(covers)});
  };
  bool limited = false;
  std::vector<std::string> of_others;
  const auto add_path = [&](const std::string& path) SLIPWAY_REQUIRES(mutex_) {
    const std::string team = team_of_path(path);
    if (managed(team)) {
      of_others.push_back(path);
      add(path, path);
    } else if (is_within(path, principal.path)) {
      add(path == principal.path ? path : principal.path, path);
      limited = limited || path != principal.path;
    } else {
      return;
    }
    out.team = team;
  };
  if (one_path) {
    out.known = uses_.contains(std::string(which));
    add_path(std::string(which));
    if (out.revocations.empty()) return not_yours(which);
  } else {
    for (const auto& [path, use] : uses_) {
      if (last_id(path) != id) continue;
      out.known = true;
      add_path(path);
    }
  }
  if (of_others.size() > 1) return several_have(id, of_others);
  if (out.revocations.empty()) {
    const auto above = split(parent_path(principal.path), '/');
    if (std::ranges::find(above, id) != above.end()) return not_yours(id);
    const bool everywhere = manages && principal.team.empty() && principal.restrictions.size() <= 1;
    const bool itself = id == last_id(principal.path);
    add(everywhere ? std::string() : principal.path,
        everywhere ? std::string()
        : itself   ? principal.path
                   : fmt::format("{}/{}", principal.path, id));
    limited = !everywhere && !itself;
  }
  if (limited && !revoked_.contains(fmt::format("{} {}", principal.path, id)) &&
      (revoked_.size() >= limits_.all_revocations || revocation_quota_.full(principal.path)))
    return fail(Errc::over_budget, "this token has revoked as many as are remembered of it",
                fmt::format("revoke what they came from: slipway token revoke {}",
                            last_id(principal.path)));
  return out;
}

// What is dead needs no word of its own on what came of it.
void IdentityStore::remember(const std::vector<Revocation>& revocations) {
  for (const auto& [within, id, covers] : revocations) {
    const std::string entry = fmt::format("{} {}", within, id);
    if (revoked_.insert(entry).second && !within.empty()) revocation_quota_.add(within);
    if (covers.empty()) continue;
    for (const auto& [begin, end] : {std::pair("/", "0"), std::pair(" ", "!")}) {
      auto it = revoked_.lower_bound(covers + begin);
      while (it != revoked_.end() && *it < covers + end) {
        if (*it == entry) {
          ++it;
          continue;
        }
        revocation_quota_.remove(it->substr(0, it->find(' ')));
        it = revoked_.erase(it);
      }
    }
  }
}

void IdentityStore::forget_root(const std::string& id) {
  roots_.erase(id);
  for (const auto& [begin, end] : {std::pair("/", "0"), std::pair(" ", "!")})
    for (auto it = revoked_.lower_bound(id + begin); it != revoked_.end() && *it < id + end;) {
      revocation_quota_.remove(it->substr(0, it->find(' ')));
      it = revoked_.erase(it);
    }
  uses_.erase(id);
  for (auto it = uses_.lower_bound(id + "/"); it != uses_.end() && it->first < id + "0";) {
    use_quota_.remove(parent_path(it->first));
    it = uses_.erase(it);
  }
}

Status IdentityStore::write(Database::Transaction& session,
                            const std::vector<Revocation>& revocations) {
  for (const auto& [within, id, covers] : revocations) {
    SLIPWAY_TRY(Statement insert,
                session.prepare("INSERT OR IGNORE INTO token_revocation(within,id,at)"
                                " VALUES(?,?,?)"));
    SLIPWAY_CHECK(insert.bind(1, within).bind(2, id).bind(3, micros(clock_.now())).run());
    if (covers.empty()) continue;
    SLIPWAY_TRY(Statement prune,
                session.prepare("DELETE FROM token_revocation WHERE ((within>=?1||'/' AND"
                                " within<?1||'0') OR within=?1) AND NOT (within=?2 AND id=?3)"));
    SLIPWAY_CHECK(prune.bind(1, covers).bind(2, within).bind(3, id).run());
  }
  return {};
}

Result<bool> IdentityStore::revoke(const AuditContext& by, const Principal& principal,
                                   std::string_view which) {
  const Urgent urgent;
  const std::vector<std::string_view> ids = split(which, '/');
  if (which == local_token_id)
    return fail(Errc::failed_precondition, "the server's own token cannot be revoked here",
                "stop the server, delete the file `token` in its data directory, start it again");
  const bool well_formed = std::ranges::all_of(ids, [](std::string_view id) {
    return id == local_token_id || TokenId::parse(id).has_value();
  });
  if (!well_formed || ids.size() > max_narrowings + 1 || ids.back() == local_token_id)
    return fail(Errc::invalid_argument,
                fmt::format("'{}' is not a token's id", sanitize_line(which)),
                "see `slipway token ls`");
  Planned planned;
  {
    const MutexLock lock(mutex_);
    SLIPWAY_TRY(planned, plan_revocation(principal, which));
  }
  SLIPWAY_CHECK(database_.transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_CHECK(write(session, planned.revocations));
    return audit_.append(session, {.event = "token.revoked",
                                   .action = "token_revoke",
                                   .by = by,
                                   .resource = fmt::format("token/{}", ids.back()),
                                   .team = planned.team,
                                   .detail = {{"within", planned.revocations.front().within}}});
  }));
  const MutexLock lock(mutex_);
  remember(planned.revocations);
  return planned.known;
}

Status IdentityStore::kill_agent(const AuditContext& by, std::string_view name) {
  const Urgent urgent;
  const std::string_view team = team_of_name(name),
                         bare = team == server_team ? name : name.substr(team.size() + 1);
  if (!is_agent_name(bare))
    return fail(Errc::invalid_argument,
                fmt::format("'{}' cannot name an agent", sanitize_line(name)),
                "use 1 to 40 letters, digits, '.', '_' or '-'");
  const Timestamp now = clock_.now();
  // Where it was given a token: what came before that goes on, what came of that is dead with it.
  std::vector<Revocation> revocations;
  {
    const MutexLock lock(mutex_);
    const auto in_team = [&](std::string_view path) SLIPWAY_REQUIRES(mutex_) {
      const auto root = roots_.find(std::string(path.substr(0, path.find('/'))));
      return (root == roots_.end() ? server_team : std::string_view(root->second.team)) == team;
    };
    for (const auto& [path, use] : uses_)
      if (use.restriction.agent == bare && in_team(path) &&
          (revocations.empty() || !is_within(path, revocations.back().within)))
        revocations.push_back({path, std::string(last_id(path)), path});
    for (const auto& [id, root] : roots_)
      if (root.restriction.agent == bare && root.team == team && !uses_.contains(id))
        revocations.push_back({id, id, id});
    if (by.actor.kind == "agent" &&
        (revocations.empty() ||
         (killed_.size() >= limits_.killed_by_agents && !killed_.contains(name))))
      return fail({.code = Errc::permission_denied,
                   .message = fmt::format("no agent {} has been seen", sanitize_line(name)),
                   .hint = "people can refuse a name before it is used; agents end what is there",
                   .cause = "not_permitted"});
  }
  SLIPWAY_CHECK(database_.transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(Statement kill,
                session.prepare("INSERT OR REPLACE INTO agent_kill(name,at) VALUES(?,?)"));
    SLIPWAY_CHECK(kill.bind(1, name).bind(2, micros(now)).run());
    SLIPWAY_CHECK(write(session, revocations));
    return audit_.append(session,
                         {.event = "agent.killed",
                          .action = "kill_agent",
                          .by = by,
                          .resource = fmt::format("agent/{}", name),
                          .detail = {{"tokens_revoked", std::to_string(revocations.size())}}});
  }));
  const MutexLock lock(mutex_);
  killed_[std::string(name)] = now;
  remember(revocations);
  return {};
}

Status IdentityStore::revive_agent(const AuditContext& by, std::string_view name) {
  SLIPWAY_CHECK(database_.transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(Statement revive,
                session.prepare("DELETE FROM agent_kill WHERE name=? RETURNING name"));
    SLIPWAY_TRY(const bool was, revive.bind(1, name).step());
    if (!was)
      return fail(Errc::not_found, fmt::format("no agent '{}' was killed", sanitize_line(name)),
                  "see `slipway agent ls`");
    SLIPWAY_TRY([[maybe_unused]] const bool more, revive.step());
    return audit_.append(session, {.event = "agent.revived",
                                   .action = "kill_agent",
                                   .by = by,
                                   .resource = fmt::format("agent/{}", name)});
  }));
  const MutexLock lock(mutex_);
  if (const auto found = killed_.find(name); found != killed_.end()) killed_.erase(found);
  return {};
}

}  // namespace slipway
