// Whatever is done to a log or to its export is noticed: flips, deletions, changes of order,
// truncation, forks, an older copy, another key.
#include "audit/export.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>

#include "base/text.h"

namespace slipway {
namespace {

const std::string origin = "slipway-audit/test";

note::SignerKey key_number(std::uint8_t number) {
  note::SignerKey key{.name = origin};
  key.seed.fill(number);
  return key;
}

// A log in memory.
struct Log {
  std::vector<std::string> records;
  std::vector<SignedCheckpoint> checkpoints;
  std::vector<note::SignerKey> keys{key_number(1)};
  merkle::CompactRange range;
  Digest last;

  void add(std::string event, std::map<std::string, std::string> detail = {}) {
    AuditRecord record{.seq = range.size() + 1, .time = Timestamp{std::chrono::seconds{1}}};
    record.previous = last;
    record.event = {
        .event = std::move(event), .by = by_system("test"), .detail = std::move(detail)};
    records.push_back(canonical_record(record).value());
    last = merkle::leaf_hash(records.back());
    range.append(last);
  }
  [[nodiscard]] std::vector<note::SignerKey> signers() const {
    return {keys.end() - std::min<std::ptrdiff_t>(2, std::ssize(keys)), keys.end()};
  }
  SignedCheckpoint sign() const {
    return SignedCheckpoint::make({.origin = origin, .size = range.size(), .root = range.root()},
                                  signers());
  }
  void rotate(const note::SignerKey& next) {
    add("audit.key_rotated",
        {{"old", keys.back().verifier().str()}, {"new", next.verifier().str()}});
    keys.push_back(next);
  }
  // The lines of an export that begins behind `cut` records.
  [[nodiscard]] std::vector<std::string> lines(std::uint64_t cut = 0) const {
    ExportHeader header{.origin = origin, .first = cut + 1, .size = range.size()};
    for (const note::SignerKey& key : keys) header.keys.push_back(key.verifier());
    merkle::CompactRange prefix;
    for (std::uint64_t i = 0; i < cut; ++i) prefix.append(merkle::leaf_hash(records[i]));
    header.prefix = prefix.hashes();
    header.checkpoint = sign();
    std::vector<std::string> out{""};
    for (std::uint64_t i = cut; i < records.size(); ++i) {
      out.push_back(records[i]);
      for (const SignedCheckpoint& one : checkpoints)
        if (one.checkpoint.size == i + 1) {
          out.push_back(export_checkpoint_line(one));
          ++header.checkpoints;
        }
    }
    out[0] = header.line();
    return out;
  }
};

Log sample(std::size_t records, std::string_view flavour = "") {
  Log log;
  for (std::size_t i = 0; i < records; ++i) {
    log.add(fmt::format("deployment.number{}{}", i, flavour));
    if (i % 3 == 1) log.checkpoints.push_back(log.sign());
  }
  return log;
}

Result<ExportSummary> verify(const std::vector<std::string>& lines,
                             ExportVerifier::Trust trust = {.keys = {key_number(1).verifier()}}) {
  ExportVerifier verifier(std::move(trust));
  for (const std::string& line : lines) SLIPWAY_CHECK(verifier.line(line));
  return verifier.finish();
}

TEST(Export, AnUntouchedOneVerifies) {
  const Log log = sample(10);
  const ExportSummary summary = verify(log.lines()).value();
  EXPECT_EQ(summary.size, 10u);
  EXPECT_EQ(summary.root, log.range.root());
  EXPECT_EQ(summary.checkpoints, log.checkpoints.size());
  EXPECT_TRUE(verify(log.lines(), {}));
  EXPECT_TRUE(verify(Log().lines()));
}

TEST(Export, EveryFlippedBitIsNoticed) {
  const std::vector<std::string> good = sample(4).lines();
  for (std::size_t line = 0; line < good.size(); ++line)
    for (std::size_t at = 0; at < good[line].size(); ++at) {
      std::vector<std::string> lines = good;
      lines[line][at] = static_cast<char>(lines[line][at] ^ (1 << (at + line) % 8));
      EXPECT_FALSE(verify(lines)) << "line " << line << " byte " << at;
    }
}

TEST(Export, AnotherKeyIsNoticed) {
  Log forged = sample(5);
  forged.keys = {key_number(9)};
  forged.checkpoints.clear();
  EXPECT_FALSE(verify(forged.lines()));
  EXPECT_TRUE(verify(forged.lines(), {}));  // in one piece, but not ours
  note::SignerKey elsewhere = key_number(1);
  elsewhere.name = "slipway-audit/other";
  EXPECT_FALSE(verify(sample(5).lines(), {.keys = {elsewhere.verifier()}}));
}

TEST(Export, AnOlderOneIsNoRewrittenOneAndSaysThatItDoesNotReachWhatWasSeen) {
  const Log then = sample(5), now = sample(8);
  const Checkpoint seen = now.sign().checkpoint;
  const std::vector keys{key_number(1).verifier()};
  using Seen = ExportSummary::Seen;
  const auto said = [&](const Log& log, std::optional<Checkpoint> checkpoint) {
    return verify(log.lines(), {.keys = keys, .seen = std::move(checkpoint)}).value().seen;
  };
  EXPECT_EQ(said(now, seen), Seen::agrees);
  EXPECT_EQ(said(now, then.sign().checkpoint), Seen::agrees);
  EXPECT_EQ(said(then, std::nullopt), Seen::nothing);
  EXPECT_EQ(said(then, seen), Seen::unknown);
}

TEST(Export, OneThatBeginsBehindWhatWasSeenSaysNothingOfIt) {
  Log log = sample(9);
  const Checkpoint seen = sample(3).sign().checkpoint;
  merkle::CompactRange prefix;
  for (std::size_t i = 0; i < 5; ++i) prefix.append(merkle::leaf_hash(log.records[i]));
  log.add("audit.truncated", {{"through", "5"}, {"root", prefix.root().hex()}});
  const ExportVerifier::Trust trust{.keys = {key_number(1).verifier()}, .seen = seen};
  EXPECT_EQ(verify(log.lines(5), trust).value().seen, ExportSummary::Seen::unknown);
}

TEST(Export, AForkIsNoticedByWhoSawTheOtherBranch) {
  const std::vector keys{key_number(1).verifier()};
  Log fork = sample(6), other = sample(6);
  fork.add("deployment.kept");
  other.add("deployment.swapped");
  other.add("deployment.more");
  EXPECT_FALSE(verify(other.lines(), {.keys = keys, .seen = fork.sign().checkpoint}));
  EXPECT_TRUE(verify(other.lines(), {.keys = keys, .seen = sample(6).sign().checkpoint}));
}

TEST(Export, TrustFollowsRotationsThatWereRecordedAndSigned) {
  Log log = sample(3);
  for (std::uint8_t number = 2; number < 5; ++number) {
    log.rotate(key_number(number));
    log.checkpoints.push_back(log.sign());
    log.add("deployment.more");
  }
  const ExportSummary summary = verify(log.lines()).value();
  EXPECT_EQ(summary.keys.size(), 4u);
  // From whichever key: the rotations name the one before as well.
  for (std::uint8_t number = 1; number < 5; ++number)
    EXPECT_TRUE(verify(log.lines(), {.keys = {key_number(number).verifier()}})) << int{number};
  EXPECT_FALSE(verify(log.lines(), {.keys = {key_number(9).verifier()}}));
  // With the checkpoint left out that vouched for a rotation the last key is nobody's.
  log.checkpoints.clear();
  EXPECT_FALSE(verify(log.lines()));
}

TEST(Export, OneThatBeginsBehindACutMustSayWhy) {
  Log log = sample(9);
  merkle::CompactRange prefix;
  for (std::size_t i = 0; i < 5; ++i) prefix.append(merkle::leaf_hash(log.records[i]));
  EXPECT_FALSE(verify(log.lines(5)));
  log.add("audit.truncated", {{"through", "5"}, {"root", prefix.root().hex()}});
  EXPECT_TRUE(verify(log.lines(5)));
  EXPECT_FALSE(verify(log.lines(4)));
  Log lying = sample(9);
  lying.add("audit.truncated", {{"through", "5"}, {"root", sha256("x").hex()}});
  EXPECT_FALSE(verify(lying.lines(5)));
}

RC_GTEST_PROP(ExportProperty, WhateverIsDoneToItIsNoticed, ()) {
  const auto size = *rc::gen::inRange<std::size_t>(2, 30);
  const std::vector<std::string> good = sample(size).lines();
  std::vector<std::string> lines = good;
  const auto at = *rc::gen::inRange<std::size_t>(0, lines.size());
  const auto other = *rc::gen::inRange<std::size_t>(0, lines.size());
  switch (*rc::gen::inRange(0, 6)) {
    case 0: {  // a flip
      const auto byte = *rc::gen::inRange<std::size_t>(0, lines[at].size());
      lines[at][byte] = static_cast<char>(lines[at][byte] ^ (1 << *rc::gen::inRange(0, 8)));
      break;
    }
    case 1:  // a deletion
      lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(at));
      break;
    case 2:  // another order
      std::swap(lines[at], lines[other]);
      break;
    case 3:  // truncation
      lines.resize(at);
      break;
    case 4:  // a repetition
      lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(other), lines[at]);
      break;
    default:  // lines of another log of the same length
      lines[at] = sample(size, "x").lines()[at];
      break;
  }
  RC_PRE(lines != good);
  RC_ASSERT(!verify(lines).has_value());
}

