#include "cli/audit_watch.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <map>

#include "audit/merkle.h"
#include "sys/files.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

// A server's log, scripted.
struct Log {
  note::SignerKey key{.name = "slipway-audit/test", .seed = {1}};
  std::vector<Digest> leaves;

  explicit Log(std::size_t records, std::string_view flavour = "") { add(records, flavour); }
  void add(std::size_t records, std::string_view flavour = "") {
    for (std::size_t i = 0; i < records; ++i)
      leaves.push_back(merkle::leaf_hash(fmt::format("{}{}", leaves.size(), flavour)));
  }
  [[nodiscard]] merkle::Nodes nodes() const {
    return [this](unsigned level, std::uint64_t first,
                  std::uint64_t count) -> Result<std::vector<Digest>> {
      if (level > 0) return std::vector<Digest>{};
      return std::vector(leaves.begin() + static_cast<std::ptrdiff_t>(first),
                         leaves.begin() + static_cast<std::ptrdiff_t>(first + count));
    };
  }
  [[nodiscard]] SignedCheckpoint sign() const {
    return SignedCheckpoint::make({.origin = key.name,
                                   .size = leaves.size(),
                                   .root = merkle::range_of(nodes(), leaves.size()).value().root()},
                                  std::array{key});
  }
  [[nodiscard]] std::string header() const { return sign().compact(); }
  [[nodiscard]] Result<json::object> get(const std::string& target) const {
    if (target == "/v1/audit/checkpoint")
      return json::object{{"checkpoint", sign().note.str()},
                          {"keys", json::array{key.verifier().str()}}};
    const auto number_behind = [&](std::string_view name) {
      return static_cast<std::uint64_t>(
          std::stoull(target.substr(target.find(name) + name.size())));
    };
    const auto proof =
        merkle::consistency_proof(nodes(), number_behind("from="), number_behind("to="));
    if (!proof) return fail(proof.error());
    json::array hashes;
    for (const Digest& hash : *proof) hashes.push_back(json::string(hash.hex()));
    return json::object{{"proof", std::move(hashes)}};
  }
};

class AuditWatchTest : public ::testing::Test {
 protected:
  TempDir directory =
      TempDir::create(std::filesystem::temp_directory_path(), "audit-watch-").value();
  ManualClock clock;

  std::unique_ptr<AuditWatch> watch(AuditWatch::Place place = AuditWatch::Place::elsewhere) {
    return std::make_unique<AuditWatch>(AuditWatch::file_of(directory.path(), "http://example.com"),
                                        place, clock);
  }
  static Status prove(AuditWatch& watch, const Log& log) {
    return watch.prove([&](const std::string& target) { return log.get(target); });
  }
  // Another command of the same user, some time later.
  Status meets(const Log& log, AuditWatch::Place place = AuditWatch::Place::elsewhere) {
    clock.advance(2min);
    const auto next = watch(place);
    SLIPWAY_CHECK(next->observe(log.header()));
    return next->due() ? prove(*next, log) : Status();
  }
};

TEST_F(AuditWatchTest, ALogThatGrowsIsWell) {
  Log log(3);
  EXPECT_TRUE(meets(log));
  EXPECT_TRUE(meets(log));
  for (const std::size_t more : {1u, 2u, 7u, 20u}) {
    log.add(more);
    EXPECT_TRUE(meets(log)) << log.leaves.size();
  }
  const auto known = AuditWatch::find(directory.path(), log.key.name);
  ASSERT_TRUE(known);
  EXPECT_EQ(known->proven, log.sign().checkpoint);
  EXPECT_EQ(known->keys, (std::vector{log.key.verifier()}));
}

TEST_F(AuditWatchTest, FewerRecordsOrOthersAreNoticedWithoutAsking) {
  ASSERT_TRUE(meets(Log(5)));
  EXPECT_EQ(watch()->observe(Log(4).header()).error().code, Errc::corrupt);
  EXPECT_EQ(watch()->observe(Log(5, "x").header()).error().code, Errc::corrupt);
  EXPECT_EQ(watch()->observe("nonsense").error().code, Errc::corrupt);
  EXPECT_TRUE(watch()->observe(Log(5).header())) << "an alarm changes nothing that is remembered";
}

TEST_F(AuditWatchTest, ALongerLogWithAnotherPastHasNoProof) {
  ASSERT_TRUE(meets(Log(5)));
  EXPECT_EQ(meets(Log(9, "x")).error().code, Errc::corrupt);
}

TEST_F(AuditWatchTest, WhatWasSeenBetweenProofsCountsToo) {
  Log log(5);
  ASSERT_TRUE(meets(log));
  Log fork = log;
  fork.add(2, "fork");
  log.add(4);
  {
    const auto brief = watch();
    EXPECT_TRUE(brief->observe(fork.header()));
    EXPECT_FALSE(brief->due()) << "a minute has not passed";
  }
  EXPECT_EQ(meets(log).error().code, Errc::corrupt);
}

TEST_F(AuditWatchTest, AnotherKeyNeedsTheOldOnesWord) {
  Log log(5);
  ASSERT_TRUE(meets(log));
  log.add(1);
  log.key.seed = {2};
  EXPECT_EQ(meets(log).error().code, Errc::corrupt);
}

TEST_F(AuditWatchTest, AnotherLogIsAnAlarmElsewhereAndANewBeginningHere) {
  ASSERT_TRUE(meets(Log(5)));
  Log other(2);
  other.key.name = "slipway-audit/other";
  EXPECT_EQ(meets(other).error().code, Errc::corrupt);
  EXPECT_TRUE(meets(other, AuditWatch::Place::here));
  EXPECT_TRUE(meets(other));
}

}  // namespace
}  // namespace slipway::cli
