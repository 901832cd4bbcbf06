// How long a decision takes: a promote with the default set and with 50 rules over 500 facts, and
// a denial with its remedies. Budget (DESIGN.md §7): p99 <= 2 ms.
//
//   bench_policy [ROUNDS]
//
// Times are of the thread's CPU, and beside them of the clock, so that a busy machine shows. The
// audit log is not a fact table: what rules ask of it (how much was deployed lately) is counted by
// an index into the table `velocity`, so that a decision does not grow with the log.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <ctime>
#include <string_view>
#include <vector>

#include "db/policy_sql.h"
#include "policy/engine.h"

namespace {

using slipway::Facts;
using slipway::PolicySet;

Facts facts(int findings, int files) {
  constexpr std::int64_t now = 1'800'000'000;
  const slipway::RequestTime time = slipway::request_time(now);
  Facts out;
  out.know_all().add("request", {{"point", "promote"},
                                 {"team", "t"},
                                 {"project", "shop"},
                                 {"environment", "production"},
                                 {"actor_kind", "human"},
                                 {"actor_name", "alice"},
                                 {"on_behalf_of", ""},
                                 {"role", "deployer"},
                                 {"session", ""},
                                 {"now", now},
                                 {"weekday", time.weekday},
                                 {"hour", time.hour},
                                 {"minute", time.minute},
                                 {"automatic", 0}});
  out.add("scan", {{"state", "done"}, {"source_digest", ""}, {"detail", ""}});
  for (int i = 0; i < findings; ++i)
    out.add("finding", {{"id", fmt::format("f{}", i)},
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
  for (int i = 0; i < files; ++i)
    out.add("file", {{"path", fmt::format("src/components/panel-{}.tsx", i)},
                     {"subject", ""},
                     {"change", "modified"},
                     {"kind", "source"},
                     {"bytes", i * 100}});
  return out;
}

// Fifty rules over the two large tables; none is violated.
std::string fifty_rules() {
  std::string out;
  for (int i = 0; i < 50; ++i) {
    const std::string query =
        i % 2 == 0 ? fmt::format(
                         "SELECT subject FROM finding WHERE severity >= sev('critical') "
                         "AND subject LIKE '%{}%'",
                         i)
                   : fmt::format(
                         "SELECT path AS subject FROM file WHERE kind = 'migration' AND "
                         "bytes > {}",
                         i);
    out += fmt::format(
        "[[rule]]\nid = \"rule-{}\"\non = [\"promote\"]\nenforce = \"soft\"\nviolations = \"{}\"\n"
        "message = \"{{subject}}\"\n[[rule.test]]\nexpect = \"deny\"\n[[rule.test]]\nexpect = "
        "\"pass\"\n",
        i, query);
  }
  return out;
}

double cpu_ms() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

double wall_ms() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

template <class Work>
void row(std::string_view what, int rounds, double budget, Work work) {
  std::vector<double> cpu, wall;
  for (int i = 0; i < rounds; ++i) {
    const double cpu_start = cpu_ms(), wall_start = wall_ms();
    work();
    cpu.push_back(cpu_ms() - cpu_start);
    wall.push_back(wall_ms() - wall_start);
  }
  std::ranges::sort(cpu);
  std::ranges::sort(wall);
  const auto at = [](const std::vector<double>& times, double share) {
    return times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))];
  };
  fmt::print("{:<58} {:>8.3f} {:>8.3f} {:>8.3f} {:>8.3f} {:>8.1f}\n", what, at(cpu, 0.5),
             at(cpu, 0.99), at(wall, 0.5), at(wall, 0.99), budget);
}

PolicySet read(std::string_view text) {
  auto set = slipway::parse_policy_set(text);
  if (!set) {
    for (const auto& problem : set.error()) fmt::print(stderr, "{}\n", to_string(problem));
    std::exit(1);
  }
  return *std::move(set);
}

}  // namespace

int main(int argc, char** argv) {
  int rounds = 1000;
  if (argc > 1) {
    const std::string_view text = argv[1];
    std::from_chars(text.data(), text.data() + text.size(), rounds);
  }
  const auto evaluator = slipway::make_sql_rule_evaluator();
  const slipway::SystemClock clock;
  const PolicySet standard = read(slipway::default_policy_text()), fifty = read(fifty_rules());
  fmt::print("{:<58} {:>8} {:>8} {:>8} {:>8} {:>8}\n", "milliseconds", "cpu p50", "cpu p99", "p50",
             "p99", "budget");
  const auto decision = [&](std::string_view what, const PolicySet& set, const Facts& on) {
    row(what, rounds, 2, [&] { std::ignore = evaluate(set, on, *evaluator, clock); });
  };
  decision("promote, default set, 50 facts", standard, facts(25, 25));
  decision("promote, default set, 500 facts", standard, facts(250, 250));
  decision("promote, default set, 1,000 findings and 100 files", standard, facts(1000, 100));
  decision("promote, 50 rules, 500 facts", fifty, facts(250, 250));
  Facts bad = facts(250, 250);
  bad.add("env_var",
          {{"name", "KEY"}, {"subject", "KEY"}, {"required", 1}, {"is_set", 0}, {"secret", 1}});
  row("a denial with the search for remedies, 500 facts", rounds / 10 + 1, 50, [&] {
    auto denial = evaluate(standard, bad, *evaluator, clock);
    find_remedies(denial, standard, bad, *evaluator);
  });
  row("snapshot: canonical JSON and digest, 500 facts", rounds, 2,
      [on = facts(250, 250)] { std::ignore = on.digest(); });
  row("reading and linting the default set", rounds / 10 + 1, 50,
      [&] { std::ignore = read(slipway::default_policy_text()); });
  return 0;
}
