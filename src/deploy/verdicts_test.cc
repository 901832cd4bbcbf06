// A verdict does not depend on how often it is asked: whatever was refused, waits or failed is no
// base for the next attempt, by any way in.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "deploy/testing/world.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;
using testing::Files;
using testing::World;

struct TestRule {
  enum class Reads { key_file, many_files } reads = Reads::key_file;
  enum class Wants { nothing, approval } wants = Wants::nothing;
  bool at_build = true, at_preview = true;

  [[nodiscard]] std::string toml() const {
    const std::string on = at_build && at_preview ? R"("build", "preview")"
                           : at_build             ? R"("build")"
                                                  : R"("preview")";
    const std::string approvals =
        wants == Wants::approval ? "approvals = { need = 1, roles = [\"approver\"] }\n" : "";
    const bool keys = reads == Reads::key_file;
    return "name = \"test\"\n[[rule]]\nid = \"the-rule\"\non = [" + on +
           "]\nenforce = \"hard\"\nmessage = \"no\"\n" + approvals + "violations = \"" +
           (keys ? "SELECT subject FROM file WHERE path LIKE '%.pem' AND change != 'removed'"
                 : "SELECT 'change' AS subject FROM change WHERE files > 1") +
           "\"\n[[rule.test]]\nexpect = \"deny\"\n" +
           (keys ? "file = [{ path = \"a.pem\", change = \"added\" }]\n"
                 : "change = { files = 2 }\n") +
           "[[rule.test]]\nexpect = \"pass\"\n";
  }
  [[nodiscard]] bool finds(const Files& before, const Files& after) const {
    int differ = 0;
    bool key = false;
    for (const auto& [path, text] : after) {
      const auto old = std::ranges::find(before, path, &Files::value_type::first);
      if (old != before.end() && old->second == text) continue;
      ++differ;
      key = key || path.ends_with(".pem");
    }
    for (const auto& [path, text] : before)
      if (std::ranges::find(after, path, &Files::value_type::first) == after.end()) ++differ;
    return reads == Reads::key_file ? key : differ > 1;
  }
};

const std::vector<Files> sources{
    {{"index.html", "1"}},
    {{"index.html", "2"}},
    {{"index.html", "1"}, {"key.pem", "k"}},
    {{"about.html", "a"}, {"index.html", "2"}, {"more.html", "m"}},
};

// What the server should know: attempts in order, with what became of each.
struct Model {
  enum class State { shown, waits, refused, removed };
  struct Attempt {
    DeploymentId id;
    std::size_t source;
    State state;
  };
  TestRule rule;
  std::vector<Attempt> attempts;

  [[nodiscard]] bool violates(std::size_t source, const DeploymentId& except = {}) const {
    const auto base = std::ranges::find_if(attempts.rbegin(), attempts.rend(), [&](auto& each) {
      return each.state == State::shown && each.id != except;
    });
    return rule.finds(base == attempts.rend() ? Files{} : sources[base->source], sources[source]);
  }
  [[nodiscard]] State verdict(std::size_t source, const DeploymentId& except = {}) const {
    if (!violates(source, except)) return State::shown;
    return rule.wants == TestRule::Wants::approval ? State::waits : State::refused;
  }
  Attempt* waiting(std::size_t source) {
    const auto at = std::ranges::find_if(attempts, [&](const Attempt& each) {
      return each.state == State::waits && each.source == source;
    });
    return at == attempts.end() ? nullptr : &*at;
  }
};

// What became of it, in the model's words.
Model::State state_of(const Deployment& deployment) {
  if (waits_for_approval(deployment)) return Model::State::waits;
  if (deployment.state == DeploymentState::ready) return Model::State::shown;
  RC_ASSERT(deployment.error.has_value());
  RC_ASSERT(deployment.error->code == Errc::denied_by_policy);
  return Model::State::refused;
}

void check_attempt(World& w, Model& model, const Result<Deployment>& made, std::size_t source) {
  const Model::Attempt* before = model.waiting(source);
  const Model::State wanted = model.verdict(source, before ? before->id : DeploymentId{});
  if (!made) {
    RC_ASSERT(made.error().code == Errc::denied_by_policy);
    RC_ASSERT(wanted == Model::State::refused);
    return;
  }
  const Model::State got = state_of(w.settled(made->id));
  RC_ASSERT(got == wanted);
  if (before != nullptr) {
    RC_ASSERT(made->id == before->id);
    model.waiting(source)->state = got;
  } else {
    model.attempts.push_back({made->id, source, got});
  }
}

TestRule any_rule() {
  const int points = *rc::gen::inRange(0, 3);
  return {.reads = *rc::gen::element(TestRule::Reads::key_file, TestRule::Reads::many_files),
          .wants = *rc::gen::element(TestRule::Wants::nothing, TestRule::Wants::approval),
          .at_build = points != 1,
          .at_preview = points != 2};
}

