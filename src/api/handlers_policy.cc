// Policies, decisions, and what people do to let something pass.
#include <charconv>

#include "api/approval_answers.h"
#include "api/project_names.h"
#include "api/release_answers.h"
#include "api/routes.h"
#include "api/sight.h"
#include "api/touches.h"
#include "base/text.h"
#include "json/convert.h"
#include "json/reader.h"
#include "policy/analysis.h"

namespace slipway::handlers {
namespace {

json::object to_json(const RuleTestResult& test) {
  return {{"rule", test.rule},
          {"test", test.test},
          {"line", test.line},
          {"expected", test.expected == RuleTest::Expect::deny ? "deny" : "pass"},
          {"passed", test.passed},
          {"detail", test.detail}};
}

json::array words(const std::vector<std::string>& texts) {
  json::array out;
  for (const std::string& text : texts) out.push_back(json::value(text));
  return out;
}

template <class Items>
json::array all_of(const Items& items) {
  json::array out;
  for (const auto& item : items) out.push_back(slipway::to_json(item));
  return out;
}

json::object trial_json(const GovernanceService::PolicyTrial& trial) {
  json::array tests, flips;
  for (const RuleTestResult& test : trial.check.tests) tests.push_back(to_json(test));
  for (const Flip& flip : trial.flips)
    flips.push_back(json::object{{"id", flip.id},
                                 {"was", to_string(flip.was)},
                                 {"now", to_string(flip.now.verdict)},
                                 {"summary", flip.now.summary()}});
  return {{"usable", trial.usable()},
          {"problems", all_of(trial.check.problems)},
          {"tests", std::move(tests)},
          {"added", words(trial.diff.added)},
          {"removed", words(trial.diff.removed)},
          {"changed", words(trial.diff.changed)},
          {"weakened", words(trial.diff.weakened)},
          {"advisory", words(trial.advisory)},
          {"replayed", trial.replayed},
          {"flips", std::move(flips)}};
}

Result<GovernanceService::NewPolicy> new_policy(const ApiCall& call) {
  SLIPWAY_TRY(const json::value body, call.body_json());
  GovernanceService::NewPolicy wanted;
  bool advisory_first = false;
  std::int64_t replay = 100;
  JsonReader reader(body);
  reader.require("text").read("text", wanted.text).read("reason", wanted.reason);
  reader.read("advisory_first", advisory_first).read("replay", replay);
  if (replay < 0 || replay > 10'000) reader.wrong("replay", "from 0 to 10000");
  SLIPWAY_CHECK(reader.status());
  if (wanted.reason.size() > 1024)
    return fail(Errc::too_large, "the reason is longer than 1,024 bytes");
  wanted.replay = static_cast<std::size_t>(replay);
  if (advisory_first) wanted.newcomers = GovernanceService::NewPolicy::Newcomers::advisory_first;
  return wanted;
}

std::string asked(const ApiCall& call, std::string_view name, std::string_view otherwise = "") {
  return std::string(call.request.query_value(name).value_or(otherwise));
}

std::optional<std::int64_t> parse_count_text(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

template <class IdType>
Result<IdType> parse_id(std::string_view text, std::string_view noun) {
  if (const auto id = IdType::parse(text)) return *id;
  return fail(Errc::not_found, fmt::format("no {} is called '{}'", noun, sanitize_line(text)));
}

using Kind = WaitingFilter::Kind;

// The page that is asked for, of what the caller may see. What is about no project is the server's.
Result<WaitingPage> waiting_page(const ApiContext& context, const ApiCall& call, Kind kind,
                                 std::string state) {
  const std::int64_t limit = parse_count_text(asked(call, "limit", "50")).value_or(50);
  SLIPWAY_TRY(const Sight sight, Sight::of(context, call));
  return context.governance.store().waiting(
      {.kind = kind,
       .state = std::move(state),
       .project = asked(call, "project"),
       .cursor = asked(call, "cursor"),
       .limit = static_cast<std::size_t>(std::clamp<std::int64_t>(limit, 1, 1000)),
       .visible = [&](std::string_view project, std::string_view environment) {
         return sight.sees(project, environment);
       }});
}

Result<ApiResponse> answer(const ApiContext& context, ApiCall& call, Vote::Choice choice) {
  SLIPWAY_TRY(const json::value body, call.body_json());
  std::string reason;
  JsonReader reader(body);
  reader.read("reason", reason);
  SLIPWAY_CHECK(reader.status());
  GovernanceService& governance = context.governance;
  const std::string& text = call.path_value("id");
  // Whose it is was asked by the route: authorize_touched().
  if (const auto waiver = WaiverId::parse(text)) {
    SLIPWAY_TRY(const Waiver answered, governance.answer_waiver(call.by, *waiver, choice));
    return json_response(200, slipway::to_json(answered));
  }
  if (const auto emergency = BreakGlassId::parse(text)) {
    SLIPWAY_TRY(const BreakGlass answered,
                governance.answer_emergency(call.by, *emergency, choice));
    return json_response(200, slipway::to_json(answered));
  }
  SLIPWAY_TRY(const ApprovalId id, parse_id<ApprovalId>(text, "approval"));
  SLIPWAY_TRY(const ApprovalRequest voted, governance.vote(call.by, id, choice, reason));
  return json_response(200, approval_answer(context, call, voted));
}

}  // namespace

Result<ApiResponse> show_policy(const ApiContext& context, ApiCall& call) {
  StoredPolicySet set;
  if (const auto version = call.request.query_value("version")) {
    const auto number = parse_count_text(*version);
    if (!number) return fail(Errc::invalid_argument, "version must be a number");
    SLIPWAY_TRY(set, context.governance.store().policy_set(*number));
  } else {
    SLIPWAY_TRY(std::optional<StoredPolicySet> active, context.governance.store().active_set());
    if (!active) return fail(Errc::not_found, "there is no policy");
    set = *std::move(active);
  }
  json::object out = slipway::to_json(set);
  out["text"] = set.text;
  json::array rules;
  if (const auto parsed = parse_policy_set(set.text))
    for (const PolicyRule& rule : parsed->rules) {
      json::array on;
      for (const DecisionPoint point : rule.on) on.push_back(json::value(to_string(point)));
      const bool advisory = among(set.advisory, rule.id);
      rules.push_back(
          json::object{{"id", rule.id},
                       {"why", rule.why},
                       {"on", std::move(on)},
                       {"enforce", to_string(advisory ? Enforcement::advisory : rule.enforce)},
                       {"approvals", rule.approvals ? rule.approvals->need : 0},
                       {"inactive", or_null(rule.inactive())},
                       {"line", rule.line}});
    }
  out["rules"] = std::move(rules);
  return json_response(200, out);
}

Result<ApiResponse> list_policies(const ApiContext& context, ApiCall&) {
  SLIPWAY_TRY(const std::vector<StoredPolicySet> sets, context.governance.store().policy_sets());
  return json_response(200, json::object{{"policies", all_of(sets)}});
}

Result<ApiResponse> check_policy(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const GovernanceService::NewPolicy wanted, new_policy(call));
  SLIPWAY_TRY(const GovernanceService::PolicyTrial trial, context.governance.check_policy(wanted));
  json::object out = trial_json(trial);
  json::array analysis;
  for (const RuleFinding& finding : trial.analysis)
    analysis.push_back(json::object{
        {"what", to_string(finding.what)}, {"rule", finding.rule}, {"detail", finding.detail}});
  out["analysis"] = std::move(analysis);
  return json_response(200, out);
}

Result<ApiResponse> set_policy(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const GovernanceService::NewPolicy wanted, new_policy(call));
  SLIPWAY_TRY(const GovernanceService::PolicyChanged changed,
              context.governance.set_policy(call.by, wanted));
  json::object out = slipway::to_json(changed.set);
  out["trial"] = trial_json(changed.trial);
  return json_response(201, out);
}

Result<ApiResponse> try_decision(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const json::value body, call.body_json());
  std::string decision, point_text = "preview", project, environment = "preview", reference;
  std::vector<std::string> assumptions;
  JsonReader reader(body);
  reader.read("decision", decision).read("point", point_text).read("project", project);
  reader.read("environment", environment).read("deployment", reference);
  reader.read("assume", assumptions);
  const auto point = parse_decision_point(point_text);
  if (!point) reader.wrong("point", "a decision point");
  if (assumptions.size() > 100) reader.wrong("assume", "at most 100 assumptions");
  if (!is_one_of("production|staging|preview|none", environment))
    reader.wrong("environment", "production, staging, preview or none");
  SLIPWAY_CHECK(reader.status());
  if (!decision.empty()) {
    SLIPWAY_TRY(const DecisionId id, parse_id<DecisionId>(decision, "decision"));
    SLIPWAY_CHECK(authorize_decision(context, call, decision));
    SLIPWAY_TRY(const StoredDecision said, context.governance.what_if(id, assumptions));
    return json_response(200, decision_of_trial(said));
  }
  Asked wanted{.point = *point, .by = call.by, .project = project, .environment = environment};
  std::optional<Deployment> deployment;
  if (!reference.empty()) {
    SLIPWAY_TRY(deployment, find_deployment(context, call, reference));
    wanted.deployment = &*deployment;
    wanted.project = deployment->project;
    wanted.resource = "deployment/" + deployment->id.str();
    wanted.action = "deploy";
  }
  SLIPWAY_CHECK(authorize(context, call, wanted.project, environment == "none" ? "" : environment));
  SLIPWAY_TRY(const StoredDecision said, context.governance.what_if(wanted, assumptions));
  return json_response(200, decision_of_trial(said));
}

