// What the audit log costs. bench_audit [RECORDS] [DIRECTORY]
//
// Appends with a commit that reaches the disk, beside a commit of one plain row; appends without
// the disk, by their parts; a proof in a log of RECORDS (1,000,000 unless told otherwise).
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "audit/checkpoint.h"
#include "base/clock.h"
#include "db/audit_store.h"
#include "db/database.h"
#include "db/schema.h"

namespace {

using namespace slipway;

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

template <class Work>
void measure(std::string_view what, std::size_t times, Work work) {
  const double wall = wall_seconds(), cpu = cpu_seconds();
  for (std::size_t i = 0; i < times; ++i) work(i);
  const auto per = [&](double seconds) { return seconds * 1e6 / static_cast<double>(times); };
  fmt::print("{:<52} {:>9.2f} us  {:>9.2f} us CPU\n", what, per(wall_seconds() - wall),
             per(cpu_seconds() - cpu));
}

void must(const Status& status) {
  if (status) return;
  fmt::print(stderr, "{}\n", status.error().message);
  std::exit(1);
}

AuditEvent event_number(std::size_t number) {
  return {.event = "deployment.ready",
          .action = "deploy",
          .by = {.actor = {.kind = "agent",
                           .name = "ci",
                           .on_behalf_of = "ann",
                           .chain = {"human:ann", "agent:ci"},
                           .token = "tok_aaaaaaaaaa"},
                 .request_id = "req_aaaaaaaaaa",
                 .source_address = "127.0.0.1"},
          .resource = fmt::format("deployment/dpl_{:010}", number),
          .team = "default",
          .project = "shop",
          .environment = "preview",
          .before = "sha256:" + std::string(64, 'a'),
          .after = "sha256:" + std::string(64, 'b'),
          .detail = {{"source", "sha256:" + std::string(64, 'c')}}};
}

void durable(const std::filesystem::path& directory, const Clock& clock) {
  const auto database = Database::open(directory / "durable.db", schema_migrations).value();
  AuditStore store(*database, clock);
  constexpr std::size_t times = 500;
  measure("one plain row, committed to the disk", times, [&](std::size_t i) {
    must(database->transaction([&](Database::Transaction& session) -> Status {
      SLIPWAY_TRY(Statement insert,
                  session.prepare("INSERT INTO setting(key,value) VALUES(?,'x')"));
      const std::string key = std::to_string(i);
      return insert.bind(1, key).run();
    }));
  });
  measure("one audit record, committed to the disk", times,
          [&](std::size_t i) { must(store.record(event_number(i))); });
  measure("the row and the record in one transaction", times, [&](std::size_t i) {
    must(database->transaction([&](Database::Transaction& session) -> Status {
      SLIPWAY_TRY(Statement insert,
                  session.prepare("INSERT INTO setting(key,value) VALUES(?,'x')"));
      const std::string key = "b" + std::to_string(i);
      SLIPWAY_CHECK(insert.bind(1, key).run());
      return store.append(session, event_number(i));
    }));
  });
}

void in_memory(const Clock& clock) {
  constexpr std::size_t times = 20'000;
  const AuditRecord record{.seq = 1, .time = clock.now(), .event = event_number(1)};
  const std::string text = canonical_record(record).value();
  measure("canonical form of a record", times,
          [&](std::size_t) { std::ignore = canonical_record(record).value(); });
  measure("its leaf hash", times, [&](std::size_t) { std::ignore = merkle::leaf_hash(text); });
  const note::SignerKey key{.name = "bench", .seed = {1}};
  measure("a signed checkpoint", 2'000, [&](std::size_t) {
    std::ignore = SignedCheckpoint::make({.origin = "bench", .size = 1}, std::array{key});
  });
}

void proofs(const std::filesystem::path& directory, std::uint64_t records, const Clock& clock) {
  const auto database = Database::open(directory / "large.db", schema_migrations).value();
  AuditStore store(*database, clock);
  constexpr std::uint64_t batch = 10'000;
  const auto fill = [&](std::uint64_t count) {
    must(database->transaction([&](Database::Transaction& session) -> Status {
      for (std::uint64_t i = 0; i < count; ++i)
        SLIPWAY_CHECK(store.append(session, event_number(i)));
      return {};
    }));
  };
  const double cpu = cpu_seconds();
  for (std::uint64_t done = 0; done < records; done += batch) fill(std::min(batch, records - done));
  fmt::print("{:<52} {:>9}     {:>9.2f} us CPU\n",
             fmt::format("append {} records, {} a transaction", records, batch), "",
             (cpu_seconds() - cpu) * 1e6 / static_cast<double>(records));
  const auto head = store.head().value();
  fmt::print("at {} records, {} MB:\n", head.size,
             std::filesystem::file_size(directory / "large.db") / 1'000'000);
  measure("  inclusion proof", 200, [&](std::size_t i) {
    std::ignore = store.inclusion(1 + i * 7919 % head.size, head.size).value();
  });
  measure("  consistency proof", 200, [&](std::size_t i) {
    std::ignore = store.consistency(1 + i * 7919 % head.size, head.size).value();
  });
  measure("  open the log", 5, [&](std::size_t) {
    AuditStore fresh(*database, clock);
    std::ignore = fresh.head().value();
  });
  measure("  a page of 50, no filter", 100,
          [&](std::size_t) { std::ignore = store.list({}).value(); });
  measure("  a page that finds nothing in 50,000 records", 3,
          [&](std::size_t) { std::ignore = store.list({.project = "none"}).value(); });
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t records = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  const std::filesystem::path parent = argc > 2 ? argv[2] : ".";
  const std::filesystem::path directory =
      parent / fmt::format("bench-audit-{}", static_cast<long>(::getpid()));
  std::filesystem::create_directories(directory);
  const SystemClock clock;
  in_memory(clock);
  durable(directory, clock);
  proofs(directory, records, clock);
  std::filesystem::remove_all(directory);
  return 0;
}
