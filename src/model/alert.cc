#include "model/alert.h"

#include <algorithm>

namespace slipway {

bool AlertSubscription::wants(std::string_view event, std::string_view of_environment) const {
  if (event == "alert.test") return true;
  if (!environment.empty() && environment != of_environment) return false;
  return events.empty() || std::ranges::find(events, event) != events.end();
}

}  // namespace slipway
