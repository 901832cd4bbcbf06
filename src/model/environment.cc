#include "model/environment.h"

#include <fmt/format.h>

#include "base/text.h"

namespace slipway {

std::string_view to_string(VarKind kind) {
  switch (kind) {
    case VarKind::run:
      return "run";
    case VarKind::build:
      return "build";
    case VarKind::both:
      return "both";
  }
  return "run";
}

std::optional<VarKind> parse_var_kind(std::string_view text) {
  for (const VarKind kind : {VarKind::run, VarKind::build, VarKind::both})
    if (text == to_string(kind)) return kind;
  return std::nullopt;
}

bool is_variable_name(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return !name.empty() && name.size() <= 256 && letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || digit(c); });
}

Status check_variable_name(std::string_view name) {
  if (!is_variable_name(name))
    return fail(Errc::invalid_argument,
                fmt::format("'{}' is no name for a variable", sanitize_line(name.substr(0, 80))),
                "letters, digits and underscores, no digit first, 256 at the most");
  if (name == "PORT" || name == "HOST" || name.starts_with("SLIPWAY_"))
    return fail(Errc::invalid_argument, fmt::format("{} is set by Slipway itself", name),
                "give it another name");
  return {};
}

Status check_environment_name(std::string_view name) {
  if (name == "prod")
    return fail(Errc::invalid_argument, "no environment is called 'prod'",
                "did you mean production?");
  if (is_slug(name)) return {};
  return fail(Errc::invalid_argument,
              fmt::format("'{}' is no name for an environment", sanitize_line(name.substr(0, 80))),
              "production, staging, preview, or small letters, digits and single dashes");
}

}  // namespace slipway