Result<ApiResponse> list_decisions(const ApiContext& context, ApiCall& call) {
  DecisionFilter filter{.project = asked(call, "project"),
                        .resource = asked(call, "resource"),
                        .verdict = asked(call, "verdict")};
  if (const auto limit = call.request.query_value("limit"))
    filter.limit = static_cast<std::size_t>(
        std::clamp<std::int64_t>(parse_count_text(*limit).value_or(50), 1, 1000));
  if (const auto cursor = call.request.query_value("cursor"))
    filter.before = parse_count_text(*cursor).value_or(0);
  SLIPWAY_TRY(const Sight sight, Sight::of(context, call));
  filter.visible = [&](const json::object& decision) { return sight.sees(decision); };
  SLIPWAY_TRY(DecisionPage page, context.governance.store().decisions(filter));
  json::array out;
  for (json::object& decision : page.decisions) out.push_back(std::move(decision));
  return json_response(
      200, json::object{{"decisions", std::move(out)},
                        {"next_cursor", page.next > 0 ? json::value(std::to_string(page.next))
                                                      : json::value(nullptr)}});
}

// By its id, or the newest one about a deployment.
Result<ApiResponse> get_decision(const ApiContext& context, ApiCall& call) {
  const std::string& text = call.path_value("id");
  json::object found;
  if (const auto id = DecisionId::parse(text)) {
    SLIPWAY_TRY(found, context.governance.store().decision(*id));
  } else {
    SLIPWAY_TRY(const Deployment deployment, find_deployment(context, call, text));
    SLIPWAY_TRY(DecisionPage page,
                context.governance.store().decisions(
                    {.resource = "deployment/" + deployment.id.str(), .limit = 1}));
    if (page.decisions.empty())
      return fail(Errc::not_found, "no decision about " + deployment.id.str() + " is kept");
    found = std::move(page.decisions.front());
  }
  // Why somebody accepted what a rule found.
  if (json::value* violations = found.if_contains("violations");
      violations != nullptr && violations->is_array())
    for (json::value& each : violations->get_array()) {
      if (!each.is_object()) continue;
      json::object& violation = each.get_object();
      const json::value* lifted = violation.if_contains("lifted_by");
      if (lifted == nullptr || !lifted->is_string()) continue;
      if (const auto id = WaiverId::parse(std::string_view(lifted->get_string())))
        if (const auto waiver = context.governance.store().waiver(*id))
          violation["lifted_because"] = waiver->reason;
      if (const auto id = BreakGlassId::parse(std::string_view(lifted->get_string())))
        if (const auto emergency = context.governance.store().break_glass(*id))
          violation["lifted_because"] = emergency->reason;
    }
  // Which of the rules that were asked cannot find anything in this Slipway.
  json::array inactive;
  const std::shared_ptr<const PolicySet> set = context.governance.active();
  const json::value* asked_rules = found.if_contains("rules");
  for (const PolicyRule& rule : set->rules) {
    const std::string why = rule.inactive();
    if (why.empty() || asked_rules == nullptr || !asked_rules->is_array()) continue;
    const json::array& asked = asked_rules->get_array();
    if (std::ranges::find(asked, json::value(rule.id)) != asked.end())
      inactive.push_back(json::object{{"rule", rule.id}, {"why", why}});
  }
  found["inactive"] = std::move(inactive);
  return json_response(200, found);
}

