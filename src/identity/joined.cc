#include "identity/joined.h"

#include <algorithm>
#include <utility>

namespace slipway {
namespace {

using Names = std::optional<std::vector<std::string>>;

template <class Allows>
void keep_allowed(Names& left, const Names& next, Allows both) {
  if (!next) return;
  if (!left) {
    left = next;
    return;
  }
  std::vector<std::string> out;
  for (const std::vector<std::string>* list : {&std::as_const(*left), &*next})
    for (const std::string& name : *list)
      if (both(name) && std::ranges::find(out, name) == out.end()) out.push_back(name);
  left = std::move(out);
}

template <class T>
void keep_least(std::optional<T>& left, const std::optional<T>& next) {
  if (next) left = left ? std::min(*left, *next) : *next;
}

}  // namespace

Restriction joined(std::span<const Restriction> steps) {
  Restriction out;
  for (const Restriction& step : steps) {
    const Restriction before = out;
    keep_allowed(out.projects, step.projects, [&](const std::string& name) {
      return before.allows_project(name) && step.allows_project(name);
    });
    keep_allowed(out.environments, step.environments, [&](const std::string& name) {
      return before.allows_environment(name) && step.allows_environment(name);
    });
    if (step.actions) out.actions = out.actions ? *out.actions & *step.actions : *step.actions;
    keep_least(out.deploys, step.deploys);
    keep_least(out.money_micros, step.money_micros);
    keep_least(out.expires_at, step.expires_at);
    for (const auto member :
         {&Restriction::label, &Restriction::agent, &Restriction::session, &Restriction::task})
      if (!(step.*member).empty()) out.*member = step.*member;
    out.id = step.id;
  }
  return out;
}

}  // namespace slipway
