#include "release/alerts.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "audit/note.h"
#include "base/mutex.h"
#include "base/text.h"
#include "db/stores.h"
#include "http/testing/scripted_server.h"
#include "json/json.h"
#include "sys/files.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

// A receiver that answers as it is told and keeps what came.
struct Receiver {
  Mutex mutex;
  std::vector<std::string> messages;
  std::function<void()> before_answer;                     // set while nothing is sent
  std::string answer = "HTTP/1.1 204 No Content\r\n\r\n";  // under the mutex, like the messages
  testing::ScriptedServer server{[this](testing::RawPeer& peer, int) {
    std::string message = peer.read_message();
    const MutexLock lock(mutex);
    if (message.empty()) return;
    messages.push_back(std::move(message));
    if (before_answer) before_answer();
    peer.send(answer);
  }};
  [[nodiscard]] std::string url() const {
    return fmt::format("http://127.0.0.1:{}/hook?x=1", server.port());
  }
  void answers(std::string text) {
    const MutexLock lock(mutex);
    answer = std::move(text);
  }
  std::vector<std::string> got() {
    const MutexLock lock(mutex);
    return messages;
  }
};

std::string header(const std::string& message, std::string_view name) {
  const std::string wanted = fmt::format("\r\n{}: ", name);
  const auto at = message.find(wanted);
  if (at == std::string::npos) return {};
  const auto begin = at + wanted.size();
  return message.substr(begin, message.find("\r\n", begin) - begin);
}
std::string body(const std::string& message) {
  return message.substr(message.find("\r\n\r\n") + 4);
}

struct World {
  TempDir directory =
      TempDir::create(std::filesystem::temp_directory_path(), "slipway-alerts-").value();
  ManualClock clock;
  Settings settings;
  Stores stores = Stores::open(":memory:", clock).value();
  SecretBox box = SecretBox::open(directory.path() / "secrets.key").value();
  Receiver receiver;
  std::unique_ptr<Alerts> alerts;

  World() {
    settings.alerts.addresses = Settings::Alerts::Addresses::any;
    restart();
  }
  void restart() {
    alerts = std::make_unique<Alerts>(Alerts::Parts{.settings = settings,
                                                    .clock = clock,
                                                    .store = *stores.alerts,
                                                    .box = box,
                                                    .server_url = "http://localhost:7070"});
  }
  Alerts::Added add(std::string environment = {}, std::vector<std::string> events = {}) {
    return alerts
        ->add({}, {.project = "shop",
                   .environment = std::move(environment),
                   .url = receiver.url(),
                   .events = std::move(events)})
        .value();
  }
  void tell(std::string event = "release.rolled_back", std::string environment = "production") {
    Rollout rollout{.id = RolloutId::random(),
                    .project = "shop",
                    .environment = std::move(environment),
                    .from = 3,
                    .to = 4,
                    .state = RolloutState::rolled_back,
                    .reason = "errors: 30 % of 200 requests failed"};
    rollout.verdicts.push_back(
        {.percent = 10,
         .says = "roll_back",
         .evidence = {{.metric = "errors", .says = "worse", .e_value = 900, .threshold = 444}}});
    alerts->tell({.event = std::move(event), .rollout = rollout, .url = "http://shop.localhost"});
  }
  // As a disk that cannot be written to, until it is shown again.
  void hide_queue() const {
    EXPECT_TRUE(stores.database->transaction([&](Database::Transaction& session) {
      return session.execute("ALTER TABLE alert_delivery RENAME TO hidden");
    }));
  }
  void show_queue() const {
    EXPECT_TRUE(stores.database->transaction([&](Database::Transaction& session) {
      return session.execute("ALTER TABLE hidden RENAME TO alert_delivery");
    }));
  }
  std::size_t waiting(const AlertId& id) { return stores.alerts->waiting(id).value(); }
};

