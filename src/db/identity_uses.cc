// What is remembered of tokens in use: when, and how much of their budgets is gone.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/mutex.h"
#include "base/text.h"
#include "db/identity_store.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

constexpr Duration flush_interval = 1min;

std::int64_t micros(Timestamp time) { return time.time_since_epoch().count(); }

}  // namespace

// A first use is written at once: a token that a killed server forgot would survive the end of the
// agent that holds it.
void IdentityStore::note_use(const Principal& principal) {
  const Timestamp now = clock_.now();
  bool due = false;
  std::vector<std::pair<std::string, Use>> first;
  {
    const MutexLock lock(mutex_);
    std::ignore = remember(principal, now);
    for (const std::string& path : std::exchange(unwritten_, {})) {
      const auto use = uses_.find(path);
      if (use == uses_.end()) continue;
      first.emplace_back(path, use->second);
      // What is used up is written by who took it.
      first.back().second.deploys = first.back().second.money_micros = 0;
    }
    due = now - flushed_at_ >= flush_interval;
    if (due) flushed_at_ = now;
  }
  if (!first.empty()) {
    const Status stored = database_.transaction(
        [&](Database::Transaction& session) -> Status { return write_uses(session, first); });
    // It is `changed` still: the next flush tries again.
    if (!stored)
      log_error("the first use of a token was not written", {{"error", stored.error().message}});
  }
  if (due) flush();
}

Status IdentityStore::remember(const Principal& principal, Timestamp now,
                               const std::vector<std::string>& wanted) {
  const std::vector<std::string> paths = path_prefixes(principal.path);
  const std::size_t skip = paths.size() - principal.restrictions.size();
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const std::string& path = paths[i];
    const auto found = uses_.find(path);
    if (found != uses_.end()) {
      found->second.last_at = now;
      found->second.changed = true;
      continue;
    }
    if (!make_room_for(path, now)) {
      if (std::ranges::find(wanted, path) == wanted.end()) continue;
      return fail(Errc::over_budget,
                  fmt::format("too many narrowings of the token {} have used some of what they may",
                              paths.front()),
                  "use the ones that were made, or revoke the agent that made so many");
    }
    Use use{.first_at = now, .last_at = now, .changed = true};
    if (i >= skip) use.restriction = principal.restrictions[i - skip];
    uses_.emplace(path, std::move(use));
    unwritten_.push_back(path);
    forgotten_.erase(path);
    if (const std::string_view parent = parent_path(path); !parent.empty()) use_quota_.add(parent);
  }
  return {};
}

// Forgets, where there is no room, the one used longest ago of those that share it; never one whose
// budget is partly gone while it works.
bool IdentityStore::make_room_for(std::string_view path, Timestamp now) {
  const std::string_view parent = parent_path(path);
  if (parent.empty()) return true;  // Roots are limited where they are made.
  const std::string root(path.substr(0, path.find('/')));
  for (;;) {
    std::optional<PathQuota::Full> full = use_quota_.full(parent);
    if (!full && uses_.size() >= limits_.all_uses)
      full = PathQuota::Full{root, PathQuota::Full::Room::below};
    if (!full) return true;
    const bool own = full->room == PathQuota::Full::Room::own;
    const auto end = uses_.lower_bound(full->path + "0");  // '0' follows '/'
    auto oldest = uses_.end();
    for (const bool dead : {false, true}) {
      for (auto it = uses_.lower_bound(full->path + "/"); it != end; ++it) {
        const Use& use = it->second;
        // Not what it came from: that is in use as well.
        if (own != (parent_path(it->first) == full->path) || is_within(path, it->first)) continue;
        const bool unspent = use.deploys == 0 && use.money_micros == 0;
        if (!(dead ? !works(it->first, use, now) : unspent)) continue;
        if (oldest == uses_.end() || use.last_at < oldest->second.last_at) oldest = it;
      }
      if (oldest != uses_.end()) break;
    }
    if (oldest == uses_.end()) return false;
    forget(oldest, now);
  }
}

bool IdentityStore::works(const std::string& path, const Use& use, Timestamp now) const {
  const auto& ends = use.restriction.expires_at;
  return (!ends || *ends > now) && !is_revoked(path_prefixes(path));
}

void IdentityStore::forget(std::map<std::string, Use>::iterator use, Timestamp now) {
  if (const std::string_view parent = parent_path(use->first); !parent.empty())
    use_quota_.remove(parent);
  forgotten_[use->first] = !works(use->first, use->second, now);
  uses_.erase(use);
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
  const std::vector<std::string> paths = path_prefixes(principal.path);
  const std::size_t skip = paths.size() - principal.restrictions.size();
  std::vector<std::string> counted;
  for (std::size_t i = 0; i < principal.restrictions.size(); ++i)
    if (principal.restrictions[i].deploys || principal.restrictions[i].money_micros)
      counted.push_back(paths[i + skip]);
  if (counted.empty()) return {};
  std::vector<std::pair<std::string, Use>> written;
  {
    const MutexLock lock(mutex_);
    SLIPWAY_CHECK(remember(principal, clock_.now(), counted));
    for (std::size_t i = 0; i < principal.restrictions.size(); ++i) {
      const Restriction& limit = principal.restrictions[i];
      if (!limit.deploys && !limit.money_micros) continue;
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
  const MutexLock lock(mutex_);
  for (const std::string& path : counted) {
    const auto use = uses_.find(path);
    if (use == uses_.end()) continue;
    use->second.deploys -= deploys;
    use->second.money_micros -= money;
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
  std::map<std::string, bool> forgotten;
  const Timestamp now = clock_.now();
  {
    const MutexLock lock(mutex_);
    for (auto it = uses_.begin(); it != uses_.end();) {
      auto& [path, use] = *it;
      // What expired a week ago cannot come back.
      if (path.contains('/') && use.restriction.expires_at &&
          *use.restriction.expires_at + std::chrono::days{7} < now) {
        forget(it++, now);
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
    forgotten.swap(forgotten_);
  }
  if (changed.empty() && forgotten.empty()) return;
  const Status stored = database_.transaction([&](Database::Transaction& session) -> Status {
    for (const auto& [path, ended] : forgotten) {
      // One that works may have used something up again meanwhile.
      SLIPWAY_TRY(Statement drop, session.prepare("DELETE FROM token_use WHERE path=?1 AND"
                                                  " (?2 OR (deploys=0 AND money=0))"));
      SLIPWAY_CHECK(drop.bind(1, path).bind(2, std::int64_t{ended ? 1 : 0}).run());
    }
    return write_uses(session, changed);
  });
  if (!stored)
    log_error("when tokens were last used was not written", {{"error", stored.error().message}});
}

}  // namespace slipway
