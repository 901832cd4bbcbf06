#include "deploy/witnesses.h"

#include <gtest/gtest.h>

#include <functional>
#include <stop_token>

#include "base/mutex.h"
#include "base/text.h"
#include "db/stores.h"
#include "http/testing/scripted_server.h"
#include "sys/files.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

// A witness that answers as it is told, or signs what it is given, and keeps what came.
struct FakeWitness {
  note::SignerKey key{.name = "witness.example/w1", .seed = {4, 5, 6}};
  Mutex mutex;
  std::vector<std::string> bodies;    // under the mutex, like the next
  std::vector<std::string> scripted;  // answers in their order; then it signs
  std::function<void()> on_request;   // before it answers; set before use
  std::uint64_t time = 1'700'000'000;
  testing::ScriptedServer server{[this](testing::RawPeer& peer, int) {
    const std::string message = peer.read_message();
    const MutexLock lock(mutex);
    if (message.empty()) return;
    if (on_request) on_request();
    bodies.push_back(message.substr(message.find("\r\n\r\n") + 4));
    if (!scripted.empty()) {
      peer.send(scripted.front());
      scripted.erase(scripted.begin());
      return;
    }
    const std::string& body = bodies.back();
    const std::string note = body.substr(body.find("\n\n") + 2);
    peer.send(answer(200, note::cosign(note.substr(0, note.rfind("\n\n") + 1), key, time).line()));
  }};

  static std::string answer(int status, const std::string& body) {
    return fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}", status,
                       body.size(), body);
  }
  void script(std::vector<std::string> answers) {
    const MutexLock lock(mutex);
    scripted = std::move(answers);
  }
  std::vector<std::string> got() {
    const MutexLock lock(mutex);
    return bodies;
  }
  [[nodiscard]] std::string url() const {
    return fmt::format("http://127.0.0.1:{}/some/prefix", server.port());
  }
  [[nodiscard]] std::string vkey() const { return note::witness_key(key).str(); }
};

struct WitnessesTest : ::testing::Test {
  TempDir directory =
      TempDir::create(std::filesystem::temp_directory_path(), "slipway-witnesses-").value();
  ManualClock clock;
  Settings settings;
  Stores stores = Stores::open(":memory:", clock).value();
  std::unique_ptr<AuditLog> audit =
      AuditLog::open(directory.path() / "audit.key", *stores.audit, clock, {}).value();
  FakeWitness witness;
  Witnesses witnesses{
      {.settings = settings, .clock = clock, .store = *stores.witnesses, .audit = *audit}};

  void SetUp() override {
    settings.alerts.addresses = Settings::Alerts::Addresses::any;
    grow(3);
  }
  void grow(int records) {
    for (int i = 0; i < records; ++i)
      ASSERT_TRUE(stores.audit->record({.event = "deployment.created"}));
    ASSERT_TRUE(audit->sign());
  }
  void add() {
    ASSERT_TRUE(witnesses.add({}, "w1", witness.vkey(), witness.url()));
    ASSERT_TRUE(audit->sign());
  }
  Witness only() { return witnesses.list().value().at(0); }
  std::uint64_t size() { return audit->latest()->checkpoint.checkpoint.size; }
};

TEST_F(WitnessesTest, ACheckpointIsSubmittedAndItsCosignatureIsServedWithIt) {
  add();
  ASSERT_TRUE(witnesses.ask_due());
  ASSERT_EQ(witness.got().size(), 1u);
  EXPECT_EQ(witness.got()[0], "old 0\n\n" + audit->latest()->checkpoint.note.str());
  const auto cosigned = witnesses.cosigned().value().value();
  EXPECT_EQ(cosigned.checkpoint.checkpoint, audit->latest()->checkpoint.checkpoint);
  const note::WitnessKey key = note::witness_key(witness.key);
  EXPECT_EQ(note::verify_cosignatures(cosigned.note, std::span(&key, 1)).value().size(), 1u);
  EXPECT_EQ(witnesses.newest(), cosigned.note);
  EXPECT_EQ(only().result, "cosigned");
  EXPECT_EQ(only().size, size());
}

