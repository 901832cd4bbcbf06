#include "audit/cosignature.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace slipway::note {
namespace {

struct CosignatureTest : ::testing::Test {
  const SignerKey log{.name = "log.example/a", .seed = {1, 2, 3}};
  const SignerKey witness{.name = "witness.example/w1", .seed = {4, 5, 6}};
  const WitnessKey key = witness_key(witness);
  const std::string text = "log.example/a\n1\nAAAA\n";
};

// Made by NewSignerForCosignatureV1 of github.com/transparency-dev/formats v0.1.0 with this seed.
TEST_F(CosignatureTest, IsWhatOthersMakeOfTheSameKey) {
  EXPECT_EQ(key.str(), "witness.example/w1+a3212b4e+BOTle8T8S8ot3IsfL5b9/JzhZufNY5wQuBHfe1EngbNB");
  const std::string line =
      "\xe2\x80\x94 witness.example/w1 oyErTgAAAABrDZLd5F5PPn2ZijDvGLFMzpdCMOVxmDbfQl8yd8Ne3f4Wt"
      "+pd8EEVxBw+CUfpBNOfwWGPHIDTreSs9DXGkZ1gVtmhDg==\n";
  const auto read = parse_cosignatures(line).value();
  ASSERT_EQ(read.size(), 1u);
  EXPECT_TRUE(verify(text, read[0], key));
  EXPECT_EQ(cosign(text, witness, read[0].time).line(), line);
}

TEST_F(CosignatureTest, IsReadBackAndMatchesItsTextItsTimeAndItsKeyAlone) {
  const Cosignature made = cosign(text, witness, 1'679'315'147);
  const auto read = parse_cosignatures(made.line()).value();
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(read[0], made);
  EXPECT_TRUE(verify(text, read[0], key));
  EXPECT_FALSE(verify(text + "x\n", read[0], key));
  Cosignature later = made;
  ++later.time;
  EXPECT_FALSE(verify(text, later, key));
  EXPECT_FALSE(verify(text, made, witness_key({.name = witness.name, .seed = {7}})));
  EXPECT_FALSE(verify(text, made, witness_key({.name = "other", .seed = witness.seed})));
}

TEST_F(CosignatureTest, AKeyIsOfAWitnessAndOfNoLog) {
  EXPECT_EQ(WitnessKey::parse(key.str()).value(), key);
  EXPECT_NE(key.id(), witness.verifier().id());
  const std::string good = key.str();
  for (const std::string& text :
       {std::string(), log.verifier().str(), good + "x", "+" + good, " " + good,
        good.substr(good.find('+')), good.substr(0, good.size() - 4)})
    EXPECT_EQ(WitnessKey::parse(text).error().code, Errc::invalid_argument) << text;
}

TEST_F(CosignatureTest, AKnownWitnesssWrongCosignatureSpoilsTheNoteAndAStrangersIsPassedOver) {
  const std::string note = Note{.text = text, .signatures = {sign(text, log)}}.str();
  const Cosignature good = cosign(text, witness, 5);
  const std::string stranger = cosign(text, {.name = "w2", .seed = {9}}, 5).line();
  EXPECT_TRUE(verify_cosignatures(note, std::span(&key, 1)).value().empty());
  const auto both = verify_cosignatures(note + stranger + good.line(), std::span(&key, 1)).value();
  ASSERT_EQ(both.size(), 1u);
  EXPECT_EQ(both[0], good);
  EXPECT_EQ(verify_cosignatures(note + good.line() + good.line(), std::span(&key, 1))->size(), 1u);
  Cosignature bad = good;
  bad.bytes[0] ^= 1;
  EXPECT_EQ(verify_cosignatures(note + bad.line(), std::span(&key, 1)).error().code, Errc::corrupt);
}

TEST_F(CosignatureTest, WhatIsNoSignatureLineIsRefused) {
  for (const std::string_view lines : {"x\n", "\xe2\x80\x94 a\n", "\xe2\x80\x94 a b\n",
                                       "\xe2\x80\x94 a AAAAAAAA", "\n", "- a AAAAAAAA\n"})
    EXPECT_EQ(parse_cosignatures(lines).error().code, Errc::corrupt) << lines;
  EXPECT_TRUE(parse_cosignatures("\xe2\x80\x94 a AAAAAAAA\n").value().empty());
  Cosignature beyond = cosign(text, witness, 5);
  beyond.time = std::uint64_t{1} << 63;
  EXPECT_TRUE(parse_cosignatures(beyond.line()).value().empty());
}

}  // namespace
}  // namespace slipway::note
