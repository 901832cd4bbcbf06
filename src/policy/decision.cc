#include "policy/decision.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace slipway {
namespace {

template <class T, std::size_t N>
using Names = std::array<std::pair<T, std::string_view>, N>;

template <class T, std::size_t N>
std::string_view name_of(const Names<T, N>& names, T value) {
  return std::ranges::find(names, value, &std::pair<T, std::string_view>::first)->second;
}

template <class T, std::size_t N>
std::optional<T> value_of(const Names<T, N>& names, std::string_view name) {
  const auto* found = std::ranges::find(names, name, &std::pair<T, std::string_view>::second);
  if (found == names.end()) return std::nullopt;
  return found->first;
}

constexpr std::array all_points = {
    DecisionPoint::build,       DecisionPoint::preview,  DecisionPoint::promote,
    DecisionPoint::canary_step, DecisionPoint::rollback, DecisionPoint::config,
    DecisionPoint::secret,      DecisionPoint::domain,   DecisionPoint::policy,
    DecisionPoint::budget,      DecisionPoint::token,    DecisionPoint::exec,
    DecisionPoint::remove};
constexpr Names<DecisionPoint, 13> points = {{{DecisionPoint::build, "build"},
                                              {DecisionPoint::preview, "preview"},
                                              {DecisionPoint::promote, "promote"},
                                              {DecisionPoint::canary_step, "canary_step"},
                                              {DecisionPoint::rollback, "rollback"},
                                              {DecisionPoint::config, "config"},
                                              {DecisionPoint::secret, "secret"},
                                              {DecisionPoint::domain, "domain"},
                                              {DecisionPoint::policy, "policy"},
                                              {DecisionPoint::budget, "budget"},
                                              {DecisionPoint::token, "token"},
                                              {DecisionPoint::exec, "exec"},
                                              {DecisionPoint::remove, "remove"}}};
constexpr Names<Enforcement, 3> levels = {{{Enforcement::advisory, "advisory"},
                                           {Enforcement::soft, "soft"},
                                           {Enforcement::hard, "hard"}}};
constexpr Names<Verdict, 3> verdicts = {
    {{Verdict::allow, "allow"}, {Verdict::deny, "deny"}, {Verdict::pending, "pending"}}};
constexpr Names<ViolationState, 6> states = {{{ViolationState::blocks, "blocks"},
                                              {ViolationState::pending, "pending"},
                                              {ViolationState::advises, "advises"},
                                              {ViolationState::waived, "waived"},
                                              {ViolationState::approved, "approved"},
                                              {ViolationState::broken, "break_glass"}}};
constexpr Names<RemedyKind, 6> remedy_kinds = {{{RemedyKind::fix, "fix"},
                                                {RemedyKind::wait, "wait"},
                                                {RemedyKind::approve, "approve"},
                                                {RemedyKind::waive, "waive"},
                                                {RemedyKind::raise_budget, "raise_budget"},
                                                {RemedyKind::change_policy, "change_policy"}}};

}  // namespace

std::string_view to_string(DecisionPoint point) { return name_of(points, point); }
std::optional<DecisionPoint> parse_decision_point(std::string_view text) {
  return value_of(points, text);
}
std::span<const DecisionPoint> decision_points() { return all_points; }

std::string_view to_string(Enforcement enforcement) { return name_of(levels, enforcement); }
std::optional<Enforcement> parse_enforcement(std::string_view text) {
  return value_of(levels, text);
}

std::string_view to_string(Verdict verdict) { return name_of(verdicts, verdict); }
std::optional<Verdict> parse_verdict(std::string_view text) { return value_of(verdicts, text); }

std::string_view to_string(ViolationState state) { return name_of(states, state); }
std::string_view to_string(RemedyKind kind) { return name_of(remedy_kinds, kind); }

std::string Decision::summary() const {
  const auto blocking = [](const Violation& one) {
    return one.state == ViolationState::blocks || one.state == ViolationState::pending;
  };
  const auto count = std::ranges::count_if(violations, blocking);
  if (verdict == Verdict::allow)
    return break_glass.empty() ? fmt::format("allowed by {} rules", rules.size())
                               : fmt::format("allowed by break-glass {}", break_glass);
  const auto first = std::ranges::find_if(violations, blocking);
  std::string out = verdict == Verdict::pending ? "waits for approval" : "denied";
  if (first != violations.end()) out += fmt::format(" by {}: {}", first->rule, first->message);
  if (count > 1) out += fmt::format(" (and {} more)", count - 1);
  return out;
}

void name_approval(Decision& decision, std::string_view id) {
  constexpr std::string_view place = "APPROVAL";
  for (auto* list : {&decision.remedies, &decision.alternatives})
    for (Remedy& remedy : *list)
      if (const auto at = remedy.command.find(place); at != std::string::npos)
        remedy.command.replace(at, place.size(), id);
}

}  // namespace slipway
