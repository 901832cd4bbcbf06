#include "deploy/environments.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "audit/record.h"
#include "base/digest.h"
#include "db/stores.h"
#include "deploy/logs.h"
#include "sys/files.h"

namespace slipway {
namespace {

EnvironmentVar plain(std::string name, std::string value, VarKind kind = VarKind::run) {
  return {.name = std::move(name), .value = std::move(value), .kind = kind};
}
EnvironmentVar secret(std::string name, std::string value) {
  return {.name = std::move(name), .value = std::move(value), .disclosure = Disclosure::secret};
}

class EnvironmentsTest : public ::testing::Test {
 protected:
  TempDir directory =
      TempDir::create(std::filesystem::temp_directory_path(), "slipway-secrets-").value();
  ManualClock clock;
  Stores stores = Stores::open(":memory:", clock).value();
  ConfigurationStore& store = *stores.configurations;
  SecretBox box = SecretBox::open(directory.path() / "secrets.key").value();
  Environments environments{{.store = store, .box = box, .clock = clock}};

  Configuration set(std::vector<EnvironmentVar> vars) {
    return environments.change({}, "shop", "preview", {.set = std::move(vars)}).value();
  }
  Deployment deployment(std::int64_t version, std::string project = "shop") {
    Deployment out;
    out.project = std::move(project);
    out.config_version = version;
    return out;
  }
};

TEST_F(EnvironmentsTest, EachChangeIsAVersion) {
  EXPECT_EQ(environments.show("shop", "preview").value().version, 0);
  EXPECT_EQ(set({plain("A", "1")}).version, 1);
  EXPECT_EQ(set({plain("B", "2")}).version, 2);
  const Configuration now = environments.show("shop", "preview").value();
  ASSERT_EQ(now.vars.size(), 2u);
  EXPECT_EQ(now.vars[0].value, "1");
  EXPECT_EQ(environments.history("shop", "preview", 10).value().size(), 2u);
  EXPECT_EQ(environments.show("shop", "production").value().version, 0);
}

TEST_F(EnvironmentsTest, AChangeThatChangesNothingMakesNoVersion) {
  set({plain("A", "1")});
  EXPECT_EQ(set({plain("A", "1")}).version, 1);
}

TEST_F(EnvironmentsTest, ASecretStaysOneThroughRemovingAndSettingItAtOnceAndThroughARollback) {
  set({plain("KEY", "plain-1234")});
  set({secret("KEY", "canary-1234")});
  const auto both =
      environments.preview("shop", "preview", {.set = {plain("KEY", "evil")}, .remove = {"KEY"}})
          .value();
  ASSERT_EQ(both.changes.size(), 1u);
  EXPECT_EQ(both.changes[0].disclosure, Disclosure::secret);
  EXPECT_EQ(both.next.vars[0].disclosure, Disclosure::secret);
  const auto back = environments.preview_rollback("shop", "preview", 1).value();
  ASSERT_EQ(back.changes.size(), 1u);
  EXPECT_EQ(back.changes[0].disclosure, Disclosure::secret);
  EXPECT_EQ(environments.roll_back({}, "shop", "preview", 1).value().vars[0].value, "");
}

TEST_F(EnvironmentsTest, TheLogSaysWhenASecretsNameBecomesPlain) {
  set({secret("KEY", "canary-1234"), plain("A", "1")});
  ASSERT_TRUE(environments.change({}, "shop", "preview", {.remove = {"KEY"}}));
  set({plain("KEY", "plain"), plain("B", "2")});
  const auto page = stores.audit->list({.action = "configuration.changed"}).value();
  ASSERT_EQ(page.records.size(), 3u);
  EXPECT_TRUE(page.records[0].contains(R"("unsealed":"KEY")")) << page.records[0];
  for (std::size_t i : {1u, 2u}) EXPECT_FALSE(page.records[i].contains("unsealed"));
}

TEST_F(EnvironmentsTest, TheLogHoldsADigestOfMoreNamesThanItCanShow) {
  std::vector<EnvironmentVar> many, few{plain("B", "1"), plain("A", "1")};
  std::string all;
  for (int i = 100; i < 300; ++i) {
    many.push_back(plain(fmt::format("A_RATHER_LONG_NAME_OF_NUMBER_{}", i), "x"));
    all += many.back().name + "\n";
  }
  std::ranges::reverse(many);
  set(many);
  set(few);
  const auto page = stores.audit->list({.action = "configuration.changed"}).value();
  ASSERT_EQ(page.records.size(), 2u);
  const auto detail = parse_audit_record(page.records[1])->event.detail;
  EXPECT_EQ(detail.at("added_count"), "200");
  EXPECT_EQ(detail.at("added_digest"), sha256(all).str());
  const std::string& shown = detail.at("added");
  EXPECT_TRUE(shown.starts_with("A_RATHER_LONG_NAME_OF_NUMBER_100, ")) << shown;
  const std::size_t listed = 1 + static_cast<std::size_t>(std::ranges::count(shown, ','));
  EXPECT_TRUE(shown.ends_with(fmt::format(" and {} more", 200 - listed))) << shown;
  const auto whole = parse_audit_record(page.records[0])->event.detail;
  EXPECT_EQ(whole.at("added"), "A, B");
  EXPECT_FALSE(whole.contains("added_digest"));
}

TEST_F(EnvironmentsTest, WhatWasDraftedIsWhatIsStoredOrNothing) {
  set({plain("A", "1")});
  auto draft = environments.preview("shop", "preview", {.set = {plain("A", "2")}}).value();
  set({plain("B", "2")});
  EXPECT_EQ(environments.commit({}, std::move(draft)).error().code, Errc::conflict);
  EXPECT_EQ(environments.show("shop", "preview").value().vars[0].value, "1");
}

TEST_F(EnvironmentsTest, ADraftsDigestIsOfItsValuesItsVersionAndWhoAsks) {
  set({plain("A", "1")});
  const Actor ann{.name = "ann"}, eve{.name = "eve"};
  const auto digest = [&](const Actor& by, EnvironmentVar var) {
    const auto draft = environments.preview("shop", "preview", {.set = {std::move(var)}}).value();
    return environments.digest(by, draft).str();
  };
  const std::string one = digest(ann, plain("A", "2"));
  EXPECT_EQ(digest(ann, plain("A", "2")), one);
  EXPECT_NE(digest(eve, plain("A", "2")), one);
  EXPECT_NE(digest(ann, plain("A", "3")), one);
  EXPECT_NE(digest(ann, secret("A", "2")), one);
  EXPECT_NE(digest(ann, plain("A", "2", VarKind::build)), one);
  set({plain("B", "1")});
  EXPECT_NE(digest(ann, plain("A", "2")), one);
}

TEST_F(EnvironmentsTest, ASecretIsGivenToTheAppAloneAndStaysOne) {
  set({secret("KEY", "canary-1234")});
  EXPECT_EQ(environments.show("shop", "preview").value().vars[0].value, "");
  const Configuration after = set({plain("KEY", "canary-5678")});
  EXPECT_EQ(after.vars[0].disclosure, Disclosure::secret);
  EXPECT_EQ(after.vars[0].value, "");
  EXPECT_EQ(environments.values_for(deployment(2)).value().run.at("KEY"), "canary-5678");
}

TEST_F(EnvironmentsTest, NothingReadableIsKept) {
  set({secret("KEY", "canary-1234"), plain("NAME", "canary-name")});
  const Configuration kept = store.current("shop", "preview").value();
  for (const EnvironmentVar& var : kept.vars)
    EXPECT_EQ(var.value.find("canary"), std::string::npos) << var.name;
  auto session = stores.database->read();
  Statement records = session.prepare("SELECT group_concat(record) FROM audit_record").value();
  ASSERT_TRUE(records.step().value());
  EXPECT_NE(records.text(0).find("KEY"), std::string::npos) << "names are recorded";
  EXPECT_EQ(records.text(0).find("canary"), std::string::npos);
}

TEST_F(EnvironmentsTest, ADeploymentKeepsTheVersionItWasMadeWith) {
  set({plain("A", "old")});
  set({plain("A", "new"), plain("B", "x", VarKind::build)});
  EXPECT_EQ(environments.values_for(deployment(1)).value().run.at("A"), "old");
  const auto values = environments.values_for(deployment(2)).value();
  EXPECT_EQ(values.run, (EnvVars{{"A", "new"}}));
  EXPECT_EQ(values.build, (EnvVars{{"B", "x"}}));
  EXPECT_TRUE(environments.values_for(deployment(0)).value().run.empty());
}

TEST_F(EnvironmentsTest, APreviewNeverGetsProductionsValues) {
  ASSERT_TRUE(environments.change({}, "shop", "production", {.set = {secret("KEY", "prod-key")}}));
  EXPECT_EQ(environments.values_for(deployment(1)).error().code, Errc::not_found);
}

TEST_F(EnvironmentsTest, RollingBackMakesANewVersionWithTheOldValues) {
  set({plain("A", "1")});
  set({plain("A", "2"), plain("B", "2")});
  const Configuration back = environments.roll_back({}, "shop", "preview", 1).value();
  EXPECT_EQ(back.version, 3);
  EXPECT_EQ(back.note, "rollback to 1");
  ASSERT_EQ(back.vars.size(), 1u);
  EXPECT_EQ(back.vars[0].value, "1");
  EXPECT_EQ(environments.roll_back({}, "shop", "preview", 9).error().code, Errc::not_found);
}

TEST_F(EnvironmentsTest, BadNamesAndValuesAreRefusedWhole) {
  for (const char* name : {"", "1A", "A-B", "PORT", "SLIPWAY_PROJECT", "A B"}) {
    const auto refused =
        environments.change({}, "shop", "preview", {.set = {plain("GOOD", "1"), plain(name, "x")}});
    EXPECT_EQ(refused.error().code, Errc::invalid_argument) << name;
  }
  EXPECT_EQ(environments.change({}, "shop", "preview", {.remove = {"NONE"}}).error().code,
            Errc::not_found);
  EXPECT_EQ(environments.change({}, "shop", "../x", {.set = {plain("A", "1")}}).error().code,
            Errc::invalid_argument);
  EXPECT_EQ(environments
                .change({}, "shop", "preview",
                        {.set = {plain("A", std::string(Environments::max_value_bytes + 1, 'x'))}})
                .error()
                .code,
            Errc::too_large);
  EXPECT_EQ(environments.show("shop", "preview").value().version, 0);
}

TEST_F(EnvironmentsTest, ARotatedKeyOpensEverythingAndTheOldOneIsGone) {
  set({secret("KEY", "canary-1234")});
  const std::string before = store.current("shop", "preview").value().vars[0].value;
  EXPECT_EQ(environments.rotate_key({}).value(), 1u);
  EXPECT_EQ(box.key_count(), 1u);
  EXPECT_NE(store.current("shop", "preview").value().vars[0].value, before);
  EXPECT_EQ(environments.values_for(deployment(1)).value().run.at("KEY"), "canary-1234");
  const SecretBox reopened = SecretBox::open(directory.path() / "secrets.key").value();
  EXPECT_EQ(reopened.unseal(before, "shop/preview/KEY").error().code, Errc::corrupt);
}

// Asked once between the sealing of a value and its storing.
class HookedClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const override {
    if (auto call = std::exchange(hook, {})) call();
    return {};
  }
  [[nodiscard]] Duration monotonic() const override { return {}; }
  mutable std::function<void()> hook;
};

// The old key was forgotten while a value that it had sealed was not stored yet: it was lost.
TEST_F(EnvironmentsTest, AKeyThatIsRotatedWhileAValueIsSetOpensTheValue) {
  HookedClock hooked;
  Environments setting{{.store = store, .box = box, .clock = hooked}};
  std::atomic<bool> resealed = false;
  std::jthread rotation;
  hooked.hook = [&] {
    rotation = std::jthread([&] {
      const auto rotated = environments.rotate_key({}, [&]() -> Result<std::size_t> {
        resealed = true;
        return 0;
      });
      EXPECT_TRUE(rotated);
    });
    while (box.key_count() < 2 && !resealed) std::this_thread::yield();
    for (int i = 0; i < 10'000 && !resealed; ++i) std::this_thread::yield();  // it may not
    EXPECT_FALSE(resealed);
  };
  ASSERT_TRUE(setting.change({}, "shop", "preview", {.set = {secret("KEY", "canary-1234")}}));
  rotation.join();
  EXPECT_EQ(box.key_count(), 1u);
  EXPECT_EQ(environments.values_for(deployment(1)).value().run.at("KEY"), "canary-1234");
}

TEST_F(EnvironmentsTest, AValueMovedToAnotherPlaceDoesNotOpen) {
  const std::string sealed = box.seal("x", "shop/production/KEY").value();
  EXPECT_EQ(box.unseal(sealed, "shop/production/KEY").value(), "x");
  EXPECT_EQ(box.unseal(sealed, "shop/preview/KEY").error().code, Errc::corrupt);
  std::string changed = sealed;
  changed.back() = changed.back() == '0' ? '1' : '0';
  EXPECT_EQ(box.unseal(changed, "shop/production/KEY").error().code, Errc::corrupt);
  for (const char* text : {"", "1:", "1:zz", "9:00", "x"})
    EXPECT_EQ(box.unseal(text, "c").error().code, Errc::corrupt) << text;
}

TEST_F(EnvironmentsTest, TheKeysOutliveTheServerAndAreTheOwnersAlone) {
  const std::string sealed = box.seal("x", "c").value();
  const auto file = directory.path() / "secrets.key";
  EXPECT_EQ(SecretBox::open(file).value().unseal(sealed, "c").value(), "x");
  EXPECT_EQ(std::filesystem::status(file).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  ASSERT_TRUE(write_file_atomic(file, "nonsense\n", 0600));
  EXPECT_EQ(SecretBox::open(file).error().code, Errc::corrupt);
}

TEST(MaskSecrets, HidesValuesAndLeavesShortOnes) {
  EXPECT_EQ(mask_secrets("key=s3cr3t-value; again s3cr3t-value", {"s3cr3t-value"}),
            "key=*****; again *****");
  EXPECT_EQ(mask_secrets("a=12345", {"12345", ""}), "a=12345");
}

}  // namespace
}  // namespace slipway
