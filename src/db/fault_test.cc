// Every operation of the disk below a change fails once, in turn, until the change passes
// untouched; and power is lost at each. Whatever happens: what was acknowledged is there, nothing
// is there by halves, the error says whose fault it was, and afterwards all goes on.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "audit/record.h"
#include "base/ids.h"
#include "db/stores.h"
#include "db/testing/fault_disk.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::FaultDisk;
using Fault = FaultDisk::Fault;

const AuditContext by{.actor = {.kind = "human", .name = "ann", .chain = {"human:ann"}}};
const DeploymentId deployed = DeploymentId::parse("dpl_aaaaaaaaaa").value(),
                   wanted = DeploymentId::parse("dpl_bbbbbbbbbb").value();
const RolloutId begun = RolloutId::parse("rol_aaaaaaaaaa").value(),
                next = RolloutId::parse("rol_bbbbbbbbbb").value();

Deployment deployment_of(const DeploymentId& id) {
  Deployment out;
  out.id = id;
  out.project = "shop";
  out.alias = "preview";
  out.state = DeploymentState::ready;
  out.source = sha256("source");
  out.created_at = Timestamp{1'800'000'000s};
  return out;
}

Rollout rollout_of(const RolloutId& id, std::string environment) {
  Rollout out;
  out.id = id;
  out.project = "shop";
  out.environment = std::move(environment);
  out.state = RolloutState::running;
  out.deployment = deployed;
  return out;
}

Release release_of(const Rollout& rollout) {
  Release out;
  out.deployment = rollout.deployment;
  return out;
}

Configuration configuration_of(std::int64_t version, std::string value) {
  return {.project = "shop",
          .environment = "preview",
          .version = version,
          .vars = {{.name = "KEY", .value = std::move(value)}}};
}

struct Change {
  std::string name;
  std::function<Status(Stores&)> make;
  std::function<bool(Stores&)> is_there;
  std::uint64_t records = 1;  // of the audit log
  friend void PrintTo(const Change& change, std::ostream* out) { *out << change.name; }
};

Status without_value(const auto& result) { return result ? Status() : fail(result.error()); }

const std::vector<Change> changes{
    {"Add",
     [](Stores& s) {
       const StoredDecision decision{.id = DecisionId::parse("dec_aaaaaaaaaa").value()};
       return without_value(s.repository->add(by, deployment_of(wanted), "key",
                                              {.decision = &decision, .facts = "{}"}));
     },
     [](Stores& s) {
       const bool added = s.repository->get(wanted).has_value();
       const auto decided = s.governance->decision(DecisionId::parse("dec_aaaaaaaaaa").value());
       EXPECT_EQ(decided.has_value(), added) << "a change without its decision, or the reverse";
       return added;
     }},
    {"Update",
     [](Stores& s) {
       return without_value(s.repository->update(by, deployed, [](Deployment& change) -> Status {
         change.state = DeploymentState::deleted;
         return {};
       }));
     },
     [](Stores& s) { return s.repository->get(deployed)->state == DeploymentState::deleted; }},
    {"SetVariables",
     [](Stores& s) { return s.configurations->add(by, configuration_of(2, "two"), {}); },
     [](Stores& s) { return s.configurations->current("shop", "preview")->version == 2; }},
    {"Reseal",
     [](Stores& s) {
       return without_value(s.configurations->reseal(
           by, [](const Configuration&, const EnvironmentVar& var) -> Result<std::string> {
             return "new " + var.value;
           }));
     },
     [](Stores& s) {
       std::size_t resealed = 0;
       for (const Configuration& each : s.configurations->history("shop", "preview", 10).value())
         resealed += each.vars.at(0).value.starts_with("new ") ? 1 : 0;
       for (const Configuration& each : s.configurations->history("shop", "staging", 10).value())
         resealed += each.vars.at(0).value.starts_with("new ") ? 1 : 0;
       EXPECT_TRUE(resealed == 0 || resealed == 2) << "all or none, not " << resealed;
       return resealed > 0;
     }},
    {"BeginPromotion",
     [](Stores& s) {
       const Rollout rollout = rollout_of(next, "staging");
       return without_value(s.releases->begin(by, rollout, release_of(rollout)));
     },
     [](Stores& s) {
       const bool active = s.releases->environment("shop", "staging")->active == next;
       EXPECT_EQ(s.releases->release("shop", "staging", 1).has_value(), active);
       EXPECT_EQ(s.releases->rollout(next).has_value(), active);
       return active;
     },
     2},
    {"MakeCurrent",
     [](Stores& s) {
       return without_value(s.releases->make_current(by, begun, [](Rollout& change) -> Status {
         change.state = RolloutState::watching;
         change.switched_at = Timestamp{1'800'000'001s};
         return {};
       }));
     },
     [](Stores& s) {
       const bool current = s.releases->environment("shop", "production")->current == 1;
       EXPECT_EQ(s.releases->rollout(begun)->state == RolloutState::watching, current);
       EXPECT_EQ(s.releases->release("shop", "production", 1)->live_at.has_value(), current);
       return current;
     },
     2},
    {"KillAgent", [](Stores& s) { return s.identity->kill_agent(by, "bot"); },
     [](Stores& s) { return !s.identity->agents().empty(); }},
    {"Record", [](Stores& s) { return s.audit->record({.event = "audit.test", .by = by}); },
     [](Stores& s) { return !s.audit->list({.action = "audit.test"}).value().records.empty(); }},
};

class Faults : public ::testing::TestWithParam<std::tuple<Change, Fault>> {
 protected:
  Faults() { fs::create_directories(directory); }
  ~Faults() override { fs::remove_all(directory); }

  Stores open() {
    auto stores = Stores::open(directory / "slipway.db", clock, secrets);
    EXPECT_TRUE(stores) << stores.error().message;
    return *std::move(stores);
  }
  // What each change starts from, closed and on disk.
  void prepare() {
    Stores s = open();
    EXPECT_TRUE(s.repository->ensure_project(by, "shop", clock.now()));
    EXPECT_TRUE(s.repository->add(by, deployment_of(deployed), {}));
    EXPECT_TRUE(s.configurations->add(by, configuration_of(1, "one"), {}));
    Configuration staging = configuration_of(1, "one");
    staging.environment = "staging";
    EXPECT_TRUE(s.configurations->add(by, staging, {}));
    const Rollout rollout = rollout_of(begun, "production");
    EXPECT_TRUE(s.releases->begin(by, rollout, release_of(rollout)));
    records = s.audit->head()->size;
  }
  // The change is there whole, with its records, or not at all; and the log is one chain.
  bool look(Stores& stores, const Change& change) const {
    const bool there = change.is_there(stores);
    const auto log = stores.audit->records(1, 1000).value();
    EXPECT_EQ(log.size(), records + (there ? change.records : 0));
    Digest previous;
    for (const std::string& text : log) {
      const auto record = parse_audit_record(text);
      EXPECT_TRUE(record && record->previous == previous);
      previous = merkle::leaf_hash(text);
    }
    return there;
  }

  const fs::path directory = fs::temp_directory_path() / ("slipway-faults-" + random_id());
  const ManualClock clock{Timestamp{1'800'000'000s}};
  const IdentitySecrets secrets{.key = {sha256("key")}, .local_token = "slp_local"};
  std::uint64_t records = 0;
};

TEST_P(Faults, EachOfTheDisksOperationsInTurn) {
  const auto& [change, fault] = GetParam();
  prepare();
  const fs::path before = directory / "before", file = directory / "slipway.db";
  fs::rename(file, before);
  for (int number = 1;; ++number) {
    SCOPED_TRACE(number);
    ASSERT_LT(number, 500) << "it never passes untouched";
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(file.string() + suffix);
    fs::copy_file(before, file);
    FaultDisk disk;
    Status outcome;
    bool failed = false;
    {
      Stores stores = open();
      disk.fail_at(number, fault);
      outcome = change.make(stores);
      if (fault != Fault::power) {
        failed = disk.repair();
        EXPECT_EQ(look(stores, change), outcome.has_value());
        if (!outcome) {
          EXPECT_EQ(outcome.error().code, fault == Fault::full ? Errc::disk_full : Errc::io)
              << outcome.error().message;
          const Status again = change.make(stores);
          EXPECT_TRUE(again) << again.error().message;
          EXPECT_TRUE(look(stores, change));
          outcome = again;
        }
      }
    }
    if (fault == Fault::power) {
      failed = disk.repair();
      disk.lose_what_was_not_synced();
    }
    Stores stores = open();
    const bool there = look(stores, change);
    EXPECT_TRUE(there || !outcome) << "what was acknowledged is lost";
    if (!failed) {
      EXPECT_TRUE(outcome);
      break;
    }
    if (HasFailure()) break;
  }
}

std::string name_of(const ::testing::TestParamInfo<std::tuple<Change, Fault>>& info) {
  const Fault fault = std::get<1>(info.param);
  return std::get<0>(info.param).name + (fault == Fault::io     ? "OnABrokenDisk"
                                         : fault == Fault::full ? "OnAFullDisk"
                                                                : "AsPowerIsLost");
}

INSTANTIATE_TEST_SUITE_P(Of, Faults,
                         ::testing::Combine(::testing::ValuesIn(changes),
                                            ::testing::Values(Fault::io, Fault::full,
                                                              Fault::power)),
                         name_of);

}  // namespace
}  // namespace slipway
