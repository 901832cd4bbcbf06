// Every labelled project under tests/golden/detect: <case>/in is the project, <case>/expected.json
// the labels. Only labelled fields are compared. Labels are written by hand from the frameworks'
// documentation and are never taken from the detector's answers. "ambiguous" marks projects of
// which a person would hesitate, too: what their author most likely means is the label, a wrong
// answer is counted and no failure, but for one that was given with confidence. SLIPWAY_ACCEPT=1
// writes the whole account of each plan to <case>/account.txt where such a file is kept.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "base/text.h"
#include "detect/describe.h"
#include "detect/detect.h"
#include "detect/known.h"
#include "detect/testing/corpus.h"

namespace slipway {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;
using namespace testing_corpus;

json::value text_or_null(const std::optional<std::string>& text) {
  return text ? json::value(*text) : json::value(nullptr);
}

json::array list(const std::vector<std::string>& items) {
  json::array out;
  for (const std::string& item : items) out.emplace_back(item);
  return out;
}

// Every field that a label may name.
json::object fields_of(const Service& service) {
  json::object out;
  out["name"] = service.name;
  out["root"] = service.root;
  out["kind"] = service.kind;
  out["provider"] = service.provider;
  out["framework"] =
      service.framework.empty() ? json::value(nullptr) : json::value(service.framework);
  out["package_manager"] =
      service.package_manager.empty() ? json::value(nullptr) : json::value(service.package_manager);
  out["package_manager_version"] = service.package_manager_version;
  out["runtime"] = service.runtime.name;
  out["runtime_version"] = service.runtime.version;
  out["runtime_source"] = service.runtime.source;
  out["install"] = text_or_null(service.install);
  out["build"] = text_or_null(service.build);
  out["start"] = text_or_null(service.start);
  out["release"] = text_or_null(service.release);
  out["install_inputs"] = list(service.install_inputs);
  out["output_dir"] = text_or_null(service.output_dir);
  out["static"] = service.is_static;
  out["spa"] = service.fallback == StaticFallback::single_page_app;
  out["port"] = service.port ? json::value(*service.port) : json::value(nullptr);
  out["health_path"] = service.health_path;
  out["databases"] = list(service.databases);
  out["system_packages"] = list(service.system_packages);
  out["volumes"] = list(service.volumes);
  out["schedule"] = service.schedule;
  out["cron_path"] = service.cron_path;
  out["needs"] = list(service.needs);
  json::array wires, proxies;  // "API_URL=api {url}", "/api=api"
  for (const Wire& wire : service.wires)
    wires.emplace_back(wire.env + "=" + wire.service + " " + wire.value);
  for (const Proxy& proxy : service.proxies)
    proxies.emplace_back(proxy.path + "=" + proxy.service + (proxy.strip ? " strip" : ""));
  out["wires"] = std::move(wires);
  out["proxies"] = std::move(proxies);
  json::array env, required;
  for (const EnvNeed& need : service.env) {
    env.emplace_back(need.name);
    if (need.required) required.emplace_back(need.name);
  }
  out["env"] = std::move(env);
  out["env_required"] = std::move(required);
  return out;
}

struct Score {
  int right = 0, wrong = 0;
};

int bucket_of(double confidence) {
  return confidence >= 0.9 ? 9 : static_cast<int>(confidence * 10 + 1e-9);
}

TEST(DetectGolden, WhateverIsDetectedCanBeAskedFor) {
  const std::vector<std::string> known = known_frameworks();
  for (const std::string& name : cases()) {
    for (const Service& service : detect(load(name)).services) {
      EXPECT_TRUE(check_framework(service.framework)) << name << ": " << service.framework;
      EXPECT_TRUE(check_framework(service.provider)) << name << ": " << service.provider;
    }
  }
  const Status typo = check_framework("expres");
  ASSERT_FALSE(typo);
  EXPECT_EQ(typo.error().code, Errc::invalid_argument);
  EXPECT_TRUE(typo.error().hint.starts_with("did you mean express")) << typo.error().hint;
  for (const std::string& each : known)
    EXPECT_NE(typo.error().hint.find(each), std::string::npos) << each;
}

TEST(DetectGolden, EveryLabelledProjectIsPlannedRight) {
  std::map<std::string, Score> scores;
  std::map<int, Score> calibration;  // tenths of confidence -> services wholly right or wrong
  int projects = 0;
  for (const std::string& name : cases()) {
    SCOPED_TRACE(name);
    ++projects;
    const Plan plan = detect(load(name));
    const json::value expected = json::parse(read_file(corpus() / name / "expected.json"));
    const json::array& services = expected.at("services").as_array();
    const bool ambiguous = expected.as_object().contains("ambiguous");
    if (ambiguous)  // something where nothing is meant, or nothing where something is
      for (std::size_t i = services.size(); i < plan.services.size(); ++i)
        ++calibration[bucket_of(plan.services[i].confidence)].wrong,
            fmt::print("{}: {} where nothing is meant, {:.2f}\n", name, plan.services[i].provider,
                       plan.services[i].confidence);
    if (!ambiguous) EXPECT_EQ(plan.services.size(), services.size()) << describe(plan);
    for (std::size_t i = 0; i < std::min(services.size(), plan.services.size()); ++i) {
      const json::object actual = fields_of(plan.services[i]);
      bool whole = true;
      for (const auto& [field, wanted] : services[i].as_object()) {
        ASSERT_TRUE(actual.contains(field)) << "unknown label " << field;
        const bool right = actual.at(field) == wanted;
        whole &= right;
        ++(right ? scores[field].right : scores[field].wrong);
        if (!right && ambiguous && plan.services[i].confidence < 0.9) {
          fmt::print("{}: {} is {}, label {}\n", name, field, json::serialize(actual.at(field)),
                     json::serialize(wanted));
          continue;
        }
        EXPECT_TRUE(right) << field << ": " << json::serialize(actual.at(field)) << ", label "
                           << json::serialize(wanted);
      }
      Score& among = calibration[bucket_of(plan.services[i].confidence)];
      ++(whole ? among.right : among.wrong);
    }
    for (const std::string_view kind : {"warnings", "questions"}) {
      const json::value* wanted = expected.as_object().if_contains(kind);
      if (wanted == nullptr) continue;
      std::vector<std::string> codes;
      if (kind == "warnings")
        for (const Warning& warning : plan.warnings) codes.push_back(warning.code);
      else
        for (const Question& question : plan.questions) codes.push_back(question.id);
      EXPECT_EQ(list(codes), wanted->as_array()) << kind;
    }
    const fs::path account = corpus() / name / "account.txt";
    if (fs::exists(account)) {
      if (std::getenv("SLIPWAY_ACCEPT") != nullptr) std::ofstream(account) << describe(plan);
      EXPECT_EQ(read_file(account), describe(plan));
    }
  }
  fmt::print("{} projects\n{:<26} {:>6} {:>6} {:>8}\n", projects, "field", "right", "wrong",
             "accuracy");
  for (const auto& [field, score] : scores)
    fmt::print("{:<26} {:>6} {:>6} {:>7.1f}%\n", field, score.right, score.wrong,
               100.0 * score.right / (score.right + score.wrong));
  std::string table = "| confidence | answers | wholly right | share |\n|---|---|---|---|\n";
  for (const auto& [bucket, score] : calibration) {
    const int all = score.right + score.wrong;
    fmt::print("confidence {:.1f}{}  {} of {} wholly right\n", bucket / 10.0,
               bucket == 9 ? "+" : " ", score.right, all);
    table += fmt::format("| {} | {} | {} | {:.1f} % |\n",
                         bucket == 9
                             ? std::string("0.9 and more")
                             : fmt::format("{:.1f} to {:.1f}", bucket / 10.0, (bucket + 1) / 10.0),
                         all, score.right, 100.0 * score.right / all);
  }
  EXPECT_GE(projects, 300);
  // Of answers given at 0.9 and more, 97 of 100 are right.
  const Score sure = calibration[9];
  EXPECT_GE(sure.right * 100, (sure.right + sure.wrong) * 97);
  expect_section("calibration", table);
}

}  // namespace
}  // namespace slipway
