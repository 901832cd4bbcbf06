// A whole promote decision as the server makes it: facts gathered from the database, the default
// set evaluated over them with 1,000 findings, the snapshot written and digested; with 100, 10,000
// and 100,000 audit records. Budget (DESIGN.md §7): p99 <= 2 ms with 100,000.
//
//   bench_policy_whole [ROUNDS]
//
// Five records a deployment, as a preview leaves them; the database is in memory.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <tuple>

#include "db/policy_sql.h"
#include "db/stores.h"
#include "deploy/governance.h"

namespace {

using namespace slipway;
using namespace std::chrono_literals;

double cpu_ms() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

Deployment deployment(int number, Timestamp at) {
  Deployment out;
  out.id = DeploymentId::random();
  out.project = fmt::format("shop-{}", number % 50);
  out.alias = "preview";
  out.state = DeploymentState::sleeping;
  out.created_at = at;
  out.source = sha256(out.id.str());
  out.actor = {
      .kind = "agent", .name = fmt::format("coder-{}", number % 20), .on_behalf_of = "ann"};
  return out;
}

void fill(Stores& stores, const ManualClock& clock, int records) {
  const auto must = [](const auto& status) {
    if (!status) {
      fmt::print(stderr, "{}\n", status.error().message);
      std::exit(1);
    }
  };
  for (int i = 0; i < records / 5; ++i) {
    // Spread over the last 30 days.
    const Deployment made =
        deployment(i, clock.now() - std::chrono::minutes{(i * 17) % (30 * 24 * 60)});
    must(stores.repository->ensure_project({.actor = made.actor}, made.project, made.created_at));
    must(stores.repository->add({.actor = made.actor}, made, {}));
    must(stores.database->transaction([&](Database::Transaction& session) -> Status {
      for (const char* event : {"building", "ready", "sleeping"})
        SLIPWAY_CHECK(stores.audit->append(session, {.event = fmt::format("deployment.{}", event),
                                                     .by = by_system("pipeline"),
                                                     .resource = "deployment/" + made.id.str(),
                                                     .project = made.project}));
      return stores.audit->append(session, {.event = "alias.moved",
                                            .by = by_system("pipeline"),
                                            .resource = "alias/preview--" + made.project,
                                            .project = made.project});
    }));
  }
}

void add_findings(Facts& facts) {
  for (int i = 0; i < 1000; ++i)
    facts.add("finding", {{"id", fmt::format("f{}", i)},
                          {"scanner", "dependency"},
                          {"rule", "GHSA"},
                          {"subject", fmt::format("npm:package-{}@1.0.0", i)},
                          {"severity", i % 3},
                          {"detail", "a problem that somebody has described in one line"},
                          {"file", "package-lock.json"},
                          {"line", i},
                          {"fix", "upgrade it"},
                          {"waived", 0},
                          {"is_new", i % 2}});
}

void measure(int records, int rounds) {
  ManualClock clock;
  Stores stores = Stores::open(":memory:", clock).value();
  fill(stores, clock, records);
  Settings settings;
  const Names names("localhost", 7070);
  const auto governance = GovernanceService::open({.settings = settings,
                                                   .clock = clock,
                                                   .store = *stores.governance,
                                                   .repository = *stores.repository,
                                                   .names = names,
                                                   .evaluator = make_sql_rule_evaluator()})
                              .value();
  const Deployment subject = deployment(7, clock.now());
  Asked asked{.point = DecisionPoint::promote,
              .by = {.actor = subject.actor, .role = "deployer"},
              .project = subject.project,
              .environment = "production",
              .resource = "deployment/" + subject.id.str(),
              .action = "promote",
              .deployment = &subject,
              .more = add_findings};
  const auto row = [&](std::string_view what, const Asked& question) {
    std::vector<double> cpu;
    std::string_view verdict;
    for (int i = 0; i < rounds; ++i) {
      const double start = cpu_ms();
      const auto ruling = governance->decide(question);
      cpu.push_back(cpu_ms() - start);
      verdict = ruling ? to_string(ruling->stored.decision.verdict) : "error";
    }
    std::ranges::sort(cpu);
    const auto at = [&](double share) {
      return cpu[static_cast<std::size_t>(share * static_cast<double>(cpu.size() - 1))];
    };
    fmt::print("{:<14} {:<28} {:<8} {:>8.3f} {:>8.3f}\n", records, what, verdict, at(0.5),
               at(0.99));
  };
  // A refusal includes the search for what would make it pass.
  row("promote, 1,000 findings", asked);
  asked.more = nullptr;
  row("promote", asked);
  asked.point = DecisionPoint::preview;
  asked.environment = "preview";
  row("preview, as every deploy asks", asked);
}

}  // namespace

int main(int argc, char** argv) {
  int rounds = 500;
  if (argc > 1) {
    const std::string_view text = argv[1];
    std::from_chars(text.data(), text.data() + text.size(), rounds);
  }
  fmt::print("{:<14} {:<28} {:<8} {:>8} {:>8}\n", "audit records", "default set, CPU ms", "verdict",
             "p50", "p99");
  for (const int records : {100, 10'000, 100'000}) measure(records, rounds);
  return 0;
}
