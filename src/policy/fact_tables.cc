#include "policy/fact_tables.h"

#include <algorithm>
#include <array>

namespace slipway {
namespace {

using enum FactType;
using enum FactNull;

// name, type, NULL, unit, all values, doc
constexpr FactColumn request_columns[] = {
    {"point", text, never, "",
     "build|preview|promote|canary_step|rollback|config|secret|domain|policy|budget|token|exec|"
     "remove",
     "The decision point"},
    {"team", text, never, "", "", "The project's team"},
    {"project", text, never, "", "", "The project; '' for a request about none"},
    {"environment", text, never, "", "production|staging|preview|none",
     "What the request would change; an environment of one's own counts as preview"},
    {"actor_kind", text, never, "", "human|agent|system", "Who asks"},
    {"actor_name", text, never, "", "", "The name behind the token"},
    {"on_behalf_of", text, never, "", "", "The human that an agent acts for; '' for nobody"},
    {"role", text, never, "", "admin|deployer|approver|viewer|none",
     "The actor's role in the project"},
    {"session", text, never, "", "", "Session or task id that the token carries; ''"},
    {"now", integer, never, "unix s", "", "When"},
    {"weekday", integer, never, "1..7", "", "Monday is 1, in UTC"},
    {"hour", integer, never, "0..23", "", "In UTC"},
    {"minute", integer, never, "0..59", "", "In UTC"},
    {"automatic", integer, never, "0|1", "",
     "By Slipway itself: an automatic rollback, a canary's next step"},
    {"approvers", integer, possible, "people", "",
     "Humans who could approve, without the author and who asks; NULL when not counted"},
};

constexpr FactColumn deployment_columns[] = {
    {"id", text, never, "", "", "dpl_…"},
    {"alias", text, never, "", "", "Its alias"},
    {"state", text, never, "",
     "queued|building|starting|ready|sleeping|failed|canceled|stopped|expired|deleted",
     "DESIGN.md's states"},
    {"author", text, never, "", "", "Who uploaded it: the actor's name"},
    {"author_kind", text, never, "", "human|agent|system", ""},
    {"author_for", text, never, "", "", "The human whom the author acted for; ''"},
    {"message", text, never, "", "", "Its message; ''"},
    {"created_at", integer, never, "unix s", "", ""},
    {"age", integer, never, "s", "", "Since created_at"},
    {"source_digest", text, never, "", "", "Of its files"},
    {"source_files", integer, never, "files", "", ""},
    {"source_bytes", integer, never, "bytes", "", ""},
    {"artifact_digest", text, possible, "", "", "NULL before it is built"},
    {"previewed", integer, never, "0|1", "", "It was ready and answered at its own URL"},
    {"has_sbom", integer, never, "0|1", "", "A list of its parts is stored"},
    {"has_provenance", integer, never, "0|1", "", "How it was built is recorded and signed"},
    {"ttl", integer, possible, "s", "", "NULL: it does not expire"},
};

constexpr FactColumn change_columns[] = {
    {"base", text, never, "", "", "The deployment compared with; '' for none"},
    {"added", integer, never, "files", "", ""},
    {"modified", integer, never, "files", "", ""},
    {"removed", integer, never, "files", "", ""},
    {"files", integer, never, "files", "", "All three together"},
    {"bytes", integer, never, "bytes", "", "Of the added and modified files"},
    {"lines_added", integer, possible, "lines", "", "NULL when not counted"},
    {"lines_removed", integer, possible, "lines", "", "NULL when not counted"},
};

constexpr FactColumn file_columns[] = {
    {"path", text, never, "", "", "From the project's root"},
    {"subject", text, never, "", "", "The path, as waivers name it"},
    {"change", text, never, "", "added|modified|removed", ""},
    {"kind", text, never, "",
     "migration|ci|auth|dependency|lockfile|container|config|test|docs|source",
     "By its path: classify_path()"},
    {"bytes", integer, never, "bytes", "", "Its new size; 0 for a removed one"},
};

constexpr FactColumn sensitive_file_columns[] = {
    {"path", text, never, "", "", "From the project's root"},
    {"subject", text, never, "", "", "The path, as waivers name it"},
    {"keeps", text, never, "", "private key|key store|login|variables", "What it holds"},
    {"kind", text, never, "",
     "migration|ci|auth|dependency|lockfile|container|config|test|docs|source",
     "By its path: classify_path()"},
    {"bytes", integer, never, "bytes", "", ""},
};

constexpr FactColumn scan_columns[] = {
    {"state", text, never, "", "done|partial|failed|none", ""},
    {"source_digest", text, never, "", "", "Of the files that were scanned; ''"},
    {"age", integer, possible, "s", "", "Since it ended; NULL when it has not"},
    {"detail", text, never, "", "", "Which scanner failed and why; ''"},
};

constexpr FactColumn finding_columns[] = {
    {"id", text, never, "", "", "Stable over deployments: the same problem has the same id"},
    {"scanner", text, never, "", "", "secret, dependency, hidden-text, bundle, …"},
    {"rule", text, never, "", "", "The scanner's own name for it"},
    {"subject", text, never, "", "", "The package or the place, as waivers name it"},
    {"severity", integer, never, "severity", "", "Compare with sev('high')"},
    {"detail", text, never, "", "", "One line"},
    {"file", text, never, "", "", "''  when it has no place"},
    {"line", integer, possible, "line", "", "NULL when it has no place"},
    {"fix", text, never, "", "", "What to do; '' when nothing is known"},
    {"waived", integer, never, "0|1", "", "Accepted by a waiver that holds now"},
    {"is_new", integer, never, "0|1", "", "Not in what the environment runs now"},
};

constexpr FactColumn dependency_columns[] = {
    {"subject", text, never, "", "", "ecosystem:name@version, as waivers name it"},
    {"name", text, never, "", "", ""},
    {"ecosystem", text, never, "", "", "npm, pypi, crates, go, …"},
    {"version", text, never, "", "", "'' when nothing pins it"},
    {"direct", integer, never, "0|1", "", "Named by a manifest of the project"},
    {"is_new", integer, never, "0|1", "", "Not in what the environment runs now"},
    {"age_days", integer, possible, "days", "",
     "Since this version was published; NULL when not known"},
    {"in_registry", integer, possible, "0|1", "", "Its registry knows it; NULL when not asked"},
    {"install_script", integer, possible, "0|1", "",
     "Runs code when installed; NULL when not known"},
    {"license", text, possible, "", "", "SPDX; NULL when not known"},
};

constexpr FactColumn service_columns[] = {
    {"name", text, never, "", "", ""},
    {"kind", text, never, "", "web|worker|cron|static", ""},
    {"provider", text, never, "", "", "node, python, …"},
    {"framework", text, never, "", "", "'' for none"},
    {"is_static", integer, never, "0|1", "", "Served without an instance"},
    {"runtime", text, never, "", "", "node, python, …; ''"},
    {"runtime_version", text, never, "", "", "As the project asks; ''"},
    {"port", integer, possible, "port", "", "NULL when it follows PORT"},
    {"health_path", text, never, "", "", ""},
    {"start", text, possible, "", "", "The start command; NULL when static"},
};

constexpr FactColumn env_var_columns[] = {
    {"name", text, never, "", "", ""},
    {"subject", text, never, "", "", "The name, as waivers name it"},
    {"required", integer, never, "0|1", "", "The code cannot do without"},
    {"is_set", integer, never, "0|1", "", "Has a value in the request's environment"},
    {"secret", integer, never, "0|1", "", "Kept as a secret"},
};

constexpr FactColumn repair_columns[] = {
    {"name", text, never, "", "", "unfrozen_install, peer_conflicts, ...: docs/repairs.md"},
    {"subject", text, never, "", "", "The name, as waivers name it"},
    {"message", text, never, "", "", "What was changed, and why"},
};

constexpr FactColumn config_change_columns[] = {
    {"kind", text, never, "", "env|secret|domain|setting|budget|member|deployment|project", ""},
    {"name", text, never, "", "", ""},
    {"subject", text, never, "", "", "kind:name, as waivers name it"},
    {"change", text, never, "", "added|modified|removed", ""},
    {"live", integer, never, "0|1", "", "What it changes serves production now"},
    {"undo_for", integer, never, "s", "", "How long it can be undone; 0: not at all"},
    {"used_by", text, never, "", "run|build|both|none",
     "Of a variable: who gets it. What a build gets is in every artifact, also one promoted later"},
    {"loads_code", integer, never, "0|1", "",
     "A variable that makes a runtime or shell load code: NODE_OPTIONS, LD_PRELOAD, PYTHONPATH, …"},
};

constexpr FactColumn approval_columns[] = {
    {"id", text, never, "", "", ""},
    {"rule", text, never, "", "", "The rule it answers; '' for all"},
    {"approver", text, never, "", "", ""},
    {"approver_kind", text, never, "", "human|agent|system", ""},
    {"role", text, never, "", "admin|deployer|approver|viewer|none", ""},
    {"at", integer, never, "unix s", "", ""},
    {"expires_at", integer, never, "unix s", "", ""},
};

constexpr FactColumn waiver_columns[] = {
    {"id", text, never, "", "", ""},
    {"rule", text, never, "", "", ""},
    {"subject", text, never, "", "", "The violation's subject; '' for every row of the rule"},
    {"author", text, never, "", "", "Who asked for it"},
    {"approver", text, never, "", "", ""},
    {"approver_kind", text, never, "", "human|agent|system", ""},
    {"created_at", integer, never, "unix s", "", ""},
    {"expires_at", integer, never, "unix s", "", ""},
    {"reason", text, never, "", "", ""},
};

constexpr FactColumn break_glass_columns[] = {
    {"id", text, never, "", "", ""},
    {"first", text, never, "", "", "Who declared it"},
    {"first_kind", text, never, "", "human|agent|system", ""},
    {"second", text, never, "", "", "Who confirmed it"},
    {"second_kind", text, never, "", "human|agent|system", ""},
    {"started_at", integer, never, "unix s", "", "When it was confirmed"},
    {"expires_at", integer, never, "unix s", "", ""},
    {"reason", text, never, "", "", ""},
};

constexpr FactColumn budget_columns[] = {
    {"scope", text, never, "", "agent|project|team|organization", ""},
    {"name", text, never, "", "", ""},
    {"subject", text, never, "", "", "scope:name/period"},
    {"period", text, never, "", "day|week|month", ""},
    {"limit_amount", integer, possible, "micro-units", "", "The hard limit; NULL for none"},
    {"spent", integer, never, "micro-units", "", ""},
    {"reserved", integer, never, "micro-units", "", "Of what runs now"},
    {"needed", integer, never, "micro-units", "", "To reserve for this request"},
    {"available", integer, never, "micro-units", "",
     "limit - spent - reserved; a large number without a limit"},
    {"resets_at", integer, never, "unix s", "", ""},
    {"forecast", integer, possible, "micro-units", "",
     "Expected at the period's end; NULL when not known"},
};

constexpr FactColumn release_columns[] = {
    {"number", integer, possible, "", "", "NULL for one that does not exist yet"},
    {"deployment", text, never, "", "", ""},
    {"once_approved", integer, never, "0|1", "",
     "The policies allowed it to serve this environment before"},
    {"once_live", integer, never, "0|1", "", "It has served this environment"},
    {"age", integer, never, "s", "", "Since it was made; 0 for a new one"},
    {"current_number", integer, possible, "", "", "What serves now; NULL for none"},
    {"current_age", integer, possible, "s", "", "How long it has served; NULL for none"},
    {"config_changed", integer, never, "0|1", "",
     "Variables or secrets differ from the current release's"},
    {"canary_first", integer, never, "%", "",
     "Of the traffic that its first step gets; 100 for all at once"},
    {"previous", integer, never, "0|1", "",
     "It served until the current one did: where a rollback goes when nobody says"},
    {"restores", integer, never, "0|1", "", "A snapshot of the volumes comes back with it"},
};

constexpr FactColumn release_history_columns[] = {
    {"releases_day", integer, never, "releases", "", "In 24 hours"},
    {"rollbacks_day", integer, never, "rollbacks", "", "In 24 hours"},
    {"automatic_rollbacks_hour", integer, never, "rollbacks", "", "In one hour"},
    {"last_rollback_age", integer, possible, "s", "", "NULL when never"},
};

constexpr FactColumn health_columns[] = {
    {"subject", text, never, "", "", "target:probe, as waivers name it"},
    {"target", text, never, "", "candidate|current", ""},
    {"probe", text, never, "", "readiness|crash_loop|out_of_memory|port|errors|latency", ""},
    {"state", text, never, "", "ok|failed|unknown", ""},
    {"detail", text, never, "", "", ""},
};

constexpr FactColumn canary_columns[] = {
    {"step", integer, never, "", "", "From 1"},
    {"percent", integer, never, "%", "", "Of the traffic now"},
    {"next_percent", integer, never, "%", "", "Asked for"},
    {"step_age", integer, never, "s", "", "Since this step began"},
    {"requests", integer, never, "requests", "", "To the canary"},
    {"errors", integer, never, "requests", "", "Of those, 5xx"},
    {"baseline_requests", integer, never, "requests", "", ""},
    {"baseline_errors", integer, never, "requests", "", ""},
    {"evidence", text, never, "", "ok|worse|no_data", "What the statistics say"},
};

constexpr FactColumn preview_count_columns[] = {
    {"project", integer, never, "previews", "", "Of the project"},
    {"team", integer, never, "previews", "", "Of the team"},
    {"actor", integer, never, "previews", "", "Made by this actor"},
    {"total", integer, never, "previews", "", "On this server"},
};

constexpr FactColumn resource_columns[] = {
    {"cpu", integer, never, "milli-cores", "", ""},
    {"memory", integer, never, "bytes", "", ""},
    {"instances", integer, never, "instances", "", ""},
    {"ttl", integer, possible, "s", "", "NULL: does not expire"},
};

constexpr FactColumn velocity_columns[] = {
    {"scope", text, never, "", "actor|agent_of|project|team",
     "agent_of: all agents of the same human"},
    {"name", text, never, "", "", ""},
    {"subject", text, never, "", "", "scope:name"},
    {"deploys_minute", integer, never, "deploys", "", "In 60 s"},
    {"deploys_hour", integer, never, "deploys", "", ""},
    {"deploys_day", integer, never, "deploys", "", "In 24 hours"},
    {"promotes_day", integer, never, "promotions", "", "In 24 hours"},
    {"denials_hour", integer, never, "decisions", "", ""},
    {"failures_in_row", integer, never, "deploys", "", "Failed since the last that worked"},
    {"same_failure", integer, never, "deploys", "",
     "In a row with the same tree or the same cause"},
    {"resets_at", integer, never, "unix s", "", "When the hour's count goes down next"},
};

constexpr FactColumn domain_columns[] = {
    {"name", text, never, "", "", ""},
    {"subject", text, never, "", "", "The name, as waivers name it"},
    {"kind", text, never, "", "platform|custom", ""},
    {"verified", integer, never, "0|1", "", "Its owner proved it"},
    {"owner", text, never, "", "", "The project that has it now; ''"},
};

constexpr FactColumn egress_columns[] = {
    {"host", text, never, "", "", "A name, an address, or '*' for anywhere"},
    {"subject", text, never, "", "", "host:port, as waivers name it"},
    {"port", integer, possible, "port", "", "NULL for any"},
    {"private", integer, never, "0|1", "", "An address of a private network or of this host"},
};

constexpr FactColumn freeze_columns[] = {
    {"name", text, never, "", "", ""},
    {"subject", text, never, "", "", "The name"},
    {"starts_at", integer, never, "unix s", "", ""},
    {"ends_at", integer, never, "unix s", "", ""},
    {"reason", text, never, "", "", ""},
};

constexpr FactColumn policy_change_columns[] = {
    {"author", text, never, "", "", ""},
    {"author_kind", text, never, "", "human|agent|system", ""},
    {"signed", integer, never, "0|1", "", "By a key of an admin"},
    {"tests_pass", integer, never, "0|1", "", "Each rule's tests do what they say"},
    {"rules_added", integer, never, "rules", "", ""},
    {"rules_removed", integer, never, "rules", "", ""},
    {"rules_changed", integer, never, "rules", "", ""},
    {"rules_weakened", integer, never, "rules", "",
     "Removed, lower level, fewer points, another query, easier approvals"},
    {"flips_to_allow", integer, never, "decisions", "",
     "Of the last ones, denied then, allowed now"},
    {"flips_to_deny", integer, never, "decisions", "",
     "Of the last ones, allowed then, denied now"},
};

constexpr FactColumn budget_change_columns[] = {
    {"scope", text, never, "", "agent|project|team|organization", ""},
    {"name", text, never, "", "", ""},
    {"subject", text, never, "", "", "scope:name/period"},
    {"period", text, never, "", "day|week|month", ""},
    {"old_limit", integer, possible, "micro-units", "", "NULL for none"},
    {"new_limit", integer, possible, "micro-units", "", "NULL for none"},
};

constexpr FactColumn token_request_columns[] = {
    {"label", text, never, "", "", ""},
    {"for_kind", text, never, "", "human|agent|system", ""},
    {"expires_in", integer, possible, "s", "", "NULL: never"},
    {"depth", integer, never, "", "", "How many tokens stand between it and a person's"},
    {"can_promote", integer, never, "0|1", "", ""},
    {"can_set_secrets", integer, never, "0|1", "", ""},
    {"narrower", integer, never, "0|1", "", "Than its parent in every way"},
};

constexpr FactColumn exec_request_columns[] = {
    {"command", text, never, "", "", ""},
    {"interactive", integer, never, "0|1", "", "With a terminal"},
    {"deployment", text, never, "", "", ""},
};

constexpr FactTable tables[] = {
    {"request", FactRows::one, FactSource::platform,
     "What is asked, by whom, when. Always exactly one row.", request_columns},
    {"deployment", FactRows::one, FactSource::platform,
     "The deployment that is asked about; no row when there is none.", deployment_columns},
    {"change", FactRows::one, FactSource::platform,
     "How it differs from what its environment runs now, a preview from what its alias showed last "
     "(a first one: from nothing).",
     change_columns},
    {"file", FactRows::many, FactSource::platform, "Each file that differs.", file_columns,
     FactCure::fix_row, "", "slipway deploy  # without the change of {path}"},
    {"sensitive_file", FactRows::many, FactSource::platform,
     "Each file of the deployment that holds a secret by its name, and where that does not tell, "
     "by "
     "its content.",
     sensitive_file_columns, FactCure::fix_row, "",
     "slipway deploy  # after adding {path} to .slipwayignore"},
    {"scan", FactRows::one, FactSource::scan,
     "Whether the scanners have looked at exactly this deployment.", scan_columns, FactCure::finish,
     "state", "slipway redeploy DEPLOYMENT"},
    {"finding", FactRows::many, FactSource::scan, "What the scanners saw.", finding_columns,
     FactCure::fix_row, "", "slipway deploy  # after: {fix}"},
    {"dependency", FactRows::many, FactSource::scan,
     "Each package of the deployment, direct or not.", dependency_columns, FactCure::fix_row, "",
     "slipway deploy  # without {subject}"},
    {"service", FactRows::many, FactSource::platform, "The plan: each service.", service_columns},
    {"env_var", FactRows::many, FactSource::platform,
     "Variables that the code reads or the environment sets. Names, never values.", env_var_columns,
     FactCure::set_flag, "is_set",
     "slipway env set {name}=VALUE --project {project} --env {environment}"},
    {"repair", FactRows::many, FactSource::platform,
     "What the build needed changed to go through. A team that wants none: "
     "SELECT subject FROM repair.",
     repair_columns},
    {"config_change", FactRows::many, FactSource::platform,
     "What a request of config, secret, domain, budget or remove would change.",
     config_change_columns},
    {"approval", FactRows::many, FactSource::platform,
     "Approvals given for exactly this request or deployment.", approval_columns},
    {"waiver", FactRows::many, FactSource::platform, "Waivers for this project or its team.",
     waiver_columns},
    {"break_glass", FactRows::many, FactSource::platform, "Emergencies declared for this project.",
     break_glass_columns},
    {"budget", FactRows::many, FactSource::platform, "Each budget that the request would draw on.",
     budget_columns, FactCure::raise_budget, "limit_amount",
     "slipway budget set --{scope} {name} --period {period} --hard AMOUNT"},
    {"release", FactRows::one, FactSource::platform,
     "The release that promote or rollback would make current.", release_columns},
    {"release_history", FactRows::one, FactSource::platform,
     "What happened to the environment lately.", release_history_columns, FactCure::wait, "", ""},
    {"health", FactRows::many, FactSource::platform,
     "Checks of what is asked about, and of what serves now.", health_columns, FactCure::finish,
     "state", "slipway logs DEPLOYMENT"},
    {"canary", FactRows::one, FactSource::platform, "The canary so far; no row when there is none.",
     canary_columns},
    {"preview_count", FactRows::one, FactSource::platform,
     "Previews that are alive now, this request's not counted.", preview_count_columns,
     FactCure::fix_row, "", "slipway rm DEPLOYMENT  # one of `slipway ls`"},
    {"resource", FactRows::one, FactSource::platform, "What a build or an instance would be given.",
     resource_columns},
    {"velocity", FactRows::many, FactSource::platform,
     "How much was asked lately, this request not counted.", velocity_columns, FactCure::wait,
     "resets_at", ""},
    {"domain", FactRows::many, FactSource::platform, "Names that the request would route.",
     domain_columns, FactCure::fix_row, "", "slipway domain verify {name}"},
    {"egress", FactRows::many, FactSource::platform, "Where the deployment asks to connect to.",
     egress_columns, FactCure::fix_row, "", "slipway deploy  # without a connection to {subject}"},
    {"freeze", FactRows::many, FactSource::platform, "Freeze windows that are set, past ones not.",
     freeze_columns, FactCure::wait, "ends_at", ""},
    {"policy_change", FactRows::one, FactSource::platform, "What a new policy set would change.",
     policy_change_columns},
    {"budget_change", FactRows::many, FactSource::platform, "What a request of budget would set.",
     budget_change_columns},
    {"token_request", FactRows::one, FactSource::platform, "The token that is asked for.",
     token_request_columns},
    {"exec_request", FactRows::one, FactSource::platform, "The command to run inside an instance.",
     exec_request_columns},
};

constexpr std::array<std::string_view, 5> severities = {"info", "low", "medium", "high",
                                                        "critical"};

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(x) == lower(y);
  });
}

}  // namespace

