#include "deploy/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"

namespace slipway {
namespace {

bool answers(const Service& service) {
  return service.kind != "worker" && service.kind != "bot" && service.kind != "cron";
}

const Service& first_of(const std::vector<Service>& services) {
  const Service* best = nullptr;
  const auto rank = [&](const Service& service) {
    if (service.kind == "cron") return 0;
    if (!answers(service)) return 1;
    const bool needed = std::ranges::any_of(services, [&](const Service& other) {
      return &other != &service &&
             std::ranges::find(other.needs, service.name) != other.needs.end();
    });
    return needed ? 2 : 3;
  };
  for (const Service& service : services)
    if (best == nullptr || rank(service) > rank(*best)) best = &service;
  return *best;
}

}  // namespace

DetectOptions answers_of(const DeployOptions& options) {
  return {.service = options.service,
          .root = options.root,
          .install = options.install,
          .build = options.build,
          .start = options.start,
          .framework = options.framework,
          .runtime = options.runtime,
          .release = options.release,
          .port = options.port,
          .health = options.health,
          .output = options.output,
          .fallback = {}};
}

void choose_units(Deployment& deployment) {
  const std::vector<Service>& services = deployment.plan.services;
  deployment.companions.clear();
  deployment.first.clear();
  if (services.empty()) return;
  const Service& first = first_of(services);
  deployment.first = first.name;
  const bool only_workers = std::ranges::none_of(services, answers);
  std::set<std::string> taken;
  for (const Service& service : services) {
    if (&service == &first) continue;
    std::string label = slug(service.name);
    if (label.empty()) label = "service";
    for (int n = 2; !taken.insert(label).second; ++n)
      label = fmt::format("{}-{}", slug(service.name), n);
    const bool runs = answers(service)         ? true
                      : service.kind == "cron" ? deployment.options.with_schedules
                                               : deployment.options.with_workers || only_workers;
    deployment.companions.push_back(
        {.label = std::move(label), .service = service.name, .artifact = {}, .runs = runs});
  }
}

Artifact& artifact_of(Deployment& deployment, std::string_view label) {
  const auto at = std::ranges::find(deployment.companions, label, &Companion::label);
  return at == deployment.companions.end() ? deployment.artifact : at->artifact;
}

std::string labelled(const Deployment& deployment, const Unit& unit, std::string_view text) {
  if (deployment.companions.empty()) return std::string(text);
  return fmt::format("{}: {}", sanitize_line(unit.name()), text);
}

std::string address_variable(std::string_view name) {
  std::string out;
  for (const char c : name)
    out += std::isalnum(static_cast<unsigned char>(c)) != 0
               ? static_cast<char>(std::toupper(static_cast<unsigned char>(c)))
               : '_';
  if (out.empty() || std::isdigit(static_cast<unsigned char>(out.front())) != 0) out = "_" + out;
  return out + "_URL";
}

bool is_provided(const Deployment& deployment, std::string_view variable) {
  const std::vector<Unit> units = units_of(deployment);
  const auto leads_to_another = [&](const Unit& unit) {
    return std::ranges::any_of(units, [&](const Unit& other) {
      return other.label != unit.label && other.is_routed() &&
             address_variable(other.name()) == variable;
    });
  };
  bool read = false;
  for (const Unit& unit : units) {
    if (unit.service == nullptr) continue;
    const Service& service = *unit.service;
    if (std::ranges::find(service.env, variable, &EnvNeed::name) == service.env.end()) continue;
    read = true;
    const bool wired =
        std::ranges::find(service.wires, variable, &Wire::env) != service.wires.end();
    if (!wired && !unit.artifact->env.contains(std::string(variable)) && !leads_to_another(unit))
      return false;
  }
  return read;
}

}  // namespace slipway
