#include "audit/tlog_proof.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "audit/tile.h"

namespace slipway {
namespace {

// The first of two entries.
struct TlogProofTest : ::testing::Test {
  const note::SignerKey key{.name = "log.example/a", .seed = {1, 2, 3}};
  const std::vector<note::VerifierKey> keys{key.verifier()};
  const Digest other = merkle::leaf_hash("two");
  TlogProof proof = make();

  TlogProof make() const {
    TlogProof out{.extra = "one", .index = 0, .path = {other}};
    out.checkpoint = SignedCheckpoint::make(
        {.origin = key.name, .size = 2, .root = merkle::node_hash(merkle::leaf_hash("one"), other)},
        std::span(&key, 1));
    out.note = out.checkpoint.note.str();
    return out;
  }
};

TEST_F(TlogProofTest, IsWrittenLineByLineAsTheSpecificationHasIt) {
  const std::string text = proof.str();
  EXPECT_TRUE(text.starts_with("c2sp.org/tlog-proof@v1\nextra b25l\nindex 0\n")) << text;
  EXPECT_TRUE(text.contains("=\n\nlog.example/a\n2\n")) << text;
  const TlogProof again = TlogProof::parse(text).value();
  EXPECT_EQ(again.str(), text);
  EXPECT_TRUE(again.verify(again.extra, keys));
}

TEST_F(TlogProofTest, ProvesNothingElseAndByNobodyElsesKey) {
  EXPECT_EQ(proof.verify("two", keys).error().code, Errc::corrupt);
  TlogProof moved = proof;
  moved.index = 1;
  EXPECT_FALSE(moved.verify("one", keys));
  const auto stranger = note::SignerKey{.name = key.name, .seed = {9}}.verifier();
  EXPECT_FALSE(proof.verify("one", std::span(&stranger, 1)));
  EXPECT_FALSE(proof.verify("one", {}));
}

TEST_F(TlogProofTest, SignaturesOfOthersStayVerbatim) {
  proof.note += "\xe2\x80\x94 witness.example " + note::base64(std::string(76, 'x')) + "\n";
  const std::string text = proof.str();
  EXPECT_EQ(TlogProof::parse(text).value().str(), text);
  EXPECT_TRUE(TlogProof::parse(text).value().verify("one", keys));
}

TEST_F(TlogProofTest, TheOnlyEntryOfALogNeedsNoPathAndNoExtraData) {
  TlogProof one{.index = 0};
  one.checkpoint = SignedCheckpoint::make(
      {.origin = key.name, .size = 1, .root = merkle::leaf_hash("one")}, std::span(&key, 1));
  one.note = one.checkpoint.note.str();
  EXPECT_TRUE(one.str().starts_with("c2sp.org/tlog-proof@v1\nindex 0\n\nlog.example/a\n1\n"));
  EXPECT_TRUE(TlogProof::parse(one.str()).value().verify("one", keys));
}

TEST_F(TlogProofTest, WhatIsWrittenInAnotherWayIsNoProof) {
  const std::string good = proof.str();
  const auto with = [&](std::string_view what, std::string_view instead) {
    std::string text = good;
    return text.replace(text.find(what), what.size(), instead);
  };
  for (const std::string& text :
       {std::string(), with("@v1", "@v2"), with("index 0", "index 00"), with("index 0", "index -1"),
        with("index 0\n", ""), with("extra b25l", "extra b25"), with("extra b25l", "extra "),
        with("\n\n", "\n"), with("index 0\n", "index 0\nAAAA\n"), good.substr(0, good.size() - 1),
        with("index 0\n", "index 0\r\n")})
    EXPECT_EQ(TlogProof::parse(text).error().code, Errc::corrupt) << text;
}

TEST_F(TlogProofTest, TheLargestEntryFits) {
  proof.extra = std::string(tlog::largest_entry, 'x');
  EXPECT_EQ(TlogProof::parse(proof.str()).value().extra, proof.extra);
}

}  // namespace
}  // namespace slipway