RC_GTEST_PROP(ExportProperty, ARewrittenHistoryIsNoticedEvenWithTheKey, ()) {
  // Whoever has the key writes another past and signs it: clients that saw the first notice.
  const auto seen_size = *rc::gen::inRange<std::size_t>(1, 20);
  const auto changed = *rc::gen::inRange<std::size_t>(0, seen_size);
  const auto more = *rc::gen::inRange<std::size_t>(0, 10);
  const Checkpoint seen = sample(seen_size).sign().checkpoint;
  Log rewritten;
  for (std::size_t i = 0; i < seen_size + more; ++i)
    rewritten.add(fmt::format("deployment.number{}{}", i, i == changed ? "!" : ""));
  RC_ASSERT(!verify(rewritten.lines(), {.keys = {key_number(1).verifier()}, .seen = seen}));
}

TEST(Proof, HoldsForItsRecordAlone) {
  const Log log = sample(11);
  std::vector<Digest> leaves;
  for (const std::string& record : log.records) leaves.push_back(merkle::leaf_hash(record));
  const merkle::Nodes nodes = [&](unsigned level, std::uint64_t first,
                                  std::uint64_t count) -> Result<std::vector<Digest>> {
    if (level > 0) return std::vector<Digest>{};
    return std::vector(leaves.begin() + static_cast<std::ptrdiff_t>(first),
                       leaves.begin() + static_cast<std::ptrdiff_t>(first + count));
  };
  const RecordProof proof{.record = log.records[6],
                          .seq = 7,
                          .path = merkle::inclusion_proof(nodes, 6, 11).value(),
                          .checkpoint = log.sign(),
                          .keys = {key_number(1).verifier()}};
  const std::string line = proof.line();
  EXPECT_TRUE(RecordProof::parse(line).value().verify({}));
  EXPECT_TRUE(proof.verify(std::array{key_number(1).verifier()}));
  EXPECT_FALSE(proof.verify(std::array{key_number(2).verifier()}));
  for (std::size_t at = 0; at < line.size(); ++at) {
    std::string flipped = line;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << at % 8));
    const auto read = RecordProof::parse(flipped);
    EXPECT_FALSE(read && read->verify(std::array{key_number(1).verifier()}) &&
                 read->keys == proof.keys)
        << at;
  }
}

}  // namespace
}  // namespace slipway