TEST(Alerts, DeliversAMessageWithTheEvidenceAndAGoodSignature) {
  World w;
  const Alerts::Added added = w.add();
  ASSERT_TRUE(added.secret.starts_with("whsec_"));
  w.tell();
  EXPECT_EQ(w.alerts->deliver_due().value(), 1U);
  ASSERT_EQ(w.receiver.got().size(), 1U);
  const std::string message = w.receiver.got().front();
  EXPECT_TRUE(message.starts_with("POST /hook?x=1 HTTP/1.1\r\n"));
  EXPECT_EQ(header(message, "Content-Type"), "application/json");
  const std::string id = header(message, "webhook-id"), at = header(message, "webhook-timestamp");
  EXPECT_TRUE(id.starts_with("msg_"));
  const std::string key = note::base64_decode(added.secret.substr(6)).value();
  EXPECT_EQ(header(message, "webhook-signature"),
            Alerts::signature(key, id, std::stoll(at), body(message)));
  const json::value value = parse_json(body(message)).value();
  EXPECT_EQ(value.at("type").as_string(), "release.rolled_back");
  const json::object& data = value.at("data").as_object();
  EXPECT_EQ(data.at("project").as_string(), "shop");
  EXPECT_EQ(data.at("evidence").as_array().at(0).at("metric").as_string(), "errors");
  EXPECT_EQ(data.at("rollout").at("to").as_int64(), 4);
  EXPECT_EQ(w.waiting(added.subscription.id), 0U);
  EXPECT_EQ(w.alerts->list("shop").value().front().last_result, "delivered (204)");
}

TEST(Alerts, AnOutcomeThatCannotBeRecordedSendsNothingTwice) {
  World w;
  const Alerts::Added added = w.add();
  w.tell();
  w.receiver.before_answer = [&w] { w.hide_queue(); };
  EXPECT_FALSE(w.alerts->deliver_due());
  w.receiver.before_answer = {};
  w.show_queue();
  EXPECT_EQ(w.alerts->deliver_due().value(), 0U) << "the record rests for a while, too";
  w.clock.advance(Alerts::retry_delay(1));
  EXPECT_EQ(w.alerts->deliver_due().value(), 1U);
  EXPECT_EQ(w.receiver.got().size(), 1U);
  EXPECT_EQ(w.waiting(added.subscription.id), 0U);
}

TEST(Alerts, WhatCannotBeQueuedIsQueuedLater) {
  World w;
  std::ignore = w.add();
  w.hide_queue();
  w.tell();
  w.show_queue();
  w.clock.advance(Alerts::retry_delay(1));
  EXPECT_EQ(w.alerts->deliver_due().value(), 1U);
  EXPECT_EQ(w.receiver.got().size(), 1U);
}

// The example of the Standard Webhooks specification's reference libraries.
TEST(Alerts, SignsAsTheSpecificationsExample) {
  const std::string key = note::base64_decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").value();
  EXPECT_EQ(
      Alerts::signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, R"({"test": 2432232314})"),
      "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(Alerts, GoOnlyToThoseThatWantThem) {
  World w;
  w.add("staging");
  w.add({}, {"release.frozen"});
  w.tell();
  EXPECT_EQ(w.alerts->deliver_due().value(), 0U);
  w.tell("release.frozen");
  w.tell("rollout.failed", "staging");
  EXPECT_EQ(w.alerts->deliver_due().value(), 2U);
}