TEST_F(WitnessesTest, TheNextOneComesWithAProofThatTheLogOnlyGrewAndNotTooSoon) {
  add();
  std::ignore = witnesses.ask_due();
  const Checkpoint before = audit->latest()->checkpoint.checkpoint;
  grow(4);
  std::ignore = witnesses.ask_due();
  EXPECT_EQ(witness.got().size(), 1u) << "within five seconds";
  EXPECT_TRUE(witnesses.newest().contains(witness.key.name)) << "it keeps up";
  clock.advance(5s);
  std::ignore = witnesses.ask_due();
  ASSERT_EQ(witness.got().size(), 2u);
  const std::string body = witness.got()[1];
  ASSERT_TRUE(body.starts_with(fmt::format("old {}\n", before.size))) << body;
  merkle::Proof proof;
  const std::string head = body.substr(0, body.find("\n\n"));
  for (const std::string_view line : split(head, '\n')) {
    const auto raw = note::base64_decode(line);
    if (!raw || raw->size() != 32) continue;
    Digest hash;
    std::ranges::copy(*raw, hash.bytes.begin());
    proof.push_back(hash);
  }
  const Checkpoint now = audit->latest()->checkpoint.checkpoint;
  EXPECT_TRUE(merkle::verify_consistency(before.size, before.root, now.size, now.root, proof));
  std::ignore = witnesses.ask_due();
  clock.advance(1h);
  std::ignore = witnesses.ask_due();
  EXPECT_EQ(witness.got().size(), 2u) << "nothing is new";
}

TEST_F(WitnessesTest, AWitnessThatHasSeenAnotherSizeIsAskedFromThere) {
  add();
  witness.script({FakeWitness::answer(409, "2\n")});
  std::ignore = witnesses.ask_due();
  ASSERT_EQ(witness.got().size(), 2u);
  EXPECT_TRUE(witness.got()[1].starts_with("old 2\n"));
  EXPECT_EQ(only().size, size());
}

TEST_F(WitnessesTest, AWitnessThatHasSeenMoreThanThereIsSaysSoInTheList) {
  add();
  witness.script({FakeWitness::answer(409, "1000\n")});
  std::ignore = witnesses.ask_due();
  EXPECT_TRUE(only().result.contains("older copy")) << only().result;
  EXPECT_EQ(only().size, 0u);
}

