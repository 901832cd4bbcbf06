#include "deploy/governance_facts.h"

#include <unistd.h>

#include <cerrno>

#include "deploy/units.h"
#include "model/release.h"
#include "policy/kept_secrets.h"

namespace slipway {
namespace {

// Snapshots are kept; a first deployment of a large tree would make them huge for nothing.
constexpr std::size_t most_files_unread = 500;

std::int64_t unix_seconds(Timestamp time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}
std::int64_t whole_seconds(Duration duration) {
  return std::chrono::floor<std::chrono::seconds>(duration).count();
}

// People who could approve: neither who asks nor the author, nor whom either acts for.
std::optional<std::size_t> count_approvers(const Asked& asked, const std::string& team,
                                           const FactSources& sources) {
  if (!sources.approvers) return std::nullopt;
  std::vector<std::string> people = sources.approvers(team);
  std::erase_if(people, [&](const std::string& name) {
    // An agent may be called as a person is; that makes it nobody.
    const auto is = [&](const Actor& actor) {
      return (actor.kind != "agent" && name == actor.name) || name == actor.on_behalf_of;
    };
    return is(asked.by.actor) || (asked.deployment && is(asked.deployment->actor));
  });
  return people.size();
}

void add_request(Facts& facts, const Asked& asked, const std::string& team, std::int64_t now,
                 const FactSources& sources) {
  const Actor& actor = asked.by.actor;
  const RequestTime time = request_time(now);
  facts.add("request", {{"point", to_string(asked.point)},
                        {"team", team},
                        {"project", asked.project},
                        {"environment", asked.environment},
                        {"actor_kind", actor.kind},
                        {"actor_name", actor.name},
                        {"on_behalf_of", actor.on_behalf_of},
                        {"role", asked.by.role},
                        {"session", actor.session.empty() ? actor.task : actor.session},
                        {"now", time.now},
                        {"weekday", time.weekday},
                        {"hour", time.hour},
                        {"minute", time.minute},
                        {"automatic", actor.kind == "system" ? 1 : 0},
                        {"approvers", count_approvers(asked, team, sources)}});
}

std::optional<std::int64_t> life_of(const Deployment& deployment, const Settings& settings) {
  return whole_seconds(deployment.options.ttl.value_or(settings.previews.ttl));
}

void add_deployment(Facts& facts, const Deployment& d, const Settings& settings, std::int64_t now) {
  std::optional<std::string> artifact;
  if (d.artifact.site || !d.artifact.layers.empty()) artifact = artifact_digest(d).str();
  const std::int64_t created = unix_seconds(d.created_at);
  facts.add("deployment", {{"id", d.id.str()},
                           {"alias", d.alias},
                           {"state", to_string(d.state)},
                           {"author", d.actor.name},
                           {"author_kind", d.actor.kind},
                           {"author_for", d.actor.on_behalf_of},
                           {"message", d.message},
                           {"created_at", created},
                           {"age", std::max<std::int64_t>(0, now - created)},
                           {"source_digest", d.source.str()},
                           {"source_files", d.source_files},
                           {"source_bytes", d.source_bytes},
                           {"artifact_digest", artifact},
                           {"previewed", d.ready_at ? 1 : 0},
                           {"has_sbom", 0},
                           {"has_provenance", 0},
                           {"ttl", life_of(d, settings)}});
}

void add_files(Facts& facts, const Asked& asked, const PolicySet& set) {
  const Deployment& d = *asked.deployment;
  const auto size_of = [&](const std::string& path) -> std::int64_t {
    const ManifestEntry* entry = asked.source ? asked.source->find(path) : nullptr;
    return entry ? static_cast<std::int64_t>(entry->size) : 0;
  };
  std::int64_t bytes = 0;
  for (const auto* paths : {&d.changed.added, &d.changed.modified})
    for (const std::string& path : *paths) bytes += size_of(path);
  const std::size_t files =
      d.changed.added.size() + d.changed.modified.size() + d.changed.removed.size();
  facts.add("change", {{"base", d.base.str()},
                       {"added", d.changed.added.size()},
                       {"modified", d.changed.modified.size()},
                       {"removed", d.changed.removed.size()},
                       {"files", files},
                       {"bytes", bytes},
                       {"lines_added", std::nullopt},
                       {"lines_removed", std::nullopt}});
  if (files > most_files_unread && !reads(set, asked.point, "file")) {
    facts.unknown("file", fmt::format("{} files differ, and no rule read them", files));
    return;
  }
  const auto add = [&](const std::vector<std::string>& paths, std::string_view change) {
    for (const std::string& path : paths)
      facts.add("file", {{"path", path},
                         {"subject", path},
                         {"change", change},
                         {"kind", classify_path(path)},
                         {"bytes", change == "removed" ? 0 : size_of(path)}});
  };
  add(d.changed.added, "added");
  add(d.changed.modified, "modified");
  add(d.changed.removed, "removed");
}

// The start of a file; nothing when it cannot be read.
std::optional<std::string> head_of(const BlobStore& blobs, const Digest& digest) {
  const auto file = blobs.open_blob(digest);
  if (!file) return std::nullopt;
  std::string head(kept_secrets_head, '\0');
  std::size_t used = 0;
  while (used < head.size()) {
    const ssize_t got =
        ::pread(file->get(), head.data() + used, head.size() - used, static_cast<off_t>(used));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
  }
  head.resize(used);
  return head;
}

// All of them, not only those that differ: what was there before is no less of a secret.
void add_sensitive_files(Facts& facts, const Asked& asked, const FactSources& sources,
                         const PolicySet& set) {
  if (!reads(set, asked.point, "sensitive_file")) return;
  if (asked.source == nullptr) {
    facts.unknown("sensitive_file", "the deployment's files were not looked at");
    return;
  }
  for (const ManifestEntry& entry : asked.source->entries) {
    if (entry.mode == FileMode::symlink) continue;
    KeptSecret kept = kept_secret(entry.path);
    if (kept.looks && sources.blobs != nullptr)
      if (const auto head = head_of(*sources.blobs, entry.digest))
        kept = kept_secret(entry.path, *head);
    if (kept.what.empty()) continue;
    facts.add("sensitive_file", {{"path", entry.path},
                                 {"subject", entry.path},
                                 {"keeps", kept.what},
                                 {"kind", classify_path(entry.path)},
                                 {"bytes", static_cast<std::int64_t>(entry.size)}});
  }
}

// The facts' words for it; whatever runs beside what answers requests is a worker.
std::string_view kind_of(const Service& service) {
  if (service.is_static) return "static";
  if (service.kind == "web" || service.kind == "cron" || service.kind == "static")
    return service.kind;
  return "worker";
}

void add_plan(Facts& facts, const Deployment& d) {
  if (d.plan.services.empty()) {
    facts.unknown("service", "the deployment's plan is made after this point");
  }
  std::map<std::string, std::pair<bool, bool>> variables;  // name: required, secret
  for (const Service& service : d.plan.services) {
    facts.add("service", {{"name", service.name},
                          {"kind", kind_of(service)},
                          {"provider", service.provider},
                          {"framework", service.framework},
                          {"is_static", service.is_static ? 1 : 0},
                          {"runtime", service.runtime.name},
                          {"runtime_version", service.runtime.version},
                          {"port", service.port},
                          {"health_path", service.health_path},
                          {"start", service.start}});
    for (const EnvNeed& need : service.env) {
      auto& [required, secret] = variables[need.name];
      required = required || need.required;
      secret = secret || need.kind == "secret";
    }
  }
  for (const auto& [name, value] : d.options.env) variables.try_emplace(name);
  for (const auto& [name, about] : variables)
    facts.add("env_var", {{"name", name},
                          {"subject", name},
                          {"required", about.first ? 1 : 0},
                          {"is_set", d.options.env.contains(name) || is_provided(d, name) ? 1 : 0},
                          {"secret", about.second ? 1 : 0}});
}

void add_repairs(Facts& facts, const Deployment& d) {
  if (d.plan.services.empty()) facts.unknown("repair", "the build comes after this point");
  constexpr std::string_view prefix = "repaired_";
  for (const Warning& finding : d.findings)
    if (finding.code.starts_with(prefix))
      facts.add("repair", {{"name", finding.code.substr(prefix.size())},
                           {"subject", finding.code.substr(prefix.size())},
                           {"message", finding.message}});
}

void add_domains(Facts& facts, const Deployment& d, const Names& names) {
  for (const std::string& host : {names.deployment_host(d), names.alias_host(d.project, d.alias)})
    facts.add("domain", {{"name", host},
                         {"subject", host},
                         {"kind", "platform"},
                         {"verified", 1},
                         {"owner", d.project}});
}

// What people agreed to counts while they still may agree.
Status add_people(Facts& facts, const Asked& asked, const FactSources& sources) {
  GovernanceStore& store = sources.store;
  SLIPWAY_TRY(const std::string team, sources.repository.team_of(asked.project));
  const auto agrees = [&](const Actor& actor) {
    return counted_role(sources.standing, actor, team, "approver").has_value();
  };
  SLIPWAY_TRY(const auto requests, approvals_for(asked, store));
  for (const ApprovalRequest& request : requests)
    for (const Vote& vote : request.votes) {
      if (vote.choice != Vote::Choice::approve) continue;
      const auto role = counted_role(sources.standing, vote.actor, team, vote.role);
      if (!role) continue;
      for (const ApprovalNeed& need : request.needs)
        facts.add("approval", {{"id", request.id.str()},
                               {"rule", need.rule},
                               {"approver", vote.actor.name},
                               {"approver_kind", vote.actor.kind},
                               {"role", *role},
                               {"at", unix_seconds(vote.at)},
                               {"expires_at", unix_seconds(vote.at + need.valid_for)}});
    }
  if (asked.project.empty()) return {};
  SLIPWAY_TRY(const auto waivers, store.waivers("active", asked.project));
  for (const Waiver& waiver : waivers)
    if (waiver.approver && agrees(*waiver.approver))
      facts.add("waiver", {{"id", waiver.id.str()},
                           {"rule", waiver.rule},
                           {"subject", waiver.subject},
                           {"author", waiver.author.name},
                           {"approver", waiver.approver->name},
                           {"approver_kind", waiver.approver->kind},
                           {"created_at", unix_seconds(waiver.created_at)},
                           {"expires_at", unix_seconds(waiver.expires_at)},
                           {"reason", waiver.reason}});
  SLIPWAY_TRY(const auto emergencies, store.emergencies("active", asked.project));
  for (const BreakGlass& emergency : emergencies)
    if (emergency.second && emergency.started_at && agrees(emergency.first) &&
        agrees(*emergency.second))
      facts.add("break_glass", {{"id", emergency.id.str()},
                                {"first", emergency.first.name},
                                {"first_kind", emergency.first.kind},
                                {"second", emergency.second->name},
                                {"second_kind", emergency.second->kind},
                                {"started_at", unix_seconds(*emergency.started_at)},
                                {"expires_at", unix_seconds(emergency.expires_at)},
                                {"reason", emergency.reason}});
  return {};
}

Status add_velocity(Facts& facts, const Asked& asked, const FactSources& sources, Timestamp now) {
  const auto add = [&](VelocityScope scope, std::string_view word, const std::string& counted,
                       const std::string& name) -> Status {
    SLIPWAY_TRY(const Velocity v, sources.store.velocity(scope, counted, now));
    const Timestamp resets = v.oldest_in_hour ? *v.oldest_in_hour + std::chrono::hours{1} : now;
    facts.add("velocity", {{"scope", word},
                           {"name", name},
                           {"subject", fmt::format("{}:{}", word, name)},
                           {"deploys_minute", v.deploys_minute},
                           {"deploys_hour", v.deploys_hour},
                           {"deploys_day", v.deploys_day},
                           {"promotes_day", 0},
                           {"denials_hour", v.denials_hour},
                           {"failures_in_row", v.failures_in_row},
                           {"same_failure", v.same_failure},
                           {"resets_at", unix_seconds(resets) + 1}});
    return {};
  };
  const Actor& actor = asked.by.actor;
  SLIPWAY_CHECK(add(VelocityScope::actor, "actor", actor.kind + ":" + actor.name, actor.name));
  // An agent that goes on under another name is the same one.
  if (const std::string top = top_agent(actor);
      !top.empty() && actor.chain[1] != actor.chain.back())
    SLIPWAY_CHECK(add(VelocityScope::top_agent, "actor", top,
                      actor.chain[1].substr(actor.chain[1].find(':') + 1)));
  if (!actor.on_behalf_of.empty())
    SLIPWAY_CHECK(add(VelocityScope::agent_of, "agent_of", actor.on_behalf_of, actor.on_behalf_of));
  if (!asked.project.empty())
    SLIPWAY_CHECK(add(VelocityScope::project, "project", asked.project, asked.project));
  return {};
}

}  // namespace

std::optional<std::string> counted_role(const Standing& standing, const Actor& actor,
                                        const std::string& team, const std::string& then) {
  if (!standing || actor.kind == "system" || standing(actor, team, then)) return then;
  if (then == "admin" && standing(actor, team, "approver")) return "approver";
  return std::nullopt;
}

Result<std::vector<ApprovalRequest>> approvals_for(const Asked& asked, GovernanceStore& store) {
  std::vector<ApprovalRequest> out;
  if (asked.resource.empty()) return out;
  SLIPWAY_TRY(out, store.approvals_of(asked.resource));
  std::erase_if(out, [&](const ApprovalRequest& request) {
    const bool other_side =
        asked.approvals == Asked::Approvals::once && request.point != asked.point;
    return request.action != asked.action || request.change != asked.change || other_side ||
           request.used_at || (request.state != "open" && request.state != "approved");
  });
  return out;
}

Asked asked_about(const AuditContext& by, DecisionPoint point, std::string action,
                  const Deployment& deployment) {
  const auto lasts = action == "deploy" ? Asked::Approvals::again : Asked::Approvals::once;
  return {.point = point,
          .by = by,
          .project = deployment.project,
          .environment = "preview",
          .resource = "deployment/" + deployment.id.str(),
          .action = std::move(action),
          .approvals = lasts,
          .deployment = &deployment};
}

bool reads(const PolicySet& set, DecisionPoint point, std::string_view table) {
  return std::ranges::any_of(set.rules, [&](const PolicyRule& rule) {
    return among(rule.on, point) && rule.tables.contains(table);
  });
}

Result<Facts> gather_facts(const Asked& asked, const FactSources& sources, const PolicySet& set) {
  const Timestamp now = sources.clock.now();
  const std::int64_t now_seconds = unix_seconds(now);
  const Actor& actor = asked.by.actor;
  Facts facts;
  facts.know_all();
  // Of now: a deployment's own is that of when it was made.
  SLIPWAY_TRY(const std::string team, sources.repository.team_of(asked.project));
  add_request(facts, asked, team, now_seconds, sources);
  facts.add("scan", {{"state", "none"},
                     {"source_digest", ""},
                     {"age", std::nullopt},
                     {"detail", "nothing was scanned"}});
  if (asked.deployment) {
    add_deployment(facts, *asked.deployment, sources.settings, now_seconds);
    add_files(facts, asked, set);
    add_sensitive_files(facts, asked, sources, set);
    add_plan(facts, *asked.deployment);
    add_repairs(facts, *asked.deployment);
    add_domains(facts, *asked.deployment, sources.names);
    const SandboxLimits& limits = sources.settings.instances.limits;
    facts.add("resource", {{"cpu", limits.cpu_millis},
                           {"memory", limits.memory_bytes},
                           {"instances", 1},
                           {"ttl", life_of(*asked.deployment, sources.settings)}});
  }
  facts.add("release_history", {{"releases_day", 0},
                                {"rollbacks_day", 0},
                                {"automatic_rollbacks_hour", 0},
                                {"last_rollback_age", std::nullopt}});
  SLIPWAY_TRY(
      const PreviewCounts counts,
      sources.store.preview_counts(asked.project, actor.kind + ":" + actor.name, top_agent(actor)));
  facts.add("preview_count", {{"project", counts.project},
                              {"team", counts.team},
                              {"actor", counts.actor},
                              {"total", counts.total}});
  SLIPWAY_CHECK(add_people(facts, asked, sources));
  SLIPWAY_CHECK(add_velocity(facts, asked, sources, now));
  if (asked.more) asked.more(facts);
  return facts;
}

}  // namespace slipway
