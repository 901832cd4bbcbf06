#include "deploy/learning.h"

#include <fmt/format.h>

#include <algorithm>

#include "deploy/readiness.h"
#include "deploy/units.h"
#include "detect/detect.h"

namespace slipway {
namespace {

constexpr std::string_view port_differs = "port_differs";
constexpr std::string_view last_run = "its last run listened on port";
constexpr std::string_view causes[] = {"missing_dependency", "missing_env",       "missing_file",
                                       "missing_toolchain",  "lockfile_mismatch", "wrong_port"};

}  // namespace

void learn_from_run(Deployment& deployment, const OpenedPort& opened) {
  for (const Unit& unit : units_of(deployment)) {
    if (unit.service == nullptr || !unit.has_instance() || !unit.is_routed()) continue;
    const int told = expected_port(deployment, unit);
    const std::optional<int> found = opened(unit.label);
    if (!found || *found == told) continue;
    // It opens the one that it is told as well, only later.
    if (std::ranges::any_of(unit.service->evidence,
                            [](const Evidence& each) { return each.fact == listens_on_port; }))
      continue;
    deployment.findings.push_back(
        {.code = std::string(port_differs),
         .message = labelled(deployment, unit,
                             fmt::format("it listens on port {}, not on PORT ({})", *found, told)),
         .fix = "listen on the port in the environment variable PORT"});
    artifact_of(deployment, unit.label).port = found;  // a wake looks there first
  }
}

void learn_from_failure(Deployment& deployment, const Error& error) {
  if (std::ranges::find(causes, error.cause) == std::end(causes)) return;
  // What ended it comes before what was seen besides.
  deployment.findings.insert(deployment.findings.begin(), {.code = error.cause,
                                                           .message = error.message,
                                                           .file = error.file,
                                                           .line = error.line.value_or(0),
                                                           .fix = error.hint});
}

void apply_lessons(Plan& plan, const Deployment& before) {
  const bool differed = std::ranges::any_of(
      before.findings, [](const Warning& each) { return each.code == port_differs; });
  for (const Unit& unit : units_of(before)) {
    if (unit.service == nullptr || !unit.artifact->port) continue;
    // Learned then, or passed on from an earlier run.
    const bool learned = (differed && unit.artifact->port != unit.service->port) ||
                         std::ranges::any_of(unit.service->evidence, [](const Evidence& each) {
                           return each.fact.starts_with(last_run);
                         });
    const auto same = std::ranges::find_if(plan.services, [&](const Service& service) {
      return service.name == unit.service->name && service.root == unit.service->root;
    });
    if (!learned || same == plan.services.end() || same->port) continue;
    same->port = unit.artifact->port;
    same->evidence.push_back(
        {.file = {}, .line = 0, .fact = fmt::format("{} {}", last_run, *unit.artifact->port)});
  }
}

}  // namespace slipway