TEST_F(WitnessesTest, WhatIsNoCosignatureByItsKeyOfThisCheckpointIsNotKept) {
  add();
  const std::string text = audit->latest()->checkpoint.note.text;
  const auto signed_by = [&](const note::SignerKey& key, const std::string& what,
                             std::uint64_t time) {
    return FakeWitness::answer(200, note::cosign(what, key, time).line());
  };
  note::Cosignature broken = note::cosign(text, witness.key, 5);
  broken.bytes[3] ^= 1;
  const std::string bad[] = {FakeWitness::answer(200, ""),
                             FakeWitness::answer(200, "hello\n"),
                             FakeWitness::answer(200, broken.line()),
                             signed_by(witness.key, text + "more\n", 5),
                             signed_by(witness.key, text, 0),
                             signed_by({.name = witness.key.name, .seed = {9}}, text, 5),
                             signed_by({.name = "other", .seed = witness.key.seed}, text, 5),
                             FakeWitness::answer(500, ""),
                             FakeWitness::answer(302, ""),
                             FakeWitness::answer(409, "x\n"),
                             FakeWitness::answer(409, "02\n"),
                             FakeWitness::answer(200, std::string(70'000, 'x'))};
  for (const std::string& answer : bad) {
    witness.script({answer});
    clock.advance(1h);
    const std::size_t before = witness.got().size();
    std::ignore = witnesses.ask_due();
    EXPECT_EQ(witness.got().size(), before + 1) << answer;
    EXPECT_EQ(only().size, 0u) << answer;
    EXPECT_NE(only().result, "cosigned") << answer;
    EXPECT_FALSE(only().result.empty()) << answer;
  }
  EXPECT_FALSE(witnesses.cosigned().value());
  EXPECT_EQ(witnesses.newest(), audit->latest()->checkpoint.note.str());
}

TEST_F(WitnessesTest, OneThatFailsIsAskedAgainAtGrowingIntervals) {
  add();
  for (const Duration wait : {Duration{5s}, Duration{30s}, Duration{2min}}) {
    witness.script({FakeWitness::answer(503, "")});
    const std::size_t before = witness.got().size();
    std::ignore = witnesses.ask_due();
    ASSERT_EQ(witness.got().size(), before + 1);
    clock.advance(wait - 1s);
    std::ignore = witnesses.ask_due();
    EXPECT_EQ(witness.got().size(), before + 1) << "too soon";
    clock.advance(1s);
  }
  EXPECT_EQ(Witnesses::retry_delay(100), 1h);
  std::ignore = witnesses.ask_due();
  EXPECT_EQ(only().result, "cosigned");
}

TEST_F(WitnessesTest, AStopWaitsForTheOneThatIsAskedAndAsksNoOther) {
  FakeWitness other;
  other.key = {.name = "witness.example/w2", .seed = {7, 8, 9}};
  ASSERT_TRUE(witnesses.add({}, "w2", other.vkey(), other.url()));
  add();
  std::stop_source stop;
  witness.on_request = other.on_request = [&] { stop.request_stop(); };
  EXPECT_EQ(witnesses.ask_due(stop.get_token()), std::nullopt);
  EXPECT_EQ(witness.got().size() + other.got().size(), 1u);
  ASSERT_TRUE(witnesses.ask_due());
  EXPECT_EQ(witness.got().size() + other.got().size(), 2u) << "the other was due";
}

TEST_F(WitnessesTest, ACosignedCheckpointThatIsLongPastIsNotShownForTheNewest) {
  add();
  std::ignore = witnesses.ask_due();
  grow(1);
  witness.script({FakeWitness::answer(503, "")});
  clock.advance(2min);
  std::ignore = witnesses.ask_due();
  EXPECT_EQ(witnesses.newest(), audit->latest()->checkpoint.note.str());
  EXPECT_LT(witnesses.cosigned().value().value().checkpoint.checkpoint.size, size());
}

TEST_F(WitnessesTest, NamesKeysAndAddressesAreLookedAtBeforeAnythingIsKept) {
  const std::string url = witness.url(), key = witness.vkey();
  EXPECT_EQ(witnesses.add({}, "W 1", key, url).error().code, Errc::invalid_argument);
  EXPECT_EQ(witnesses.add({}, "w1", audit->keys()[0].str(), url).error().code,
            Errc::invalid_argument);
  for (const std::string_view bad :
       {"", "ftp://a/", "http://u:p@a/", "http://a/?q", "http://a/#f", "http://a b/"})
    EXPECT_EQ(witnesses.add({}, "w1", key, bad).error().code, Errc::invalid_argument) << bad;
  settings.alerts.addresses = Settings::Alerts::Addresses::public_only;
  EXPECT_EQ(witnesses.add({}, "w1", key, url).error().code, Errc::permission_denied);
  EXPECT_EQ(witnesses.add({}, "w1", key, "http://169.254.169.254/").error().code,
            Errc::permission_denied);
  EXPECT_TRUE(witnesses.list().value().empty());
}

TEST_F(WitnessesTest, APrivateAddressIsRefusedAtEachRequestToo) {
  add();
  settings.alerts.addresses = Settings::Alerts::Addresses::public_only;
  std::ignore = witnesses.ask_due();
  EXPECT_TRUE(witness.got().empty());
  EXPECT_FALSE(only().result.empty());
}

TEST_F(WitnessesTest, ChangesAreOnRecordAndWhoIsGoneCountsNoMore) {
  add();
  std::ignore = witnesses.ask_due();
  EXPECT_EQ(witnesses.add({}, "w2", witness.vkey(), witness.url()).error().code, Errc::conflict);
  ASSERT_TRUE(witnesses.remove({}, "w1"));
  EXPECT_EQ(witnesses.remove({}, "w1").error().code, Errc::not_found);
  EXPECT_FALSE(witnesses.cosigned().value());
  EXPECT_FALSE(witnesses.ask_due()) << "without a witness it sleeps";
  std::vector<std::string> events;
  for (const std::string& text : stores.audit->records(1, 100).value())
    events.push_back(parse_audit_record(text).value().event.event);
  EXPECT_EQ(std::ranges::count(events, "witness.added"), 1);
  EXPECT_EQ(std::ranges::count(events, "witness.removed"), 1);
}

TEST_F(WitnessesTest, ThereIsRoomForSoManyAndNoMore) {
  for (std::size_t i = 0; i < WitnessStore::most; ++i) {
    const note::SignerKey key{.name = fmt::format("w{}", i),
                              .seed = {static_cast<std::uint8_t>(i), 1}};
    ASSERT_TRUE(witnesses.add({}, key.name, note::witness_key(key).str(), witness.url()));
  }
  EXPECT_EQ(witnesses.add({}, "more", witness.vkey(), witness.url()).error().code, Errc::conflict);
}

}  // namespace
}  // namespace slipway
