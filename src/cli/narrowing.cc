#include "cli/narrowing.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/ids.h"
#include "base/text.h"

namespace slipway::cli {
namespace {

std::vector<std::string> words_of(const std::vector<std::string>& values) {
  std::vector<std::string> out;
  for (const std::string& value : values)
    for (const std::string_view word : split(value, ','))
      if (!trim(word).empty()) out.emplace_back(trim(word));
  return out;
}

Result<std::optional<std::vector<std::string>>> names(std::string_view option,
                                                      const std::vector<std::string>& values) {
  std::vector<std::string> out = words_of(values);
  if (out.empty()) return std::nullopt;
  for (const std::string& name : out)
    if (!is_slug(name))
      return fail(Errc::invalid_argument,
                  fmt::format("{}: '{}' is no name of one", option, sanitize_line(name)));
  return out;
}

// An empty one comes from a variable of a script that is not set: the token would be wider than was
// meant.
Status check_given(std::string_view option, const std::optional<std::string>& value) {
  if (!value || !trim(*value).empty()) return {};
  return fail(Errc::invalid_argument, fmt::format("{} is empty", option),
              "give it a value, or leave the option out");
}
Status check_given(std::string_view option, const std::vector<std::string>& values) {
  if (values.empty() || !words_of(values).empty()) return {};
  return check_given(option, std::optional<std::string>(""));
}

}  // namespace

std::optional<Duration> parse_life(std::string_view text) {
  text = trim(text);
  if (text.empty() || (text.back() >= '0' && text.back() <= '9')) return std::nullopt;
  return parse_duration(text);
}

std::optional<std::int64_t> parse_money(std::string_view text) {
  const auto point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  std::string fraction(point == std::string_view::npos ? "" : text.substr(point + 1));
  if (whole.empty() || whole.size() > 12 || fraction.size() > 6 ||
      (point != std::string_view::npos && fraction.empty()))
    return std::nullopt;
  fraction.resize(6, '0');
  const std::string digits = std::string(whole) + fraction;
  std::int64_t micros = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), micros);
  if (error != std::errc{} || end != digits.data() + digits.size() || digits.front() == '-')
    return std::nullopt;
  return micros;
}

void NarrowingOptions::declare(Arguments& arguments) {
  arguments.list("-p, --project", "NAME", projects, "to these projects", ValueKind::project);
  arguments.list("-E, --environment", "NAME", environments,
                 "to these; preview is every one but production and staging");
  arguments.list("-a, --action", "NAME", actions, "to these permissions (docs/identity.md)");
  arguments.option("--deploys", "N", deploys, "to so many deployments");
  arguments.option("--money", "AMOUNT", money, "to so much money");
  arguments.option("--ttl", "TIME", ttl, "until then: 30m, 24h, 7d");
  arguments.option("--agent", "NAME", agent, "its holder is this agent, and no human again");
  arguments.option("--session", "TEXT", session, "the agent's session, for the audit log");
  arguments.option("--task", "TEXT", task, "the agent's task, for the audit log");
  arguments.option("--label", "TEXT", label, "what it is for");
}

Result<Restriction> NarrowingOptions::restriction(Timestamp now) const {
  Restriction out{.id = TokenId::random().str(),
                  .label = label.value_or(""),
                  .agent = agent.value_or(""),
                  .session = session.value_or(""),
                  .task = task.value_or("")};
  SLIPWAY_CHECK(check_given("--agent", agent));
  SLIPWAY_CHECK(check_given("--session", session));
  SLIPWAY_CHECK(check_given("--task", task));
  SLIPWAY_CHECK(check_given("--project", projects));
  SLIPWAY_CHECK(check_given("--environment", environments));
  SLIPWAY_CHECK(check_given("--action", actions));
  SLIPWAY_TRY(out.projects, names("--project", projects));
  SLIPWAY_TRY(out.environments, names("--environment", environments));
  if (const std::vector<std::string> words = words_of(actions); !words.empty()) {
    PermissionSet set;
    for (const std::string& word : words) {
      const auto permission = parse_permission(word);
      if (!permission || *permission == Permission::none)
        return fail(Errc::invalid_argument,
                    fmt::format("--action: there is no '{}'", sanitize_line(word)),
                    "they are: " +
                        to_string(PermissionSet::all().without(PermissionSet{Permission::none})));
      set.insert(*permission);
    }
    out.actions = set;
  }
  if (deploys) {
    SLIPWAY_TRY(const int count, parse_count("--deploys", *deploys));
    out.deploys = count;
  }
  if (money) {
    out.money_micros = parse_money(*money);
    if (!out.money_micros)
      return fail(Errc::invalid_argument, "--money must be an amount such as 5 or 0.25");
  }
  if (ttl) {
    const auto time = parse_life(*ttl);
    if (!time || *time < std::chrono::seconds{1} || *time > std::chrono::days{3650})
      return fail(Errc::invalid_argument, "--ttl must be a time such as 30m, 24h or 7d");
    out.expires_at = std::chrono::ceil<std::chrono::seconds>(now + *time);
  }
  SLIPWAY_TRY([[maybe_unused]] const std::string text, to_text(out));
  return out;
}

}  // namespace slipway::cli
