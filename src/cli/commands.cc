// The table of commands: names, groups and what --help says.
#include <algorithm>

#include "cli/command.h"

namespace slipway::cli {
namespace {

constexpr Command rows[] = {
    {"deploy",
     Group::deploy,
     "Deploy a folder and print its URL",
     "Uploads what changed, builds in a sandbox, starts the app and prints its URL on stdout; the "
     "progress goes to stderr. The URL shows this deployment for ever; the alias URL follows the "
     "newest one.\n\n"
     "Files that .gitignore or .slipwayignore name stay behind, and so do .git, dependency folders "
     "and .env files: give secrets with -e.\n\n"
     "Ctrl-C removes the deployment that is being made and ends with exit code 130.",
     "slipway deploy                         # the current folder\n"
     "slipway deploy ./shop --alias beta     # and http://beta--shop.localhost:7070\n"
     "slipway deploy -e DATABASE_URL -e A=b  # the first with its value from your shell\n"
     "slipway deploy --dry-run               # what would happen, and what changed\n"
     "slipway deploy --start 'node main.js'  # say what detection cannot know\n"
     "url=$(slipway deploy -q)               # in a script",
     define_deploy,
     {Permission::deploy, Permission::read, Permission::remove}},
    {"detect", Group::deploy, "Show what would be built and run",
     "Looks at the folder here, without a server, a network or running anything of it. `slipway "
     "deploy` decides the same way. Options say what detection cannot know; `slipway init` keeps "
     "them in the project.",
     "slipway detect\nslipway detect ./shop --json\n"
     "slipway detect --explain start         # why, and how to say otherwise\n"
     "slipway detect --start 'node main.js'  # what would follow from that",
     define_detect},
    {"init", Group::deploy, "Write slipway.toml with what detection should do otherwise",
     "Only what differs from detection's own decision is written; a project needs no slipway.toml. "
     "Policy, budget, identity and sandbox settings are never read from a project.",
     "slipway init --start 'node main.js' --runtime node@22\nslipway init ./shop --service web",
     define_init},
    {"redeploy",
     Group::deploy,
     "Deploy the source of a deployment again",
     "Makes a new deployment, with an id and a URL of its own, from the source and the settings of "
     "an earlier one.",
     "slipway redeploy dpl_k3x7m2p5qa\nslipway redeploy shop -m 'with the new base image'",
     define_redeploy,
     {Permission::deploy, Permission::read, Permission::remove}},
    {"promote",
     Group::release,
     "Make a preview the next release of production",
     "The same artifact, byte for byte, with the environment's own configuration and secrets; "
     "nothing "
     "is built again. The policies are asked first. New instances start and are probed, the "
     "traffic "
     "moves, at once or by a canary, and the old release stays warm while the new one is watched: "
     "if "
     "that does worse, the old one comes back by itself.\n\n"
     "Prints the environment's URL once it serves the release. Exit code 6: denied; 4: it waits "
     "for "
     "people and goes on by itself once they agree; 7: it failed, and the old release goes on "
     "serving. Ctrl-C stops following, not the promotion.",
     "slipway promote shop                       # the project's newest deployment\n"
     "slipway promote dpl_k3x7m2p5qa --dry-run   # the decision, and what would change\n"
     "slipway promote k3x7 --canary 5,25,50 --step 5m -m 'new checkout'\n"
     "slipway promote k3x7 --to staging --smoke /healthz\n"
     "slipway promote shop --from staging        # what staging serves",
     define_promote,
     {Permission::promote, Permission::read}},
    {"rollback",
     Group::release,
     "Go back to an earlier release",
     "Code and configuration together, without a build or a scan. Deploys that promote by "
     "themselves "
     "are held back from then on, until `slipway resume` or a promotion on purpose. A rollout that "
     "is "
     "under way is taken back first.",
     "slipway rollback shop                      # the one that served before\n"
     "slipway rollback shop --to 12 -m 'checkout is broken'\n"
     "slipway rollback shop --env staging --restore snp_k3x7m2p5qa",
     define_rollback,
     {Permission::rollback, Permission::read}},
    {"releases",
     Group::release,
     "Show the releases of an environment",
     "Newest first: which deployment, with which configuration, by whom, when and why, what "
     "watching "
     "it found, which one serves, and which can be rolled back to.",
     "slipway releases shop\nslipway releases shop --env staging --json",
     define_releases,
     {Permission::read}},
    {"rollouts",
     Group::release,
     "List promotions, rollbacks and changes of configuration",
     "",
     "slipway rollouts shop\nslipway rollouts shop --env staging --json",
     define_rollouts,
     {Permission::read}},
    {"rollout",
     Group::release,
     "Show, follow or cancel one of them",
     "Its steps with their times, the verdicts with their numbers, and why it ended. --cancel ends "
     "one that is not over: before the switch nothing has happened; after it, it is rolled back.",
     "slipway rollout rol_k3x7m2p5qa\nslipway rollout rol_k3x7m2p5qa -f\n"
     "slipway rollout rol_k3x7m2p5qa --cancel --reason 'wrong one'",
     define_rollout,
     {Permission::read, Permission::rollback}},
    {"resume",
     Group::release,
     "Let deploys promote by themselves again, after a rollback",
     "",
     "slipway resume shop\nslipway resume shop --env staging",
     define_resume,
     {Permission::promote}},
    {"restart",
     Group::release,
     "Replace the instances of a release, one by one",
     "A new instance answers before an old one stops, so nothing is lost. Same release, same "
     "configuration.",
     "slipway restart shop\nslipway restart shop --env staging",
     define_restart,
     {Permission::promote, Permission::env_read}},
    {"scale",
     Group::release,
     "Run so many instances of each web service",
     "Of the release that serves, and of those after it.",
     "slipway scale shop 3\nslipway scale shop 1 --env staging",
     define_scale,
     {Permission::promote, Permission::env_read}},
    {"ls",
     Group::look,
     "List deployments, newest first",
     "Those that are deleted, expired or canceled show with --all, or when --state asks for them.",
     "slipway ls\nslipway ls --project shop --all\nslipway ls --json | jq -r "
     "'.deployments[].url'",
     define_ls,
     {Permission::read}},
    {"inspect",
     Group::look,
     "Show everything about a deployment",
     "Its plan and why, the steps with their times, what changed, and, when it failed, where.",
     "slipway inspect dpl_k3x7m2p5qa\nslipway inspect k3x7        # the beginning is enough\n"
     "slipway inspect shop --json",
     define_inspect,
     {Permission::read}},
    {"logs",
     Group::look,
     "Show what the app or its build wrote",
     "Colours show on a terminal; every other control character shows as an escape, so that no "
     "app can play with your terminal.",
     "slipway logs shop -f\nslipway logs dpl_k3x7m2p5qa --build\n"
     "slipway logs shop --since 10m --filter 'status=5..'\nslipway logs shop -n 100 --json",
     define_logs,
     {Permission::read}},
    {"open",
     Group::look,
     "Print a deployment's URL, and open it where there is a desktop",
     "",
     "slipway open shop\nslipway open beta--shop --print",
     define_open,
     {Permission::read}},
    {"audit",
     Group::look,
     "Look at the audit log, export it, check that nobody altered it",
     "Every change is recorded before it takes effect, in a chain of hashes and a signed Merkle "
     "tree (docs/audit.md).\n\n"
     "verify checks an export offline, with the key given by --key or remembered from the server; "
     "without a file it checks the server's log. prove shows that a record is in the log that was "
     "signed; with --format tlog as a C2SP tlog-proof file. keys prints the log's public keys, and "
     "rotate-key makes a new one. witness names C2SP witnesses, to whom every checkpoint is "
     "submitted. Exit code 70: history was altered.",
     "slipway audit ls --project shop --since 24h\nslipway audit show 42\n"
     "slipway audit export > audit.jsonl\nslipway audit verify audit.jsonl\n"
     "slipway audit prove 42 --json > proof.json\n"
     "slipway audit prove 42 --format tlog > 42.tlog-proof",
     define_audit,
     {Permission::audit_read, Permission::read, Permission::team_manage}},
    {"rm",
     Group::change,
     "Remove deployments",
     "Asks on a terminal unless -y says not to. All are looked up before the first goes. For 48 "
     "hours `slipway undo` brings them back.",
     "slipway rm dpl_k3x7m2p5qa\nslipway rm k3x7 9fhz -y",
     define_rm,
     {Permission::remove, Permission::read}},
    {"undo",
     Group::change,
     "Bring back a deployment that was removed",
     "Works for 48 hours after `slipway rm`.",
     "slipway undo\nslipway undo dpl_k3x7m2p5qa",
     define_undo,
     {Permission::remove}},
    {"env",
     Group::change,
     "Set, list and take back environment variables and secrets",
     "Each change is a version of the environment's configuration; deployments keep the one they "
     "were made with. A value is given as NAME=VALUE, or on stdin for NAME alone. Secrets (-s) are "
     "kept encrypted, given to builds and instances of their environment alone, masked in logs and "
     "never shown again. Previews read the environment 'preview'.",
     "slipway env set API_URL=https://api.example.com\n"
     "pass show stripe | slipway env set -s STRIPE_KEY\n"
     "slipway env import .env -s --project shop\nslipway env ls\n"
     "slipway env pull > .env.preview\nslipway env history\nslipway env rollback 3",
     define_env,
     {Permission::env_read, Permission::env_write, Permission::secret_write}},
    {"domain",
     Group::change,
     "Lead a host name of your own to an environment",
     "A name is claimed with add, which prints a DNS record of type TXT; once DNS has that, verify "
     "leads the name to the environment at once. The record stays: it is looked for again each "
     "day, "
     "and a name that lost it for a week leads nowhere any more. Names are given in ASCII (xn-- "
     "for "
     "others), without a port. Point the name itself at this server by A, AAAA or CNAME.",
     "slipway domain add shop www.example.com\nslipway domain verify www.example.com\n"
     "slipway domain add shop next.example.com --env staging\n"
     "slipway domain ls shop\nslipway domain rm www.example.com",
     define_domain,
     {Permission::read, Permission::promote}},
    {"volume",
     Group::change,
     "Look at what apps keep; snapshot, restore, share it",
     "Each environment has volumes of its own, for what the plan lists; each preview, too, as a "
     "copy of those of the preview before it. A snapshot is made before each release command. A "
     "restore needs the environment stopped: with `slipway rollback --restore` it is part of going "
     "back. What was there before is kept as a snapshot. Production's data never reaches a preview "
     "unless a person says so with share.",
     "slipway volume ls shop\nslipway volume snapshot shop -m 'before the import'\n"
     "slipway volume snapshots shop\nslipway rollback shop --restore snp_k3x7m2p5qa\n"
     "slipway volume share shop --from staging --with previews\n"
     "slipway volume share shop --from none",
     define_volume,
     {Permission::read, Permission::promote}},
    {"alerts",
     Group::change,
     "Tell a URL what becomes of a project's releases",
     "Webhooks: switched, failed, waiting for people, rolled back by itself, frozen; with the "
     "rollout "
     "and the evidence as JSON, signed as the Standard Webhooks specification says. The secret to "
     "check signatures with is shown once, by add. A message is tried for a day. Private addresses "
     "are refused unless the server's settings allow them.",
     "slipway alerts add shop https://hooks.example.com/slipway\n"
     "slipway alerts add shop https://hooks.example.com/oncall --env production --event "
     "release.rolled_back\n"
     "slipway alerts ls shop\nslipway alerts test shop alr_k3x7m2p5qa\n"
     "slipway alerts rm shop alr_k3x7m2p5qa",
     define_alerts,
     {Permission::env_read, Permission::env_write}},
    {"why",
     Group::govern,
     "Show why something was allowed, denied or made to wait",
     "The rules with the rows they found, the facts' digest, and what would make it pass: which of "
     "that you may do yourself. Without an argument, the newest decisions.",
     "slipway why dec_k3x7m2p5qa\nslipway why dpl_k3x7m2p5qa   # its newest decision\nslipway why",
     define_why,
     {Permission::policy_read}},
    {"approvals",
     Group::govern,
     "List what waits for people",
     "",
     "slipway approvals\nslipway approvals --all --json",
     define_approvals,
     {Permission::policy_read}},
    {"approve",
     Group::govern,
     "Agree to a deployment, a removal, a waiver or an emergency",
     "What waited goes on by itself once enough people agreed. Nobody approves their own, and no "
     "agent approves.",
     "slipway approve apr_k3x7m2p5qa --reason 'looked at the migration'",
     define_approve,
     {Permission::approve, Permission::policy_read}},
    {"reject",
     Group::govern,
     "Refuse it, and so end it",
     "",
     "slipway reject apr_k3x7m2p5qa --reason 'not on a Friday'",
     define_reject,
     {Permission::approve, Permission::policy_read}},
    {"waive",
     Group::govern,
     "Accept what a rule finds, for a time",
     "Counts once somebody else approved it, for 30 days at the most. Hard rules have no waivers.",
     "slipway waive agent-large-change --project shop --reason 'the import of 2024' --for 7d\n"
     "slipway waive --list\nslipway waive --revoke wvr_k3x7m2p5qa",
     define_waive,
     {Permission::waive, Permission::policy_read}},
    {"break-glass",
     Group::govern,
     "In an emergency, let everything pass for an hour",
     "Takes two people and ends after 60 minutes; never for an agent. Everything done meanwhile "
     "says so in the audit log.",
     "slipway break-glass --project shop --reason 'the shop is down'\n"
     "slipway approve brk_k3x7m2p5qa             # somebody else",
     define_break_glass,
     {Permission::break_glass}},
    {"policy",
     Group::govern,
     "Show, try and change the rules",
     "A policy set is TOML; docs/policy.md is its language. `check` and `test FILE` work without a "
     "server. `set` checks it, runs its tests, says which past decisions would be otherwise, and "
     "makes it the next version.",
     "slipway policy show --rules\nslipway policy show > policy.toml\n"
     "slipway policy check policy.toml\nslipway policy replay policy.toml --last 500\n"
     "slipway policy set policy.toml --advisory-first --reason 'larger changes need a look'\n"
     "slipway policy test --point preview --project shop --assume request.actor_kind=agent",
     define_policy,
     {Permission::policy_read, Permission::policy_write}},
    {"serve", Group::server, "Run the server in the foreground",
     "Commands start a local server by themselves when none is configured; this is for running it "
     "yourself. Needs root, for the sandboxes. What the options do not say, the configuration file "
     "does.",
     "slipway serve\nslipway serve --listen 0.0.0.0:80 --domain preview.example.com\n"
     "slipway serve --data ./data --listen 127.0.0.1:0",
     define_serve},
    {"gc",
     Group::server,
     "Remove now what nothing refers to any more",
     "Blobs, layers, caches and logs of what was removed long ago go by themselves, every ten "
     "minutes; on a full disk one need not wait. Prints what was freed.",
     "slipway gc\nslipway gc --json",
     define_gc,
     {Permission::team_manage}},
    {"down",
     Group::server,
     "End every app, then the server",
     "Apps run on while a server is stopped or started again; this ends them as well, production "
     "too. Nothing is removed: `slipway serve` goes on where it was. To uninstall, remove the data "
     "directory afterwards.",
     "slipway down\nslipway down -y && rm -r /var/lib/slipway",
     define_down,
     {Permission::team_manage}},
    {"doctor", Group::server,
     "Check this machine and the server, and say how to mend what is wrong",
     "Exit code 0 when deployments can work (warnings included), 4 when they cannot.",
     "slipway doctor\nslipway doctor --json", define_doctor},
    {"login",
     Group::server,
     "Remember a server and your token for it",
     "Checks the token with the server, then writes credentials.json (mode 0600) in "
     "~/.config/slipway. The token is asked for without showing it, or read from stdin.",
     "slipway login --server https://slipway.example.com\n"
     "slipway login --server http://10.0.0.5:7070 < token-file",
     define_login,
     {Permission::read}},
    {"whoami",
     Group::server,
     "Show which server you talk to, and as whom",
     "",
     "slipway whoami\nslipway whoami --json",
     define_whoami,
     {Permission::read}},
    {"token",
     Group::server,
     "Make, list and end tokens",
     "A token is shown once. `create` narrows the one in use, through the server or, with "
     "--offline, here; for a member it makes a first one. Whatever is narrowed never reaches "
     "further than what it came from, and ends with it.",
     "slipway token create --agent coder --project shop --deploys 20 --ttl 2h\n"
     "slipway token create --offline --action read --ttl 30m   # no server needed\n"
     "slipway token create --member ann --label laptop\nslipway token ls\n"
     "slipway token revoke tok_k3x7m2p5qa",
     define_token,
     {Permission::read, Permission::token_create, Permission::token_revoke,
      Permission::team_manage}},
    {"agent",
     Group::server,
     "List agents, and end one",
     "`kill` refuses its tokens, cancels what it is making and removes its previews; what serves "
     "production stays. `slipway undo ID` brings a preview back, `revive` the name.",
     "slipway agent ls\nslipway agent kill coder\nslipway agent revive coder",
     define_agent,
     {Permission::read, Permission::kill_agent}},
    {"team",
     Group::server,
     "Manage teams, their members and projects",
     "`add` changes the role of who is a member already; `remove` ends their tokens. Roles: "
     "viewer, deployer, approver, admin; docs/identity.md says what each may do.",
     "slipway team ls\nslipway team create makers\nslipway team add makers ann --role deployer\n"
     "slipway team add-project makers shop\nslipway team remove makers ann",
     define_team,
     {Permission::read, Permission::team_manage}},
    {"completion", Group::server, "Print the completion script for your shell", "",
     "source <(slipway completion bash)                        # in ~/.bashrc\n"
     "slipway completion zsh > \"${fpath[1]}/_slipway\"\n"
     "slipway completion fish > ~/.config/fish/completions/slipway.fish",
     define_completion},
    {"version", Group::server, "Print the version", "", "slipway version --json", define_version},
};

}  // namespace

std::span<const Command> commands() { return rows; }

const Command* find_command(std::string_view name) {
  const auto* const found = std::ranges::find(rows, name, &Command::name);
  return found == std::end(rows) ? nullptr : found;
}

void add_common_options(Arguments& arguments, CommonOptions& common) {
  arguments.begin_common();
  arguments.option("--server", "URL", common.server, "the server to talk to");
  arguments.option("--token", "TOKEN", common.token, "the key to it (better: SLIPWAY_TOKEN)");
  arguments.flag("-v, --verbose", common.verbose, "tell more: the build log, the server's start");
  arguments.flag("-q, --quiet", common.quiet, "only the result and errors");
  arguments.flag("-h, --help", common.help, "show this");
}

}  // namespace slipway::cli
