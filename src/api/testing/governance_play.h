#pragma once

// For tests: a server and the small model of its governance (governance_model.h), both asked for
// the same by the same people and agents. After each step they must have said, kept and recorded
// the same. A file for each part: governance_play_*_test.cc.

#include <rapidcheck.h>

#include <boost/json/serialize.hpp>
#include <functional>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "api/server_start.h"
#include "api/testing/api_world.h"
#include "api/testing/governance_model.h"
#include "api/testing/governance_rules.h"

namespace slipway::testing {

struct Step {
  unsigned what, who, a, b, c;
};
inline std::ostream& operator<<(std::ostream& out, const Step& step) {
  return out << fmt::format("{}({} {} {} {})", step.what, step.who, step.a, step.b, step.c);
}

class Play {
 public:
  Play();

  void step(const Step& step);

 private:
  using Place = std::pair<std::string, std::string>;  // project, environment
  struct Deployed {
    std::string id, project;
    std::size_t source = 0;
    ModelActor by;
    std::string state;  // ready, waits, canceled, failed, deleted
    bool ready_once = false, failed_once = false;
    ModelActor removed_by = {};  // while it is deleted
  };
  struct Move {
    std::string id, project, environment, deployment, request;
    ModelActor by;
    [[nodiscard]] Place place() const { return {project, environment}; }
    std::int64_t number = 0, config = 0;
    bool waits = false;
  };
  struct Released {
    std::int64_t number, config;
    std::string deployment;
    bool live;
  };
  using Vars = std::map<std::string, std::pair<std::string, bool>>;  // value, secret

  [[noreturn]] void disagree(const std::string& about, const std::string& server,
                             const std::string& model) const;
  template <class Value>
  void same(const std::string& about, const Value& server, const Value& model) const {
    if (server == model) return;
    disagree(about, fmt::format("{}", server), fmt::format("{}", model));
  }
  static std::string word(Said said);
  ApiResponse ask(const ModelToken& token, const std::string& method, const std::string& path,
                  const json::object& body = {}) {
    return w.call(token.text, method, path, json::serialize(body));
  }
  static Said said(const ApiResponse& response);
  void expect(const ApiResponse& response, Said wanted, std::string_view what);
  // The caller's, or Slipway's own.
  void event(const std::string& what) { events.insert(what + " " + caller.name); }
  void own_event(const std::string& what) { events.insert(what + " policy"); }
  // Nothing, when the token gets as far as the rules.
  std::optional<Said> stopped(const ModelToken& token, Permission permission,
                              const std::string& project, const std::string& environment) const;
  template <class List>
  static auto* pick(List& list, unsigned number) {
    return list.empty() ? nullptr : &list[number % list.size()];
  }
  // Mostly somebody who may do such a thing somewhere.
  std::size_t chosen(const Step& step) const;
  static std::string project_of(unsigned number) { return number % 3 ? "shop" : "site"; }

  // -- tokens
  void offline(const ModelToken& from, const Narrowing& narrowing);
  void narrow(const ModelToken& token, const Step& step);
  std::optional<Said> stopped_simply(const ModelToken& token, Permission permission) const;
  void revoke(const ModelToken& token, const Step& step);
  ApiResponse agent_call(const ModelToken& token, const std::string& verb, const Person& agent) {
    return w.call_at(token.text, "POST", fmt::format("/v1/agents/{}/{}", agent.name, verb),
                     {{"team", agent.team}});
  }
  std::optional<Said> no_brake(const ModelToken& token, const Person& agent) const;
  void kill(const ModelToken& token, const Step& step);
  void revive(const ModelToken& token, const Step& step);
  void manage(const ModelToken& token, const Step& step);

