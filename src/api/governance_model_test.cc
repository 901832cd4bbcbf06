// Hostile people and agents ask for everything, in any order; after each call the server says,
// keeps and records what a small model of its governance does. SLIPWAY_MODEL_RUNS: how many
// sequences, 24 unless it says; SLIPWAY_MODEL_STEPS: how long, 120; SLIPWAY_MODEL_WHOLE: a sequence
// that fails is shown as it is, without the long search for a shorter one.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cstdlib>
#include <sstream>

#include "api/testing/governance_play.h"

namespace slipway {
namespace {

using testing::Play;
using testing::Step;

int wished(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

TEST(Governance, SaysKeepsAndRecordsWhatItsModelDoes) {
  const auto any = rc::gen::inRange(0u, 1000u);
  const auto steps = rc::gen::resize(
      wished("SLIPWAY_MODEL_STEPS", 120),
      rc::gen::container<std::vector<Step>>(rc::gen::construct<Step>(any, any, any, any, any)));
  rc::detail::TestParams params;
  params.maxSuccess = wished("SLIPWAY_MODEL_RUNS", 24);
  params.disableShrinking = std::getenv("SLIPWAY_MODEL_WHOLE") != nullptr;
  params.seed = static_cast<std::uint64_t>(wished("SLIPWAY_MODEL_SEED", 1));
  const rc::detail::TestResult result = rc::detail::checkTestable(
      [&] {
        const auto all = *steps;
        Play play;
        for (const Step& each : all) play.step(each);
      },
      rc::detail::TestMetadata{}, params);
  std::ostringstream out;
  rc::detail::printResultMessage(result, out);
  EXPECT_TRUE(result.is<rc::detail::SuccessResult>()) << out.str();
}

}  // namespace
}  // namespace slipway
