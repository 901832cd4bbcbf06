#include "audit/record.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "audit/canonical.h"
#include "audit/merkle.h"
#include "audit/siem.h"
#include "audit/tile.h"

namespace slipway {
namespace {

AuditRecord sample() {
  AuditRecord record{.seq = 7, .time = *parse_rfc3339("2026-11-21T01:02:03.004Z")};
  record.previous = merkle::leaf_hash("before");
  record.event = {.event = "deployment.created",
                  .action = "deploy",
                  .by = {.actor = {.kind = "agent",
                                   .name = "ci",
                                   .on_behalf_of = "ann",
                                   .chain = {"human:ann", "agent:ci"},
                                   .token = "tok_aaaaaaaaaa",
                                   .session = "s1",
                                   .task = "t1"},
                         .request_id = "req_aaaaaaaaaa",
                         .source_address = "127.0.0.1",
                         .decision = "dec_1",
                         .waiver = "wai_1"},
                  .resource = "deployment/dpl_aaaaaaaaaa",
                  .team = "default",
                  .project = "shop",
                  .environment = "preview",
                  .before = sha256("b").str(),
                  .after = sha256("a").str(),
                  .artifact = sha256("c").str(),
                  .sbom = sha256("s").str(),
                  .policy_set = sha256("p").str(),
                  .facts = sha256("f").str(),
                  .cost_micros = 1250,
                  .detail = {{"files", "12"}}};
  return record;
}

TEST(Record, HasOneCanonicalForm) {
  AuditRecord record{.seq = 1, .time = *parse_rfc3339("2026-11-21T01:02:03.004Z")};
  record.event = {.event = "project.created", .by = by_system("pipeline"), .project = "shop"};
  EXPECT_EQ(canonical_record(record).value(),
            R"({"actor":{"chain":["system:pipeline"],"kind":"system","name":"pipeline"},)"
            R"("event":"project.created","previous":"sha256:)" +
                std::string(64, '0') +
                R"(","project":"shop","seq":1,"time":"2026-11-21T01:02:03.004Z","v":1})");
}

TEST(Record, ReadsBackWhole) {
  const AuditRecord record = sample();
  EXPECT_EQ(parse_audit_record(canonical_record(record).value()).value(), record);
}

TEST(Record, ReadsNothingElse) {
  const std::string good = canonical_record(sample()).value();
  for (const auto& [from, to] : {std::pair("\"seq\":7", "\"seq\":0"),
                                 {"\"seq\":7", "\"seq\":\"7\""},
                                 {"\"v\":1", "\"v\":2"},
                                 {"\"previous\":\"sha256:", "\"previous\":\"sha256;"},
                                 {"01:02:03.004Z", "01:02:03Z"},
                                 {"\"files\":\"12\"", "\"files\":12"},
                                 {"\"kind\":\"agent\"", "\"kind\":1"},
                                 {":", ": "}}) {
    std::string bad = good;
    bad.replace(bad.find(from), std::string_view(from).size(), to);
    EXPECT_EQ(parse_audit_record(bad).error().code, Errc::corrupt) << bad;
  }
  // A newer version's member does no harm.
  std::string newer = good;
  newer.insert(newer.find(R"(,"waiver")"), R"(,"verdict":"x")");
  EXPECT_TRUE(parse_audit_record(newer));
}

TEST(Record, SecretsControlCharactersAndLongTextStayOut) {
  const std::string secret = "slp_abcdefghijklmnopqrstuvwxyz234567";
  EXPECT_EQ(audit_text("token " + secret + "!"), "token slp_[removed]!");
  EXPECT_EQ(audit_text("slpt_aaaaaaaaaa.bbbbbbbbbbbbbbbb"), "slpt_[removed]");
  EXPECT_EQ(audit_text("slp_short"), "slp_short");
  EXPECT_EQ(audit_text("a\nb\x1b[31m"), "a\\x0ab");
  EXPECT_EQ(audit_text("\xff"), "\\xff");
  EXPECT_EQ(audit_text(std::string(5000, 'x')).size(), 1024u);
  AuditRecord record = sample();
  record.event.detail["note"] = secret;
  record.event.by.actor.name = secret;
  record.event.resource = "token/" + secret;
  EXPECT_FALSE(canonical_record(record).value().contains(secret));
}

TEST(Record, NoneIsTooLargeForABundleWhateverIsPutIntoIt) {
  AuditRecord record = sample();
  for (int i = 0; i < 100; ++i)
    record.event.detail[fmt::format("{:04}{}", i, std::string(5000, '"'))] = std::string(5000, '"');
  for (int i = 0; i < 1000; ++i) record.event.by.actor.chain.emplace_back(5000, '"');
  record.event.resource = std::string(5000, '"');
  const std::string text = canonical_record(record).value();
  EXPECT_LE(text.size(), tlog::largest_entry);
  EXPECT_TRUE(parse_audit_record(text));
}

TEST(Record, AmountsThatJsonCannotHoldAreRefused) {
  AuditRecord record = sample();
  record.event.cost_micros = (std::int64_t{1} << 53) + 1;
  EXPECT_EQ(canonical_record(record).error().code, Errc::invalid_argument);
}

TEST(Record, TheDigestOfADifferenceCanBeMadeByHand) {
  EXPECT_EQ(diff_digest({.added = {"a.js"}, .modified = {"b.js", "c.js"}}),
            sha256(R"({"added":["a.js"],"modified":["b.js","c.js"],"removed":[]})"));
  EXPECT_EQ(diff_digest({.added = {"\xff"}}),
            sha256(R"({"added":["\\xff"],"modified":[],"removed":[]})"));
}

RC_GTEST_PROP(RecordProperty, WhateverTheTextItIsReadBackAsItWasWritten,
              (const std::string& name, const std::string& detail, const std::string& resource)) {
  AuditRecord record = sample();
  record.event.by.actor.name = name;
  record.event.detail = {{"x", detail}};
  record.event.resource = resource;
  const std::string text = canonical_record(record).value();
  const AuditRecord read = parse_audit_record(text).value();
  RC_ASSERT(canonical_record(read).value() == text);
}

TEST(Siem, CloudEventsCarryTheRecordUnchanged) {
  const std::string canonical = canonical_record(sample()).value();
  const std::string text = to_cloud_event(sample(), canonical, "slipway-audit/x");
  EXPECT_TRUE(text.contains("\"data\":" + canonical));
  EXPECT_TRUE(text.contains(R"("specversion":"1.0","id":"7","source":"slipway-audit/x")"));
  EXPECT_TRUE(text.contains(R"("type":"slipway.deployment.created")"));
}

TEST(Siem, OcsfHasWhatTheClassRequires) {
  const std::string canonical = canonical_record(sample()).value();
  const std::string text = to_ocsf(sample(), canonical, "slipway-audit/x", "1.0");
  for (const std::string_view member :
       {R"("activity_id":1)", R"("category_uid":6)", R"("class_uid":6003)", R"("type_uid":600301)",
        R"("severity_id":1)", R"("time":1795222923004)", R"("operation":"deployment.created")",
        R"("ip":"127.0.0.1")"})
    EXPECT_TRUE(text.contains(member)) << member << " in " << text;
}

}  // namespace
}  // namespace slipway