  // -- deployments
  Deployed* find(const std::string& id) {
    const auto at = std::ranges::find(deployed, id, &Deployed::id);
    return at == deployed.end() ? nullptr : &*at;
  }
  bool serves(const std::string& id, const std::string& environment = {}) const;
  std::vector<Finding> found_in(const std::string& project, std::size_t source,
                                const std::string& except) const;
  Said verdict_on(const Deployed& what, const ModelActor& by) const;
  void attempt(const ModelToken& token, const std::string& project, std::size_t source,
               const std::function<ApiResponse()>& call, std::string_view what);
  void settle(const Deployed& what);
  void deploy(const ModelToken& token, const Step& step);
  void redeploy(const ModelToken& token, const Step& step);
  void add_request(ModelRequest request);
  void close(ModelRequest& request, const std::string& state, bool by_caller = false);
  ModelRequest* request_for(const std::string& action, const std::string& resource);
  // Somebody agreed, disagreed or left, or another look is taken.
  void go_on(Deployed& what);
  void take_away(Deployed& what, const ModelActor& by);
  // Of what was removed, unless a release that has served keeps what it runs.
  [[nodiscard]] bool has_served(const Deployed& what) const;
  void withdraw_promotions(const Deployed& what, const std::string& by);
  static std::vector<Finding> removal_finds(const ModelActor& by) {
    if (!by.is_agent()) return {};
    return {{.rule = "agents-remove", .asks = true}};
  }
  void remove(const ModelToken& token, const Step& step);
  void undo(const ModelToken& token, const Step& step);

  // -- people
  void vote(const ModelToken& token, const Step& step);
  void consider(ModelRequest& request);
  bool has_votes(const ModelRequest& request) const {
    return std::ranges::any_of(request.votes,
                               [&](const ModelVote& vote) { return m.counts(request, vote); });
  }
  // By what it allows.
  void use(ModelRequest& request);
  void ask_waiver(const ModelToken& token, const Step& step);
  Said answered(const ModelToken& token, Permission permission, const std::string& project,
                const std::string& state, const std::string& asked_by, bool yes) const;
  void answer_waiver(const ModelToken& token, const Step& step, bool yes);
  void declare(const ModelToken& token, const Step& step);
  void answer_emergency(const ModelToken& token, const Step& step, bool yes);
  void end_what_lifts(const ModelToken& token, const Step& step);

  // -- variables
  void set_env(const ModelToken& token, const Step& step);
  template <class Alike>
  bool agreed(Alike alike) const {
    return std::ranges::any_of(m.requests, [&](const ModelRequest& one) {
      return alike(one) && !one.used && has_votes(one) &&
             (one.state == "open" || one.state == "approved");
    });
  }

  // -- releases
  void end_move(Move& move, const std::string& state);
  // By something that waits and does not give way to the caller.
  bool is_held(const Place& place) const;
  void replace_waiting(const Place& place);
  static std::vector<Finding> promotion_finds(const Move& move, const ModelActor& by);
  Said verdict_on(const Move& move, const ModelActor& by);
  // What people agreed to is used up by what it allows. False when it is allowed without them.
  bool use_votes(const Move& move, const ModelActor& by);
  static std::string change_of(const Move& move) {
    return fmt::format("{} {} {} {} {}", move.by.name, move.by.behalf, move.environment,
                       move.deployment, move.config);
  }
  void go_live(const Move& move);
  void go_on_moving(Move& move);
  void promote(const ModelToken& token, const Step& step);
  void roll_back(const ModelToken& token, const Step& step);

  // -- the rules themselves, and time
  void set_policy(const ModelToken& token, const Step& step);
  void tick(const Step& step);

  // -- what the server has kept
  void compare();
  void compare_records();

  ApiWorld w{fmt::format("{}{}{}", rules_head, keys_rule, other_rules)};
  GovernanceModel m;
  std::vector<ModelToken> tokens;
  std::vector<Person> people;
  std::vector<Deployed> deployed;
  std::vector<Move> moves;
  std::map<Place, std::vector<Released>> releases;
  std::map<Place, std::int64_t> current;
  std::map<Place, Vars> vars;
  std::map<Place, std::int64_t> versions;
  bool has_keys_rule = true;
  std::int64_t policy_version = 1;
  ModelActor caller;
  std::set<std::string> forgotten;  // members' own tokens that went with them
  std::multiset<std::string> events;
  std::uint64_t seen = 0;
  std::string history;
};

}  // namespace slipway::testing
