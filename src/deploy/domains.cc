#include "deploy/domains.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/ids.h"
#include "base/log.h"
#include "base/text.h"
#include "model/environment.h"
#include "model/environment_class.h"

namespace slipway {

using namespace std::chrono_literals;

namespace {

constexpr Duration look_interval = 1min;

// What there is instead of the proof, for people.
std::string what_was_found(const std::vector<std::string>& texts) {
  if (texts.empty()) return "there is no such record";
  return fmt::format("the record says \"{}\"", sanitize_line(texts.front().substr(0, 100)));
}

}  // namespace

Status Domains::check_claim(std::string_view name) const {
  const std::string& own = parts_.names.domain();
  if (is_at_or_below(name, own))
    return fail(Errc::invalid_argument,
                fmt::format("{} is a name of this server's own domain, {}", name, own),
                "those are given by names of projects and environments");
  // Names that never mean one owner's machine.
  for (const std::string_view reserved : {"localhost", "local", "internal", "arpa", "onion"})
    if (is_at_or_below(name, reserved))
      return fail(Errc::invalid_argument,
                  fmt::format("nobody can own {}: .{} is for other uses", name, reserved));
  return {};
}

Result<Domain> Domains::add(const AuditContext& by, std::string_view project,
                            std::string_view environment, std::string_view text) {
  SLIPWAY_TRY(std::string name, domain_name(text));
  SLIPWAY_CHECK(check_environment_name(environment));
  if (environment == preview_environment)
    return fail(Errc::invalid_argument, "a domain leads to an environment that lasts",
                "production, staging or one of your own; previews have names of their own");
  SLIPWAY_CHECK(check_claim(name));
  SLIPWAY_TRY(const std::vector<Domain> known, parts_.store.list(project));
  if (known.size() >= max_per_project)
    return fail(Errc::over_budget, fmt::format("{} has {} domains already", project, known.size()),
                "remove one first");
  SLIPWAY_TRY(const std::optional<Domain> owner, parts_.store.owner(name));
  if (owner && owner->project != project)
    return fail(Errc::conflict, fmt::format("{} belongs to another project here", name),
                "its owner removes it there first");
  const Domain claim{.name = std::move(name),
                     .project = std::string(project),
                     .environment = std::string(environment),
                     .token = "slipway-" + random_secret().substr(0, 40),
                     .actor = by.actor,
                     .created_at = parts_.clock.now()};
  SLIPWAY_CHECK(parts_.store.add(by, claim));
  return claim;
}

namespace {

ChangeDigest change_of(const AuditContext& by, const Domain& claim, std::string_view change) {
  return ChangeDigest(by.actor, "domain")
      .add("name", claim.name)
      .add("project", claim.project)
      .add("environment", claim.environment)
      .add("change", change);
}

}  // namespace

Asked Domains::asked_about(const AuditContext& by, const Domain& domain,
                           std::string_view change) const {
  return {.point = DecisionPoint::domain,
          .by = by,
          .project = domain.project,
          .environment = std::string(environment_class(domain.environment)),
          .resource = "domain/" + domain.name,
          .action = "promote",
          .more = [&domain, change = std::string(change)](Facts& facts) {
            // A name that is taken away is routed no more: nothing has to be proven for that.
            facts.add("domain", {{"name", domain.name},
                                 {"subject", domain.name},
                                 {"kind", "custom"},
                                 {"verified", 1},
                                 {"owner", domain.project}});
            facts.add("config_change", {{"kind", "domain"},
                                        {"name", domain.name},
                                        {"subject", "domain:" + domain.name},
                                        {"change", change},
                                        {"live", domain.environment == "production" ? 1 : 0},
                                        {"undo_for", 0},
                                        {"used_by", "none"},
                                        {"loads_code", 0}});
          }};
}

Result<Domain> Domains::verify(const AuditContext& by, std::string_view project,
                               std::string_view text) {
  SLIPWAY_TRY(const std::string name, domain_name(text));
  SLIPWAY_TRY(const Domain claim, parts_.store.get(name, project));
  // The server's own domain may have changed since it was claimed.
  SLIPWAY_CHECK(check_claim(name));
  SLIPWAY_TRY(const std::vector<std::string> texts, parts_.lookup(challenge_name(name)));
  if (std::ranges::find(texts, claim.token) == texts.end()) {
    const std::string problem = what_was_found(texts);
    const auto noted = parts_.store.update(by, name, project, "", [&](Domain& change) -> Status {
      change.checked_at = parts_.clock.now();
      change.problem = problem;
      return {};
    });
    if (!noted) log_warn("a look at a domain was not kept", {{"error", noted.error().message}});
    return fail(Errc::failed_precondition, fmt::format("{} is not proven: {}", name, problem),
                fmt::format("make a TXT record {} with the text {}, wait until DNS has it, then: "
                            "slipway domain verify {}",
                            challenge_name(name), claim.token, name));
  }
  SLIPWAY_TRY(const AuditContext allowed, parts_.governance.require(asked_about(by, claim, "added"),
                                                                    change_of(by, claim, "added")));
  SLIPWAY_TRY(Domain proven, parts_.store.update(allowed, name, project, "domain.verified",
                                                 [&](Domain& change) -> Status {
                                                   change.verified = true;
                                                   change.checked_at = parts_.clock.now();
                                                   if (!change.verified_at)
                                                     change.verified_at = change.checked_at;
                                                   change.lost_since.reset();
                                                   change.problem.clear();
                                                   return {};
                                                 }));
  publish(proven);
  return proven;
}

Result<Domain> Domains::remove(const AuditContext& by, std::string_view project,
                               std::string_view text) {
  SLIPWAY_TRY(const std::string name, domain_name(text));
  SLIPWAY_TRY(const Domain claim, parts_.store.get(name, project));
  AuditContext allowed = by;
  // A claim that was never proven leads nowhere: dropping it changes nothing that serves.
  if (claim.verified) {
    SLIPWAY_TRY(allowed, parts_.governance.require(asked_about(by, claim, "removed"),
                                                   change_of(by, claim, "removed")));
  }
  SLIPWAY_TRY(Domain gone, parts_.store.remove(allowed, name, project));
  publish(gone);
  return gone;
}

Result<Domain> Domains::find(std::string_view text,
                             const std::function<bool(const Domain&)>& may_see) const {
  SLIPWAY_TRY(const std::string name, domain_name(text));
  SLIPWAY_TRY(std::vector<Domain> claims, parts_.store.claims(name));
  std::erase_if(claims, [&](const Domain& each) { return !may_see(each); });
  if (claims.empty())
    return fail(Errc::not_found, fmt::format("nobody added {}", name),
                fmt::format("slipway domain add PROJECT {}", name));
  if (claims.size() > 1)
    return fail(Errc::invalid_argument, fmt::format("several projects claim {}", name),
                "say which: --project PROJECT");
  return std::move(claims.front());
}

std::vector<std::string> Domains::hosts(std::string_view project,
                                        std::string_view environment) const {
  std::vector<std::string> out;
  const auto all = parts_.store.list(project);
  if (!all) {
    log_error("domains cannot be read", {{"error", all.error().message}});
    return out;
  }
  for (const Domain& each : *all)
    if (each.verified && each.environment == environment && check_claim(each.name))
      out.push_back(each.name);
  return out;
}

void Domains::publish(const Domain& domain) const {
  if (!parts_.publish) return;
  if (Status published = parts_.publish(domain.project, domain.environment); !published)
    log_error("a domain's routes were not changed",
              {{"domain", domain.name}, {"error", published.error().message}});
}

Status Domains::check_again(const Domain& domain) {
  const auto texts = parts_.lookup(challenge_name(domain.name));
  const Timestamp now = parts_.clock.now();
  const AuditContext by = by_system("domains");
  const bool found = texts && std::ranges::find(*texts, domain.token) != texts->end();
  // That nobody answers says nothing about the record: then it stays as it was.
  const bool gone = texts && !found, was_lost = domain.lost_since.has_value();
  const bool over = gone && was_lost && now - *domain.lost_since >= parts_.settings.domains.grace;
  const std::string problem = found ? "" : texts ? what_was_found(*texts) : texts.error().message;
  const std::string_view event = over                ? "domain.cut"
                                 : gone && !was_lost ? "domain.lost"
                                 : found && was_lost ? "domain.found"
                                                     : "";
  SLIPWAY_TRY(const Domain after, parts_.store.update(by, domain.name, domain.project, event,
                                                      [&](Domain& change) -> Status {
                                                        change.checked_at = now;
                                                        change.problem = problem;
                                                        if (found) change.lost_since.reset();
                                                        if (gone && !change.lost_since)
                                                          change.lost_since = now;
                                                        if (over) change.verified = false;
                                                        return {};
                                                      }));
  if (over) {
    log_error("a domain is not proven any more and leads nowhere now",
              {{"domain", domain.name}, {"project", domain.project}, {"problem", problem}});
    publish(after);
  } else if (gone) {
    log_warn("a domain's proof is gone",
             {{"domain", domain.name},
              {"project", domain.project},
              {"problem", problem},
              {"cut_at", to_rfc3339(*after.lost_since + parts_.settings.domains.grace)}});
  }
  return {};
}

void Domains::check_due(const std::stop_token& stop) {
  const auto all = parts_.store.list();
  if (!all) return log_error("domains cannot be read", {{"error", all.error().message}});
  const Timestamp now = parts_.clock.now();
  for (const Domain& each : *all) {
    if (stop.stop_requested()) return;
    if (!each.verified) continue;
    if (each.checked_at && now - *each.checked_at < parts_.settings.domains.verify_interval)
      continue;
    // Removed meanwhile is fine.
    if (Status checked = check_again(each); !checked && checked.error().code != Errc::not_found)
      log_warn("a domain was not looked at again",
               {{"domain", each.name}, {"error", checked.error().message}});
  }
}

Status Domains::start() {
  return worker_.start([this](const std::stop_token& stop) -> std::optional<Duration> {
    check_due(stop);
    return look_interval;
  });
}

void Domains::stop() { worker_.stop(); }

}  // namespace slipway
