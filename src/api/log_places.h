#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace slipway {

// Where a reader of a deployment's logs is, so that one whose connection broke goes on behind the
// last line it got. Of each service the time of its last record and, as several records may have
// one, its number among those. As text, a line's `cursor`: "<µs>.<number>", with "<service>:"
// before it when there are several, joined by ",". Not thread-safe.
class LogPlaces {
 public:
  // Errors: invalid_argument for what is no cursor. "" is the beginning.
  [[nodiscard]] static Result<LogPlaces> parse(std::string_view cursor);

  // Told of every record of the logs, of each service from its first on; true when the record comes
  // after the cursor. Once one of a service did, all later ones do, whatever the clock says.
  [[nodiscard]] bool take(const std::string& service, Timestamp time);
  // Behind the last record taken.
  [[nodiscard]] std::string cursor() const;

 private:
  struct Place {
    Timestamp time{};
    std::uint64_t number = 0;
  };
  struct Service {
    Place here;         // of the last record told
    Place after;        // what was given
    bool ahead = true;  // of `after`
  };
  std::map<std::string, Service, std::less<>> services_;
};

}  // namespace slipway
