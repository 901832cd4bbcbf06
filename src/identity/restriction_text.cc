// The text form of a restriction, as tokens carry it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/ids.h"
#include "base/text.h"
#include "identity/restriction.h"

namespace slipway {
namespace {

constexpr std::size_t max_label = 120, max_names = 32;

std::unexpected<Error> wrong(std::string_view name, std::string_view expected) {
  return fail(Errc::invalid_argument,
              fmt::format("a token's {} must be {}", sanitize_line(name), expected));
}

std::string comma_list(const std::vector<std::string>& names) { return join(names, ","); }

Result<std::int64_t> number(std::string_view name, std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  // Leading zeros would give one value two texts.
  if (error != std::errc{} || end != text.data() + text.size() || value < 0 ||
      std::to_string(value) != text)
    return wrong(name, "a whole number from 0");
  return value;
}

Result<std::vector<std::string>> slugs(std::string_view name, std::string_view text) {
  std::vector<std::string> out;
  for (const std::string_view word : split(text, ',')) {
    if (!is_slug(word) || out.size() == max_names)
      return wrong(name, fmt::format("1 to {} names, separated by commas", max_names));
    out.emplace_back(word);
  }
  return out;
}

Result<std::string> label(std::string_view name, std::string_view text) {
  const bool clean = std::ranges::none_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (text.empty() || text.size() > max_label || !clean)
    return wrong(name, fmt::format("1 to {} bytes without control characters", max_label));
  return std::string(text);
}

// One row a member: its name, and the two directions. Order is that of the text.
struct Field {
  std::string_view name;
  std::optional<std::string> (*write)(const Restriction&);
  Status (*read)(Restriction&, std::string_view);
};

std::optional<std::string> when_set(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

constexpr std::array fields{
    Field{"id", [](const Restriction& r) -> std::optional<std::string> { return r.id; },
          [](Restriction& r, std::string_view text) -> Status {
            if (!TokenId::parse(text)) return wrong("id", "a token's id");
            r.id = text;
            return {};
          }},
    Field{"projects", [](const Restriction& r) { return r.projects.transform(comma_list); },
          [](Restriction& r, std::string_view text) -> Status {
            SLIPWAY_TRY(r.projects, slugs("projects", text));
            return {};
          }},
    Field{"actions",
          [](const Restriction& r) {
            return r.actions.transform([](PermissionSet set) { return to_string(set); });
          },
          [](Restriction& r, std::string_view text) -> Status {
            r.actions = parse_permissions(text);
            if (!r.actions || to_string(*r.actions) != text)
              return wrong("actions", "permissions, such as deploy,read");
            return {};
          }},
    Field{"environments", [](const Restriction& r) { return r.environments.transform(comma_list); },
          [](Restriction& r, std::string_view text) -> Status {
            SLIPWAY_TRY(r.environments, slugs("environments", text));
            return {};
          }},
    Field{"deploys",
          [](const Restriction& r) {
            return r.deploys.transform([](std::int64_t n) { return std::to_string(n); });
          },
          [](Restriction& r, std::string_view text) -> Status {
            SLIPWAY_TRY(r.deploys, number("deploys", text));
            return {};
          }},
    Field{"money",
          [](const Restriction& r) {
            return r.money_micros.transform([](std::int64_t n) { return std::to_string(n); });
          },
          [](Restriction& r, std::string_view text) -> Status {
            SLIPWAY_TRY(r.money_micros, number("money", text));
            return {};
          }},
    Field{"expires",
          [](const Restriction& r) {
            return r.expires_at.transform([](Timestamp time) {
              return std::to_string(
                  std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count());
            });
          },
          [](Restriction& r, std::string_view text) -> Status {
            SLIPWAY_TRY(const std::int64_t seconds, number("expires", text));
            if (seconds > 253'402'300'799) return wrong("expires", "before the year 10000");
            r.expires_at = Timestamp{std::chrono::seconds{seconds}};
            return {};
          }},
    Field{"label", [](const Restriction& r) { return when_set(r.label); },
          [](Restriction& r, std::string_view text) -> Status {
            SLIPWAY_TRY(r.label, label("label", text));
            return {};
          }},
    Field{"agent", [](const Restriction& r) { return when_set(r.agent); },
          [](Restriction& r, std::string_view text) -> Status {
            if (!is_agent_name(text))
              return wrong("agent", "1 to 40 letters, digits, '.', '_' or '-'");
            r.agent = text;
            return {};
          }},
    Field{"session", [](const Restriction& r) { return when_set(r.session); },
          [](Restriction& r, std::string_view text) -> Status {
            SLIPWAY_TRY(r.session, label("session", text));
            return {};
          }},
    Field{"task", [](const Restriction& r) { return when_set(r.task); },
          [](Restriction& r, std::string_view text) -> Status {
            SLIPWAY_TRY(r.task, label("task", text));
            return {};
          }},
};

}  // namespace

bool is_agent_name(std::string_view text) {
  return !text.empty() && text.size() <= 40 && text != "." && text != ".." &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

Result<std::string> to_text(const Restriction& restriction) {
  std::string out;
  for (const Field& field : fields) {
    const auto value = field.write(restriction);
    if (value) out += fmt::format("{}{}={}", out.empty() ? "" : "\n", field.name, *value);
  }
  // Read back what was written: the rules for values are in one place.
  SLIPWAY_TRY(const Restriction read, parse_restriction(out));
  if (read.label != restriction.label || read.agent != restriction.agent)
    return fail(Errc::invalid_argument, "a token's label cannot have lines");
  return out;
}

Result<Restriction> parse_restriction(std::string_view text) {
  if (text.size() > max_restriction_bytes)
    return fail(
        Errc::too_large,
        fmt::format("one narrowing of a token is longer than {} bytes", max_restriction_bytes),
        "name fewer projects or shorter labels");
  Restriction out;
  std::size_t next = 0;
  for (const std::string_view line : split(text, '\n')) {
    const std::string_view name = line.substr(0, line.find('='));
    while (next < fields.size() && fields[next].name != name) ++next;
    if (next == fields.size() || name.size() == line.size())
      return fail(Errc::invalid_argument,
                  fmt::format("a token's restriction '{}' is unknown or out of order",
                              sanitize_line(name.substr(0, 40))));
    SLIPWAY_CHECK(fields[next].read(out, line.substr(name.size() + 1)));
    ++next;
  }
  if (out.id.empty()) return fail(Errc::invalid_argument, "a token's narrowing has no id");
  return out;
}

}  // namespace slipway
