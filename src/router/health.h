#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "http/message.h"

namespace slipway {

// Whether the parts of the server answer within a bound: each is asked, at most one question a part
// is under way, and a part that does not answer is named. Thread-safe; what it is given must
// outlive it, and answers may come later than that.
class Health {
 public:
  static constexpr Duration bound = std::chrono::seconds{1};

  using Answer = std::function<void(Status)>;
  struct Part {
    std::string name;
    // Calls the answer once, from any thread, or never. Must not block.
    std::function<void(Answer)> ask;
  };
  Health(const Clock& clock, std::vector<Part> parts);

  // A look at all of them. Asks those that were not asked lately; `news` is called, from any
  // thread, when the verdict may be there.
  struct Look {
    Duration began{};
    std::shared_ptr<const std::function<void()>> news;  // wanted for as long as this lives
  };
  [[nodiscard]] Look look(std::function<void()> news);
  // Nothing while some part may still answer within the bound.
  [[nodiscard]] std::optional<std::vector<HealthReason>> verdict(const Look& look) const;

 private:
  struct State;
  const Clock& clock_;
  std::vector<Part> parts_;
  std::shared_ptr<State> state_;
};

}  // namespace slipway