std::span<const FactTable> fact_tables() { return tables; }

std::string_view why_unfilled(std::string_view table) {
  struct Unfilled {
    std::string_view table, why;
  };
  static constexpr Unfilled unfilled[] = {{"finding", "no scanner yet"},
                                          {"dependency", "no scanner yet"},
                                          {"budget", "no budgets yet"},
                                          {"budget_change", "no budgets yet"},
                                          {"freeze", "nothing sets freezes yet"},
                                          {"egress", "nothing asks for egress yet"},
                                          {"exec_request", "there is no exec yet"}};
  const auto* found = std::ranges::find(unfilled, table, &Unfilled::table);
  return found == std::end(unfilled) ? std::string_view() : found->why;
}

const FactTable* find_fact_table(std::string_view name) {
  const auto* found = std::ranges::find_if(
      tables, [&](const FactTable& table) { return same_name(table.name, name); });
  return found == std::end(tables) ? nullptr : found;
}

std::optional<std::size_t> find_column(const FactTable& table, std::string_view name) {
  for (std::size_t i = 0; i < table.columns.size(); ++i)
    if (same_name(table.columns[i].name, name)) return i;
  return std::nullopt;
}

bool is_one_of(std::string_view values, std::string_view word) {
  while (!values.empty()) {
    const std::size_t end = std::min(values.find('|'), values.size());
    if (values.substr(0, end) == word) return true;
    values.remove_prefix(std::min(end + 1, values.size()));
  }
  return false;
}

std::optional<std::int64_t> severity_from_name(std::string_view name) {
  const auto* found = std::ranges::find(severities, name);
  if (found == severities.end()) return std::nullopt;
  return found - severities.begin();
}

std::string_view severity_name(std::int64_t severity) {
  return severities[static_cast<std::size_t>(std::clamp<std::int64_t>(severity, 0, 4))];
}

}  // namespace slipway
