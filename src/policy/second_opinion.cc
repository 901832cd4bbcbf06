#include "policy/second_opinion.h"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "base/text.h"

namespace slipway {
namespace {

namespace json = boost::json;

constexpr std::size_t most_reasons = 20;

std::unexpected<Error> no_answer(std::string_view why) {
  return fail(Errc::invalid_argument, fmt::format("the external policy engine {}", why));
}

void add_reasons(const json::object& result, std::string_view member, Opinion& into) {
  const json::value* list = result.if_contains(member);
  if (list == nullptr || !list->is_array()) return;
  for (const json::value& reason : list->get_array())
    if (reason.is_string() && into.reasons.size() < most_reasons)
      into.reasons.push_back(
          sanitize_line({reason.get_string().data(), reason.get_string().size()}));
}

}  // namespace

std::string opa_document(const Decision& decision, const Facts& facts) {
  // The words here are our own names and digests: nothing to escape.
  const std::string snapshot = facts.canonical_json();
  return fmt::format(
      "{{\"input\":{{\"facts\":{},\"facts_digest\":\"{}\",\"point\":\"{}\",\"policy\":{{\"digest\":"
      "\"{}\",\"version\":{}}},\"slipway\":1,\"verdict\":\"{}\"}}}}",
      snapshot, decision.facts_digest.str(), to_string(decision.point),
      decision.policy_digest.str(), decision.policy_version, to_string(decision.verdict));
}

Result<Opinion> parse_opa_answer(std::string_view body) {
  json::error_code error;
  json::parse_options options;
  options.max_depth = 16;
  const json::value value = json::parse(body, error, {}, options);
  const json::object* answer = error ? nullptr : value.if_object();
  if (answer == nullptr) return no_answer("did not answer with a JSON object");
  const json::value* result = answer->if_contains("result");
  if (result == nullptr) return no_answer("has no result for this document (is its path right?)");
  if (const bool* allows = result->if_bool()) return Opinion{.allows = *allows};
  const json::object* object = result->if_object();
  const json::value* allow = object == nullptr ? nullptr : object->if_contains("allow");
  if (allow == nullptr || !allow->is_bool()) return no_answer("did not say `allow`");
  Opinion out{.allows = allow->get_bool()};
  add_reasons(*object, "reasons", out);
  add_reasons(*object, "deny", out);
  return out;
}

void combine(Decision& decision, const Result<Opinion>& opinion) {
  if (opinion && opinion->allows) return;
  Violation violation{.rule = std::string(second_opinion_rule)};
  violation.is_error = !opinion.has_value();
  if (!opinion)
    violation.message = sanitize_line(opinion.error().message);
  else
    violation.message = opinion->reasons.empty() ? "the external policy engine denies"
                                                 : join(opinion->reasons, "; ");
  decision.violations.push_back(std::move(violation));
  decision.verdict = Verdict::deny;
}

void ask_second_opinion(Decision& decision, const Facts& facts, SecondOpinion& other) {
  if (decision.verdict == Verdict::deny || !decision.break_glass.empty()) return;
  combine(decision, other.ask(opa_document(decision, facts), second_opinion_timeout));
}

}  // namespace slipway
