// slipway policy: the rules; what they are, what others would be, what they would say.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "cli/decision_view.h"
#include "cli/server.h"
#include "cli/view.h"
#include "db/governance_records.h"
#include "db/policy_sql.h"
#include "policy/analysis.h"
#include "policy/engine.h"
#include "sys/files.h"

namespace slipway::cli {
namespace {

struct PolicyArguments {
  std::optional<std::string> verb, file, version, reason, last, point, project, environment,
      decision, deployment;
  std::vector<std::string> assume;
  bool all = false, rules = false, advisory_first = false;
};

constexpr std::size_t longest_policy = 256u << 10;

Result<std::string> read_policy(Context& context, const PolicyArguments& arguments) {
  if (!arguments.file)
    return fail(Errc::invalid_argument, "which policy set?",
                fmt::format("slipway policy {} FILE", *arguments.verb));
  return read_file(context.env.cwd / *arguments.file, longest_policy + 1);
}

int print(Context& context, const json::object& answer, const std::string& text) {
  context.console.out(context.common.json ? printable_json(answer) : text);
  return 0;
}

Result<int> show_versions(Context& context, ApiClient& api) {
  SLIPWAY_TRY(const json::object answer, api.get("/v1/policy/versions"));
  const Style style = context.console.out_style();
  std::vector<std::vector<std::string>> rows;
  for (const json::value& value : array_at(answer, "policies")) {
    if (!value.is_object()) continue;
    const json::object& set = value.get_object();
    rows.push_back({std::to_string(number_at(set, "version")),
                    sanitize_line(text_at(set, "digest")).substr(0, 19),
                    sanitize_line(text_at(object_at(set, "author"), "name")),
                    format_when(text_at(set, "created_at"), context.clock.now()),
                    text_at(set, "signature").empty() ? "no" : "yes",
                    sanitize_line(text_at(set, "reason"))});
  }
  return print(context, answer,
               table({"VERSION", "DIGEST", "BY", "WHEN", "SIGNED", "WHY"}, rows, style));
}

Result<int> show(Context& context, const PolicyArguments& arguments) {
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  if (arguments.all) return show_versions(context, *api);
  SLIPWAY_TRY(const json::object set,
              api->get(arguments.version ? "/v1/policy?version=" + url_encode(*arguments.version)
                                         : std::string("/v1/policy")));
  if (!arguments.rules) {
    std::string out;
    for (const std::string_view line : lines(text_at(set, "text")))
      out += sanitize_line(line) + "\n";
    return print(context, set, out);
  }
  const Style style = context.console.out_style();
  std::vector<std::vector<std::string>> rows;
  for (const json::value& value : array_at(set, "rules")) {
    if (!value.is_object()) continue;
    const json::object& rule = value.get_object();
    std::vector<std::string> on;
    for (const json::value& point : array_at(rule, "on"))
      if (point.is_string()) on.push_back(sanitize_line(point.get_string()));
    const std::int64_t approvals = number_at(rule, "approvals");
    const std::string inactive = sanitize_line(text_at(rule, "inactive"));
    rows.push_back({sanitize_line(text_at(rule, "id")), sanitize_line(text_at(rule, "enforce")),
                    join(on, " "), approvals > 0 ? std::to_string(approvals) : "",
                    inactive.empty() ? sanitize_line(text_at(rule, "why"))
                                     : fmt::format("inactive: {}", inactive)});
  }
  return print(context, set,
               fmt::format("version {}  {}  by {}\n\n{}", number_at(set, "version"),
                           sanitize_line(text_at(set, "digest")).substr(0, 19),
                           sanitize_line(text_at(object_at(set, "author"), "name")),
                           table({"RULE", "ENFORCE", "ON", "APPROVALS", "WHY"}, rows, style)));
}

// Here, without a server: form, lint, the rules' own tests, and what the rules never do.
Result<int> check(Context& context, const PolicyArguments& arguments) {
  SLIPWAY_TRY(const std::string text, read_policy(context, arguments));
  const PolicyCheck outcome = check_policy_set(text, *make_sql_rule_evaluator());
  json::array problems, tests;
  for (const PolicyProblem& problem : outcome.problems) problems.push_back(to_json(problem));
  for (const RuleTestResult& test : outcome.tests)
    tests.push_back(
        json::object{{"rule", test.rule},
                     {"test", test.test},
                     {"line", test.line},
                     {"expected", test.expected == RuleTest::Expect::deny ? "deny" : "pass"},
                     {"passed", test.passed},
                     {"detail", test.detail}});
  json::array analysis;
  if (outcome.set)
    for (const RuleFinding& finding : analyse(*outcome.set, *make_sql_rule_evaluator()))
      analysis.push_back(json::object{
          {"what", to_string(finding.what)}, {"rule", finding.rule}, {"detail", finding.detail}});
  const json::object answer{{"usable", outcome.set.has_value()},
                            {"problems", std::move(problems)},
                            {"tests", std::move(tests)},
                            {"analysis", std::move(analysis)}};
  print(context, answer, render_trial(answer, context.console.out_style()));
  return outcome.set ? 0 : info(Errc::invalid_argument).exit_code;
}

Result<json::object> request(Context& context, const PolicyArguments& arguments) {
  SLIPWAY_TRY(const std::string text, read_policy(context, arguments));
  json::object body{{"text", text},
                    {"advisory_first", arguments.advisory_first},
                    {"reason", arguments.reason.value_or("")}};
  if (arguments.last) {
    SLIPWAY_TRY(const int last, parse_count("--last", *arguments.last));
    body["replay"] = last;
  }
  return body;
}

Result<int> replay_past(Context& context, const PolicyArguments& arguments) {
  SLIPWAY_TRY(const json::object body, request(context, arguments));
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(const json::object trial, api->post("/v1/policy/check", body));
  print(context, trial, render_trial(trial, context.console.out_style()));
  return is_true(trial, "usable") ? 0 : info(Errc::invalid_argument).exit_code;
}

Result<int> set(Context& context, const PolicyArguments& arguments) {
  SLIPWAY_TRY(const json::object body, request(context, arguments));
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(const json::object made, api->post("/v1/policy", body));
  return print(context, made,
               fmt::format("{}version {} is active\n",
                           context.common.quiet ? ""
                                                : render_trial(object_at(made, "trial"),
                                                               context.console.out_style()),
                           number_at(made, "version")));
}

// With FILE: the rules' own tests. Without: what the active rules would say.
Result<int> test(Context& context, const PolicyArguments& arguments) {
  if (arguments.file) return check(context, arguments);
  json::object body{{"point", arguments.point.value_or("preview")},
                    {"environment", arguments.environment.value_or("preview")},
                    {"project", arguments.project.value_or("")},
                    {"decision", arguments.decision.value_or("")},
                    {"deployment", arguments.deployment.value_or("")}};
  json::array assume;
  for (const std::string& assumption : arguments.assume) assume.push_back(json::value(assumption));
  body["assume"] = std::move(assume);
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(const json::object decision, api->post("/v1/policy/test", body));
  print(context, decision, render_decision(decision, context.console.out_style()));
  return exit_code_of(decision);
}

struct Verb {
  std::string_view name;
  Result<int> (*run)(Context&, const PolicyArguments&);
};
constexpr Verb verbs[] = {
    {"show", show}, {"set", set}, {"check", check}, {"test", test}, {"replay", replay_past}};

Result<int> policy(Context& context, const PolicyArguments& arguments) {
  const auto* const verb = std::ranges::find(verbs, *arguments.verb, &Verb::name);
  if (verb != std::end(verbs)) return verb->run(context, arguments);
  return fail(Errc::invalid_argument,
              fmt::format("policy cannot '{}'", sanitize_line(*arguments.verb)),
              "one of: show set check test replay");
}

}  // namespace

Action define_policy(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<PolicyArguments>();
  arguments.positional("VERB", own->verb, "show, set, check, test or replay", ValueKind::text,
                       Presence::required);
  arguments.positional("FILE", own->file, "a policy set, in TOML", ValueKind::file,
                       Presence::optional);
  arguments.flag("--all", own->all, "show: every version");
  arguments.option("--version", "N", own->version, "show: this version");
  arguments.flag("--rules", own->rules, "show: a table of the rules instead of their TOML");
  arguments.flag("--advisory-first", own->advisory_first,
                 "set, replay: rules that are new only advise");
  arguments.option("--reason", "TEXT", own->reason, "set: why; it is kept");
  arguments.option("--last", "N", own->last, "set, replay: over the last N decisions (100)");
  arguments.option("--point", "POINT", own->point, "test: build, preview, promote, ... (preview)");
  arguments.option("--project", "NAME", own->project, "test: in this project", ValueKind::project);
  arguments.option("--environment", "NAME", own->environment,
                   "test: preview, staging, production or none (preview)");
  arguments.option("--deployment", "ID", own->deployment, "test: about this deployment",
                   ValueKind::deployment);
  arguments.option("--decision", "ID", own->decision, "test: on the facts of this decision");
  arguments.list("--assume", "FACT", own->assume,
                 "test: as if TABLE.COLUMN=VALUE, TABLE=none or TABLE+COLUMN=VALUE,...");
  arguments.flag("--json", common.json, "print JSON");
  return [own](Context& context) { return policy(context, *own); };
}

}  // namespace slipway::cli
