// The key and note of golang.org/x/mod/sumdb/note (note_test.go), the reference of C2SP
// signed-note, and the example checkpoint of c2sp.org/tlog-checkpoint.
#include "audit/note.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "audit/checkpoint.h"

namespace slipway::note {
namespace {

constexpr std::string_view peter =
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
constexpr std::string_view text =
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n";
constexpr std::string_view peters_note =
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\xe2\x80\x94 PeterNeumann "
    "x08go/ZJkuBS9UG/"
    "SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

SignerKey peters_secret() {
  SignerKey key{.name = "PeterNeumann"};
  // PRIVATE+KEY+PeterNeumann+c74f20a3+..., as published there.
  const std::string raw = base64_decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz").value();
  std::memcpy(key.seed.data(), raw.data() + 1, key.seed.size());
  return key;
}

TEST(Note, TheReferenceKeyReadsAndWritesTheSame) {
  const VerifierKey key = VerifierKey::parse(peter).value();
  EXPECT_EQ(key.name, "PeterNeumann");
  EXPECT_EQ(key.id(), 0xc74f20a3u);
  EXPECT_EQ(key.str(), peter);
  EXPECT_EQ(peters_secret().verifier(), key);
}

TEST(Note, NoMangledKeyIsAccepted) {
  for (std::size_t i = 0; i <= peter.size(); ++i)
    for (std::size_t j = i; j <= peter.size(); ++j)
      if (i != 0 || j != peter.size())
        EXPECT_FALSE(VerifierKey::parse(peter.substr(i, j - i))) << i << ' ' << j;
  for (std::size_t i = 0; i < peter.size(); ++i) {
    std::string mangled(peter);
    ++mangled[i];
    EXPECT_FALSE(VerifierKey::parse(mangled)) << mangled;
  }
}

TEST(Note, SigningGivesTheReferenceNoteByteForByte) {
  const Note note{.text = std::string(text), .signatures = {sign(text, peters_secret())}};
  EXPECT_EQ(note.str(), peters_note);
}

TEST(Note, TheReferenceNoteVerifies) {
  const VerifierKey key = VerifierKey::parse(peter).value();
  const Note note = parse_note(peters_note).value();
  EXPECT_EQ(note.text, text);
  EXPECT_TRUE(verify(note, std::array{key}));
  EXPECT_FALSE(verify(note, {}));
  VerifierKey other = key;
  other.name = "PeterPan";
  EXPECT_FALSE(verify(note, std::array{other}));
}

TEST(Note, AnyFlippedBitIsNoticed) {
  const VerifierKey key = VerifierKey::parse(peter).value();
  for (std::size_t at = 0; at < peters_note.size(); ++at)
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string flipped(peters_note);
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      const auto note = parse_note(flipped);
      EXPECT_FALSE(note && verify(*note, std::array{key})) << at << '.' << bit;
    }
}

TEST(Note, SignaturesOfOthersArePassedOver) {
  const VerifierKey key = VerifierKey::parse(peter).value();
  const SignerKey witness{.name = "witness.example/w1", .seed = {1, 2, 3}};
  Note note = parse_note(peters_note).value();
  note.signatures.push_back(sign(note.text, witness));
  EXPECT_TRUE(verify(note, std::array{key}));
  EXPECT_TRUE(verify(parse_note(note.str()).value(), std::array{witness.verifier()}));
  // One of another kind, and so of another length.
  const std::string longer =
      note.str() + "\xe2\x80\x94 pq.example " + base64(std::string(300, 'x')) + "\n";
  EXPECT_EQ(parse_note(longer).value().signatures.size(), 2u);
  // A known key's signature that does not match spoils the note, even beside a good one.
  note.signatures[1].bytes[5] ^= 1;
  EXPECT_FALSE(verify(note, std::array{key, witness.verifier()}));
}

TEST(Note, MalformedOnesAreRefused) {
  for (const std::string_view bad :
       {"", "\n", "text\n", "text\n\n", "text\n\nno dash here\n", "text\n\n\xe2\x80\x94 name\n",
        "text\n\n\xe2\x80\x94 name AAAA\n", "text\n\n\xe2\x80\x94 name !!!!\n",
        "te\rxt\n\n\xe2\x80\x94 n AAAAAAAA\n"})
    EXPECT_FALSE(parse_note(bad)) << bad;
}

TEST(CheckpointText, ReadsTheExampleOfTheSpecification) {
  constexpr std::string_view example =
      "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
      "\xe2\x80\x94 example.com/behind-the-sofa "
      "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/"
      "Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
  const SignedCheckpoint read = SignedCheckpoint::parse(example).value();
  EXPECT_EQ(read.checkpoint.origin, "example.com/behind-the-sofa");
  EXPECT_EQ(read.checkpoint.size, 20852163u);
  EXPECT_EQ(read.note.str(), example);
  EXPECT_EQ(read.checkpoint.text(), read.note.text);
  EXPECT_EQ(SignedCheckpoint::parse_compact(read.compact()).value(), read);
}

TEST(CheckpointText, RefusesWhatIsAlmostOne) {
  for (const std::string_view bad :
       {"", "o\n", "o\n1\n", "o\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "o\n-1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n", "o\n1\nCsUY\n",
        "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
        "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n",
        "o\n99999999999999999999\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"})
    EXPECT_FALSE(Checkpoint::parse(bad)) << bad;
  EXPECT_TRUE(Checkpoint::parse("o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\nextension\n"));
  EXPECT_FALSE(SignedCheckpoint::parse_compact("o 1"));
}

}  // namespace
}  // namespace slipway::note