Result<ApiResponse> list_approvals(const ApiContext& context, ApiCall& call) {
  const std::string state = asked(call, "state", "open");
  SLIPWAY_TRY(WaitingPage page,
              waiting_page(context, call, Kind::any, state == "all" ? "" : state));
  json::array shown;
  for (const ApprovalRequest& each : page.approvals)
    shown.push_back(approval_answer(context, call, each));
  json::object out{
      {"approvals", std::move(shown)},
      {"waivers", all_of(page.waivers)},
      {"emergencies", all_of(page.emergencies)},
      {"next_cursor", page.next.empty() ? json::value(nullptr) : json::value(page.next)}};
  // What became of the caller's own, which are not among the open ones any more: with the first
  // page.
  if (state == "open" && asked(call, "cursor").empty()) {
    SLIPWAY_TRY(const auto refused, refused_of_caller(context, call, asked(call, "project")));
    json::array own;
    for (const ApprovalRequest& each : refused) own.push_back(approval_answer(context, call, each));
    out["refused"] = std::move(own);
  }
  return json_response(200, out);
}

Result<ApiResponse> get_approval(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const ApprovalId id, parse_id<ApprovalId>(call.path_value("id"), "approval"));
  SLIPWAY_TRY(const ApprovalRequest request, context.governance.store().approval(id));
  return json_response(200, approval_answer(context, call, request));
}

