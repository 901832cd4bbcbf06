// Who plays, whose turn it is, and what is compared after it.
#include "api/testing/governance_play.h"

#include "base/text.h"

namespace slipway::testing {

using namespace std::chrono_literals;

Play::Play() {
  w.world.standing = [this](const Actor& actor, const std::string& team, const std::string& then) {
    return standing_of(*w.stores().identity, actor, team, then);
  };
  IdentityStore& identity = *w.stores().identity;
  identity.create_team({}, "makers").value();
  for (const auto& [team, project] : {std::pair("default", "shop"), {"makers", "site"}})
    identity.give_project({}, team, project).value();
  for (const auto& [team, name, role] :
       std::vector<std::array<std::string, 3>>{{"default", "ann", "deployer"},
                                               {"default", "bob", "approver"},
                                               {"default", "cat", "admin"},
                                               {"default", "dan", "viewer"},
                                               {"makers", "ann", "deployer"},
                                               {"makers", "eve", "admin"},
                                               {"makers", "gus", "approver"}}) {
    const Person person{team, name};
    m.members[person] = role;
    const std::string text = w.token_of(name, *parse_role(role), team);
    tokens.push_back(
        {.text = text, .ids = {id_of(text)}, .of = person, .narrowings = {}, .expires = {}});
    people.push_back(person);
  }
  // Agents from the beginning: two of one name.
  for (const std::size_t of : {0, 2, 4, 5})
    offline(tokens[of], {.agent = "coder", .project = {}, .actions = {}});
  m.now = w.world.clock.now();
  seen = w.stores().audit->head().value().size;
}

void Play::step(const Step& step) {
  w.world.clock.advance(1min);
  m.now = w.world.clock.now();
  events.clear();
  const ModelToken token = tokens[chosen(step)];
  history += fmt::format("\n  {} by {} {}", step.what % 20, token.of.called(),
                         fmt::join(token.agents(), ">"));
  caller = m.works(token) ? m.actor(token) : ModelActor{};
  switch (step.what % 20) {
    case 0:
    case 1:
    case 2:
      deploy(token, step);
      break;
    case 3:
      redeploy(token, step);
      break;
    case 4:
    case 5:
    case 6:
      vote(token, step);
      break;
    case 7:
    case 8:
      set_env(token, step);
      break;
    case 9:
    case 10:
      promote(token, step);
      break;
    case 11:
      roll_back(token, step);
      break;
    case 12:
      step.c % 2 ? remove(token, step) : undo(token, step);
      break;
    case 13:
      step.c % 2 ? ask_waiver(token, step) : declare(token, step);
      break;
    case 14:
      narrow(token, step);
      break;
    case 15:
      revoke(token, step);
      break;
    case 16:
      step.c % 3 ? kill(token, step) : revive(token, step);
      break;
    case 17:
      manage(token, step);
      break;
    case 18:
      set_policy(token, step);
      break;
    default:
      step.c % 2 ? end_what_lifts(token, step) : tick(step);
  }
  compare();
}

void Play::disagree(const std::string& about, const std::string& server,
                    const std::string& model) const {
  RC_FAIL(
      fmt::format("{}: the server says {}, the model {}; after{}", about, server, model, history));
}

std::string Play::word(Said said) {
  constexpr std::array<std::string_view, 6> words{"ok",      "waits",   "denied",
                                                  "refused", "unknown", "impossible"};
  return std::string(words[static_cast<std::size_t>(said)]);
}

Said Play::said(const ApiResponse& response) {
  if (response.status < 300) return Said::ok;
  if (response.status == 401) return Said::unknown;
  const json::value problem = json_of(response);
  if (response.status != 403) return Said::impossible;
  if (problem.at("code") != "denied_by_policy") return Said::refused;
  return problem.at("decision").at("verdict") == "pending" ? Said::waits : Said::denied;
}

void Play::expect(const ApiResponse& response, Said wanted, std::string_view what) {
  history += fmt::format(": {} {}", what, response.status);
  // What is out of the caller's reach is to them as what does not exist.
  const bool hidden = wanted == Said::refused && response.status == 404;
  const Said got = hidden ? Said::refused : said(response);
  if (got != wanted || response.status >= 500)
    disagree(std::string(what),
             fmt::format("{} ({})", word(got), std::get<std::string>(response.body)), word(wanted));
  if (got == Said::denied || (got == Said::waits && response.status == 403))
    event("request.denied");
}

std::optional<Said> Play::stopped(const ModelToken& token, Permission permission,
                                  const std::string& project,
                                  const std::string& environment) const {
  if (!m.works(token)) return Said::unknown;
  if (!m.may(token, permission, project, environment)) return Said::refused;
  return {};
}

std::size_t Play::chosen(const Step& step) const {
  using enum Permission;
  static constexpr std::array wanted{
      deploy,       deploy,       deploy,     deploy,      approve,      approve, approve,
      env_write,    env_write,    promote,    promote,     rollback,     remove,  waive,
      token_create, token_revoke, kill_agent, team_manage, policy_write, waive};
  const std::size_t first = step.who % tokens.size();
  if (step.who % 4 == 0) return first;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::size_t at = (first + i) % tokens.size();
    if (m.works(tokens[at]) && m.has(tokens[at], wanted[step.what % wanted.size()])) return at;
  }
  return first;
}

