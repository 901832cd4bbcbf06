#include "deploy/cron.h"

#include <fmt/format.h>

#include <charconv>
#include <span>
#include <vector>

#include "base/text.h"

namespace slipway {

using namespace std::chrono;

namespace {

constexpr std::string_view month_names[] = {"",    "jan", "feb", "mar", "apr", "may", "jun",
                                            "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::string_view weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct Field {
  std::string_view name;
  int least, most;
  std::span<const std::string_view> names;
};
constexpr Field fields[] = {{"minute", 0, 59, {}},
                            {"hour", 0, 23, {}},
                            {"day of the month", 1, 31, {}},
                            {"month", 1, 12, month_names},
                            {"day of the week", 0, 7, weekday_names}};

struct Nickname {
  std::string_view name, fields;
};
constexpr Nickname nicknames[] = {{"@yearly", "0 0 1 1 *"},  {"@annually", "0 0 1 1 *"},
                                  {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
                                  {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
                                  {"@hourly", "0 * * * *"}};

std::optional<int> number(std::string_view text, const Field& field) {
  for (std::size_t i = 0; i < field.names.size(); ++i)
    if (!field.names[i].empty() && to_lower(text) == field.names[i]) return static_cast<int>(i);
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  if (value < field.least || value > field.most) return std::nullopt;
  return value;
}

// The values of one field.
std::optional<std::vector<int>> values(std::string_view text, const Field& field) {
  std::vector<int> out;
  for (const std::string_view part : split(text, ',')) {
    const auto slash = part.find('/');
    const std::string_view range = part.substr(0, slash);
    int step = 1;
    if (slash != std::string_view::npos) {
      const std::string_view digits = part.substr(slash + 1);
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), step);
      if (error != std::errc{} || end != digits.data() + digits.size() || step < 1)
        return std::nullopt;
    }
    int from = field.least, to = field.most;
    if (range != "*") {
      const auto dash = range.find('-');
      const auto low = number(range.substr(0, dash), field);
      if (!low) return std::nullopt;
      from = *low;
      to = slash != std::string_view::npos ? field.most : from;
      if (dash != std::string_view::npos) {
        const auto high = number(range.substr(dash + 1), field);
        if (!high || *high < from) return std::nullopt;
        to = *high;
      }
    }
    for (int value = from; value <= to; value += step) out.push_back(value);
  }
  return out;
}

}  // namespace

Result<CronSchedule> CronSchedule::parse(std::string_view text) {
  std::string_view source = trim(text);
  for (const Nickname& each : nicknames)
    if (to_lower(source) == each.name) source = each.fields;
  std::vector<std::string_view> words;
  for (std::size_t at = 0; at < source.size();) {
    const auto begin = source.find_first_not_of(" \t", at);
    if (begin == std::string_view::npos) break;
    const auto end = std::min(source.find_first_of(" \t", begin), source.size());
    words.push_back(source.substr(begin, end - begin));
    at = end;
  }
  if (words.size() != std::size(fields))
    return fail(
        Errc::invalid_argument,
        fmt::format("'{}' is no schedule: it has {} fields", sanitize_line(text), words.size()),
        "minute hour day month weekday, in UTC, such as '0 3 * * *'");
  CronSchedule out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto all = values(words[i], fields[i]);
    if (!all)
      return fail(
          Errc::invalid_argument,
          fmt::format("'{}' is no {} of a schedule", sanitize_line(words[i]), fields[i].name),
          "minute hour day month weekday, in UTC, such as '0 3 * * *'");
    for (const int value : *all) {
      const auto bit = static_cast<std::size_t>(value);
      if (i == 0) out.minutes_.set(bit);
      if (i == 1) out.hours_.set(bit);
      if (i == 2) out.days_.set(bit);
      if (i == 3) out.months_.set(bit);
      if (i == 4) out.weekdays_.set(bit % 7);
    }
  }
  out.any_day_ = words[2].starts_with('*');
  out.any_weekday_ = words[4].starts_with('*');
  return out;
}

bool CronSchedule::on_day(sys_days day) const {
  const year_month_day date(day);
  if (!months_.test(unsigned(date.month()))) return false;
  const bool by_day = days_.test(unsigned(date.day()));
  const bool by_weekday = weekdays_.test(weekday(day).c_encoding());
  if (!any_day_ && !any_weekday_) return by_day || by_weekday;
  return by_day && by_weekday;
}

std::optional<Timestamp> CronSchedule::next_after(Timestamp time) const {
  const auto minute = floor<minutes>(time) + minutes{1};
  const sys_days first = floor<days>(minute);
  for (sys_days day = first; day < first + days{366 * 5}; day += days{1}) {
    if (!on_day(day)) continue;
    for (int h = 0; h < 24; ++h) {
      if (!hours_.test(static_cast<std::size_t>(h))) continue;
      for (int m = 0; m < 60; ++m) {
        if (!minutes_.test(static_cast<std::size_t>(m))) continue;
        const auto at = day + hours{h} + minutes{m};
        if (at >= minute) return Timestamp(at);
      }
    }
  }
  return std::nullopt;
}

}  // namespace slipway