Result<ApiResponse> approve(const ApiContext& context, ApiCall& call) {
  return answer(context, call, Vote::Choice::approve);
}

Result<ApiResponse> reject(const ApiContext& context, ApiCall& call) {
  return answer(context, call, Vote::Choice::reject);
}

Result<ApiResponse> list_waivers(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(WaitingPage page, waiting_page(context, call, Kind::waivers, asked(call, "state")));
  return json_response(
      200, json::object{
               {"waivers", all_of(page.waivers)},
               {"next_cursor", page.next.empty() ? json::value(nullptr) : json::value(page.next)}});
}

Result<ApiResponse> create_waiver(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const json::value body, call.body_json());
  Waiver wanted;
  std::int64_t seconds = 0;
  JsonReader reader(body);
  reader.require("rule").require("project").require("for_s");
  reader.read("rule", wanted.rule).read("subject", wanted.subject);
  reader.read("project", wanted.project).read("reason", wanted.reason).read("for_s", seconds);
  if (seconds < 1 || seconds > std::int64_t{10} * 365 * 86'400)
    reader.wrong("for_s", "a number of seconds");
  SLIPWAY_CHECK(reader.status());
  // It holds in every environment of the project.
  SLIPWAY_CHECK(authorize(context, call, wanted.project, every_environment));
  SLIPWAY_CHECK(must_exist(context, call, wanted.project));
  SLIPWAY_TRY(const Waiver waiver,
              context.governance.ask_waiver(call.by, wanted, std::chrono::seconds(seconds)));
  return json_response(201, slipway::to_json(waiver));
}

Result<ApiResponse> revoke_waiver(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const WaiverId id, parse_id<WaiverId>(call.path_value("id"), "waiver"));
  SLIPWAY_TRY(const Waiver revoked, context.governance.revoke_waiver(call.by, id));
  return json_response(200, slipway::to_json(revoked));
}

Result<ApiResponse> list_emergencies(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(WaitingPage page,
              waiting_page(context, call, Kind::emergencies, asked(call, "state")));
  return json_response(
      200, json::object{
               {"emergencies", all_of(page.emergencies)},
               {"next_cursor", page.next.empty() ? json::value(nullptr) : json::value(page.next)}});
}

Result<ApiResponse> declare_emergency(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const json::value body, call.body_json());
  std::string project, reason;
  JsonReader reader(body);
  reader.require("project").read("project", project).read("reason", reason);
  SLIPWAY_CHECK(reader.status());
  SLIPWAY_CHECK(authorize(context, call, project, every_environment));
  SLIPWAY_CHECK(must_exist(context, call, project));
  SLIPWAY_TRY(const BreakGlass emergency,
              context.governance.declare(call.by, std::move(project), std::move(reason)));
  return json_response(201, slipway::to_json(emergency));
}

Result<ApiResponse> end_emergency(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const BreakGlassId id, parse_id<BreakGlassId>(call.path_value("id"), "emergency"));
  SLIPWAY_TRY(const BreakGlass ended, context.governance.end_emergency(call.by, id));
  return json_response(200, slipway::to_json(ended));
}

}  // namespace slipway::handlers
