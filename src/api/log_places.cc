#include "api/log_places.h"

#include <fmt/format.h>

#include <charconv>

#include "base/text.h"

namespace slipway {

Result<LogPlaces> LogPlaces::parse(std::string_view cursor) {
  LogPlaces places;
  if (cursor.empty()) return places;
  for (std::string_view part : split(cursor, ',')) {
    const auto colon = part.rfind(':');
    std::string name(colon == std::string_view::npos ? "" : part.substr(0, colon));
    if (colon != std::string_view::npos) part.remove_prefix(colon + 1);
    std::int64_t micros = 0;
    Place after;
    const char* const last = part.data() + part.size();
    const auto [dot, error] = std::from_chars(part.data(), last, micros);
    const bool timed = error == std::errc{} && dot != last && *dot == '.';
    if (timed) {
      after.time = Timestamp{std::chrono::microseconds{micros}};
      const auto [end, wrong] = std::from_chars(dot + 1, last, after.number);
      if (wrong == std::errc{} && end == last) {
        places.services_[std::move(name)] = {.after = after, .ahead = false};
        continue;
      }
    }
    return fail(Errc::invalid_argument, "after must be the cursor of a line of this log");
  }
  return places;
}

bool LogPlaces::take(const std::string& service, Timestamp time) {
  Service& at = services_[service];
  at.here = {.time = time, .number = time == at.here.time ? at.here.number + 1 : 1};
  if (at.ahead) return true;
  if (time < at.after.time) return false;
  const bool seen = time == at.after.time && at.here.number <= at.after.number;
  at.ahead = !seen || at.here.number == at.after.number;
  return !seen;
}

std::string LogPlaces::cursor() const {
  std::string text;
  for (const auto& [name, at] : services_) {
    const Place& place = at.ahead ? at.here : at.after;
    text += fmt::format("{}{}{}{}.{}", text.empty() ? "" : ",", name, name.empty() ? "" : ":",
                        place.time.time_since_epoch().count(), place.number);
  }
  return text;
}

}  // namespace slipway