void attempts_keep_the_verdict() {
  Model model{.rule = any_rule(), .attempts = {}};
  World w(model.rule.toml());
  constexpr int most_steps = 14;
  const auto steps = *rc::gen::resize(
      most_steps, rc::gen::container<std::vector<std::pair<int, std::size_t>>>(rc::gen::pair(
                      rc::gen::inRange(0, 8), rc::gen::inRange<std::size_t>(0, sources.size()))));
  for (const auto& [what, number] : steps) {
    w.clock.advance(1s);  // removals have an order
    if (what < 4 || model.attempts.empty()) {
      check_attempt(w, model, w.submit("shop", sources[number]), number);
      continue;
    }
    Model::Attempt& one = model.attempts[number % model.attempts.size()];
    const Deployment of = w.repository->get(one.id).value();
    if (what < 6) {
      check_attempt(w, model, w.service.redeploy({}, of, "", {}), one.source);
    } else if (what == 6) {
      RC_ASSERT(w.service.remove({}, of).has_value());
      one.state = Model::State::removed;
    } else if (one.state == Model::State::removed && of.ready_at) {
      const auto back = w.service.undo({}, of.id);
      const bool allowed =
          !model.rule.at_preview || model.verdict(one.source, one.id) == Model::State::shown;
      RC_ASSERT(back.has_value() == allowed);
      if (allowed) one.state = Model::State::shown;
    }
  }
}

RC_GTEST_PROP(Verdicts, DependOnTheFilesAndWhatIsShownAndNotOnAttempts, ()) {
  attempts_keep_the_verdict();
}

TEST(Verdicts, ARefusedFolderIsRefusedEachTimeAndByRedeployAndUndo) {
  World w(TestRule{.at_build = false}.toml());
  const Deployment good = w.deploy("shop", sources[0]);
  for (int i = 0; i < 3; ++i) {
    const Deployment bad = w.deploy("shop", sources[2]);
    ASSERT_EQ(bad.state, DeploymentState::failed);
    EXPECT_EQ(bad.error->code, Errc::denied_by_policy);
    EXPECT_EQ(bad.base, good.id);
    const Deployment again = w.settled(w.service.redeploy({}, bad, "", {}).value().id);
    EXPECT_EQ(again.state, DeploymentState::failed);
    EXPECT_EQ(again.changed.added, std::vector<std::string>{"key.pem"});
  }
  EXPECT_EQ(w.site_at("preview--shop.localhost"), good.id);
}

TEST(Verdicts, WhatWasRemovedBeforeARuleCameIsNotBroughtBackPastIt) {
  World w;
  const Deployment key = w.deploy("shop", sources[2]);
  ASSERT_TRUE(w.service.remove({}, key).has_value());
  const std::string text = std::string(default_policy_text()) +
                           TestRule{.at_build = false}.toml().substr(sizeof "name = \"test\"");
  AuditContext admin{.role = "admin"};
  admin.actor.name = "root";
  w.stores.governance
      ->activate(admin, {.version = 2, .name = "t", .text = text, .digest = sha256(text)})
      .value();
  auto strict = GovernanceService::open({.settings = w.settings,
                                         .clock = w.clock,
                                         .store = *w.stores.governance,
                                         .repository = *w.repository,
                                         .names = w.names,
                                         .evaluator = make_sql_rule_evaluator()})
                    .value();
  DeployService service{{.settings = w.settings,
                         .clock = w.clock,
                         .repository = *w.repository,
                         .blobs = w.blobs,
                         .fleet = w.fleet,
                         .routes = w.routes,
                         .pipeline = w.pipeline,
                         .events = w.events,
                         .names = w.names,
                         .governance = *strict,
                         .environments = w.environments,
                         .releases = *w.stores.releases,
                         .layers = w.layers}};
  EXPECT_EQ(service.undo({}, {}).error().code, Errc::denied_by_policy);
  EXPECT_EQ(w.shown(w.host(key)), "deleted");
}

TEST(Verdicts, TheSameFilesWaitForTheSameApproval) {
  World w(TestRule{.wants = TestRule::Wants::approval}.toml());
  const Deployment first = w.submit("shop", sources[2]).value();
  ASSERT_TRUE(waits_for_approval(first));
  EXPECT_EQ(w.submit("shop", sources[2]).value().id, first.id);
  EXPECT_EQ(w.service.redeploy({}, first, "", {}).value().id, first.id);
  EXPECT_EQ(w.stores.governance->approvals("open", "shop").value().size(), 1u);
  // Other files wait for an approval of their own.
  Files other = sources[2];
  other[0].second = "other";
  EXPECT_NE(w.submit("shop", other).value().id, first.id);
}

}  // namespace
}  // namespace slipway