TEST(Alerts, AreTriedAgainAtGrowingIntervalsAcrossRestartsAndGivenUpAfterADay) {
  World w;
  const AlertId id = w.add().subscription.id;
  w.receiver.answers("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
  w.tell();
  EXPECT_EQ(w.alerts->deliver_due().value(), 0U);
  EXPECT_EQ(w.alerts->deliver_due().value(), 0U) << "not before its time";
  EXPECT_EQ(w.receiver.got().size(), 1U);
  w.restart();
  w.clock.advance(5s);
  EXPECT_EQ(w.alerts->deliver_due().value(), 0U);
  EXPECT_EQ(w.receiver.got().size(), 2U);
  EXPECT_EQ(header(w.receiver.got()[0], "webhook-id"), header(w.receiver.got()[1], "webhook-id"));
  for (int i = 0; i < 30 && w.waiting(id) > 0; ++i) {
    w.clock.advance(4h);
    EXPECT_EQ(w.alerts->deliver_due().value(), 0U);
  }
  EXPECT_EQ(w.waiting(id), 0U);
  EXPECT_LE(w.receiver.got().size(), 16U);
  EXPECT_EQ(w.alerts->list("shop").value().front().last_result, "given up: it answered 500");
}

TEST(Alerts, FollowNoRedirectAndEndWhenTheReceiverIsGoneForGood) {
  World w;
  const AlertId id = w.add().subscription.id;
  Receiver elsewhere;
  w.receiver.answers(fmt::format(
      "HTTP/1.1 307 Elsewhere\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", elsewhere.url()));
  w.tell();
  EXPECT_EQ(w.alerts->deliver_due().value(), 0U);
  EXPECT_EQ(elsewhere.server.accepted(), 0);
  EXPECT_EQ(w.waiting(id), 1U);
  w.receiver.answers("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n");
  w.clock.advance(1h);
  EXPECT_EQ(w.alerts->deliver_due().value(), 0U);
  EXPECT_EQ(w.waiting(id), 0U);
}

TEST(Alerts, RefusePrivateAddressesWhenAddedAndAtEachDelivery) {
  World w;
  const AlertId id = w.add().subscription.id;  // while it was allowed
  w.settings.alerts.addresses = Settings::Alerts::Addresses::public_only;
  w.tell();
  EXPECT_EQ(w.alerts->deliver_due().value(), 0U);
  EXPECT_EQ(w.receiver.server.accepted(), 0);
  EXPECT_EQ(w.waiting(id), 1U);
  EXPECT_EQ(w.alerts->test("shop", id).error().code, Errc::permission_denied);
  for (const char* url :
       {"http://127.0.0.1/", "http://localhost:7070/v1/deployments", "http://api.localhost/",
        "http://169.254.169.254/latest/meta-data/", "http://[::1]/", "http://[fd00:ec2::254]/",
        "http://10.0.0.1/", "http://[::ffff:10.0.0.1]/", "http://0x7f000001/",
        "http://2130706433/"}) {
    const auto added = w.alerts->add({}, {.project = "shop", .url = url});
    ASSERT_FALSE(added) << url;
    EXPECT_EQ(added.error().code, Errc::permission_denied) << url;
  }
}

TEST(Alerts, RefuseWhatIsNoUrlOrNoEvent) {
  World w;
  for (const char* url :
       {"", "hooks", "ftp://example.com/", "http://", "http://a b/", "http://u:p@h/",
        "http://example.com/#x", "http://example.com/\r\nX: y"}) {
    const auto added = w.alerts->add({}, {.project = "shop", .url = url});
    ASSERT_FALSE(added) << url;
    EXPECT_EQ(added.error().code, Errc::invalid_argument) << url;
  }
  EXPECT_EQ(
      w.alerts->add({}, {.project = "shop", .url = w.receiver.url(), .events = {"x"}}).error().code,
      Errc::invalid_argument);
}

TEST(Alerts, AreBoundedInNumberAndInWhatWaits) {
  World w;
  const AlertId id = w.add("production").subscription.id;
  for (std::size_t i = 1; i < AlertStore::most_subscriptions; ++i) w.add("staging");
  EXPECT_EQ(w.alerts->add({}, {.project = "shop", .url = w.receiver.url()}).error().code,
            Errc::conflict);
  for (std::size_t i = 0; i < AlertStore::most_waiting + 20; ++i) w.tell();
  EXPECT_EQ(w.waiting(id), AlertStore::most_waiting);
}

TEST(Alerts, AreRemovedWithWhatWaitsAndKeepTheirSecretSealed) {
  World w;
  const Alerts::Added added = w.add();
  EXPECT_EQ(added.subscription.sealed_secret.find(added.secret.substr(6)), std::string::npos);
  w.tell();
  EXPECT_EQ(w.alerts->remove({}, "bank", added.subscription.id).error().code, Errc::not_found);
  ASSERT_TRUE(w.alerts->remove({}, "shop", added.subscription.id));
  EXPECT_EQ(w.alerts->deliver_due().value(), 0U);
  EXPECT_TRUE(w.alerts->list("shop").value().empty());
}

TEST(Alerts, KeepTheirSecretWhenTheKeyThatSealsItChanges) {
  World w;
  const Alerts::Added added = w.add();
  ASSERT_TRUE(w.box.rotate([&]() -> Status {
    EXPECT_EQ(w.alerts->reseal({}).value(), 1U);
    return {};
  }));
  w.tell();
  EXPECT_EQ(w.alerts->deliver_due().value(), 1U);
  const std::string message = w.receiver.got().front();
  EXPECT_EQ(header(message, "webhook-signature"),
            Alerts::signature(note::base64_decode(added.secret.substr(6)).value(),
                              header(message, "webhook-id"),
                              std::stoll(header(message, "webhook-timestamp")), body(message)));
}

TEST(Alerts, AreDeliveredByTheirThreadsWithoutAnotherPush) {
  World w;
  w.add();
  ASSERT_TRUE(w.alerts->start());
  w.tell();
  const auto end = std::chrono::steady_clock::now() + 30s;
  while (w.receiver.got().empty() && std::chrono::steady_clock::now() < end)
    std::this_thread::yield();
  EXPECT_EQ(w.receiver.got().size(), 1U);
  w.alerts->stop();
}

}  // namespace
}  // namespace slipway
