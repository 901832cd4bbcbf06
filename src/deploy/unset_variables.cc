#include "deploy/unset_variables.h"

#include <fmt/format.h>

#include <charconv>

#include "base/text.h"
#include "store/env_values.h"

namespace slipway {
namespace {

constexpr std::size_t most_told = 12;

// "src/db.ts:3" -> file and line.
void put_place(std::string_view evidence, Warning& warning) {
  const auto colon = evidence.rfind(':');
  warning.file = sanitize_line(evidence.substr(0, colon));
  if (colon == std::string_view::npos) return;
  const std::string_view number = evidence.substr(colon + 1);
  std::from_chars(number.data(), number.data() + number.size(), warning.line);
}

Warning finding_of(const EnvNeed& need) {
  const bool is_public = need.kind == "public";
  const std::string name = sanitize_line(need.name);
  Warning out{.code = "variable_unset",
              .message = fmt::format(
                  "{} is not set; {}", name,
                  is_public ? "the page was built without it, so what needs it there does not work"
                            : "the code that reads it gets nothing"),
              .file = {},
              .line = 0,
              .fix = fmt::format("slipway deploy {} {}=VALUE", is_public ? "-b" : "-e", name)};
  put_place(need.evidence, out);
  return out;
}

}  // namespace

std::vector<Warning> unset_variables(const std::vector<Unit>& units,
                                     const std::set<std::string>& known) {
  std::vector<Warning> out;
  std::set<std::string> seen, more;
  for (const Unit& unit : units) {
    if (unit.service == nullptr || unit.service->provider == "dockerfile" || !unit.runs) continue;
    for (const EnvNeed& need : unit.service->env) {
      if (!need.required || need.default_value || known.contains(need.name)) continue;
      // A page gets nothing else; and functions of another host are not run here.
      if (unit.service->is_static && need.kind != "public") continue;
      if (need.evidence.find("supabase/functions/") != std::string::npos) continue;
      bool wired = false;
      for (const Wire& wire : unit.service->wires) wired = wired || wire.env == need.name;
      if (wired || !seen.insert(need.name).second) continue;
      if (out.size() < most_told)
        out.push_back(finding_of(need));
      else
        more.insert(need.name);
    }
  }
  if (!more.empty())
    out.push_back({.code = "variable_unset",
                   .message = sanitize_line(
                       fmt::format("{} and {} more variables that the code reads are not set",
                                   *more.begin(), more.size() - 1)),
                   .file = {},
                   .line = 0,
                   .fix = "slipway detect lists them all"});
  return out;
}

void add_names_of(std::string_view dotenv_text, std::set<std::string>& names) {
  const PublicValues values = public_values(dotenv_text);
  names.insert(values.kept.begin(), values.kept.end());
  names.insert(values.left.begin(), values.left.end());
}

}  // namespace slipway
