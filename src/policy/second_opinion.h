#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "policy/decision.h"

// An optional external policy engine (OPA) that sees the same facts and must agree. Its client
// lives in deploy/; here are the port, the documents and the combination.
namespace slipway {

inline constexpr Duration second_opinion_timeout = std::chrono::milliseconds(250);

struct Opinion {
  bool allows = false;
  std::vector<std::string> reasons;  // told on a denial; untrusted text
};

class SecondOpinion {
 public:
  virtual ~SecondOpinion() = default;
  // Posts `document` and reads the answer within `timeout`. Any error denies.
  [[nodiscard]] virtual Result<Opinion> ask(const std::string& document, Duration timeout) = 0;
};

// The body for OPA's Data API: {"input":{"slipway":1,"point":…,"verdict":…,"policy":{…},
// "facts_digest":…,"facts":{"tables":{TABLE:[{COLUMN:VALUE}]},"unknown":{TABLE:WHY}}}}.
[[nodiscard]] std::string opa_document(const Decision& decision, const Facts& facts);
// {"result":true}, or {"result":{"allow":true,"reasons":["…"]}} (`deny` may stand for `reasons`).
// Anything else is invalid_argument: an undefined result denies.
[[nodiscard]] Result<Opinion> parse_opa_answer(std::string_view body);
// ANDs: a denial or an error makes the decision a denial by `second-opinion`.
void combine(Decision& decision, const Result<Opinion>& opinion);

// Asks only when our own verdict is not already deny, and not under break-glass: an emergency does
// not wait for another server.
void ask_second_opinion(Decision& decision, const Facts& facts, SecondOpinion& other);

}  // namespace slipway