void Play::compare() {
  for (const ModelRequest& each : m.requests)
    same("approval of " + each.action,
         w.stores().governance->approval(*ApprovalId::parse(each.id)).value().state, each.state);
  same("how many approvals", w.stores().governance->approvals("", "").value().size(),
       m.requests.size());
  for (const ModelWaiver& each : m.waivers)
    same("a waiver", w.stores().governance->waiver(*WaiverId::parse(each.id)).value().state,
         each.state);
  for (const ModelEmergency& each : m.emergencies)
    same("an emergency",
         w.stores().governance->break_glass(*BreakGlassId::parse(each.id)).value().state,
         each.state);
  for (const Deployed& each : deployed) {
    const Deployment kept = w.stores().repository->get(*DeploymentId::parse(each.id)).value();
    const std::string state =
        waits_for_approval(kept) ? "waits" : std::string(to_string(kept.state));
    same("deployment " + each.id, state, each.state);
  }
  for (const auto& [place, list] : releases) {
    const EnvironmentState state =
        w.stores().releases->environment(place.first, place.second).value();
    same<std::int64_t>(fmt::format("what {} of {} serves", place.second, place.first),
                       state.current, current.contains(place) ? current.at(place) : 0);
  }
  for (const auto& [place, version] : versions) {
    const Configuration kept = w.world.environments.show(place.first, place.second).value();
    same("version of variables", kept.version, version);
    Vars found;
    for (const EnvironmentVar& var : kept.vars) {
      const bool secret = var.disclosure == Disclosure::secret;
      found[var.name] = {secret ? vars[place][var.name].first : var.value, secret};
    }
    same("variables", found == vars[place], true);
  }
  same<std::int64_t>("version of the rules", w.stores().governance->active_set().value()->version,
                     policy_version);
  for (const ModelToken& each : tokens)
    same("token of " + each.of.called(), w.stores().identity->authenticate(each.text).has_value(),
         m.works(each));
  compare_records();
}

void Play::compare_records() {
  static const std::set<std::string_view> governed{"approval", "waiver",  "break_glass",
                                                   "policy",   "token",   "agent",
                                                   "member",   "request", "configuration"};
  std::multiset<std::string> found;
  const auto head = w.stores().audit->head().value().size;
  for (std::uint64_t seq = seen + 1; seq <= head; ++seq) {
    const AuditRecord record = parse_audit_record(w.stores().audit->get(seq).value()).value();
    const std::string& what = record.event.event;
    if (governed.contains(std::string_view(what).substr(0, what.find('.'))) ||
        what == "deployment.created" || what == "release.created")
      found.insert(what + " " + record.event.by.actor.name);
  }
  seen = head;
  if (found != events)
    disagree("the log", fmt::format("[{}]", fmt::join(found, ", ")),
             fmt::format("[{}]", fmt::join(events, ", ")));
}

}  // namespace slipway::testing
