#include "cli/vars.h"

#include <fmt/format.h>

#include "base/text.h"
#include "model/environment.h"

namespace slipway::cli {

Result<json::object> parse_variables(std::string_view option, const std::vector<std::string>& words,
                                     const CliEnvironment& env) {
  json::object out;
  for (const std::string& word : words) {
    const auto equals = word.find('=');
    const std::string name = word.substr(0, equals);
    if (!is_variable_name(name))
      return fail(Errc::invalid_argument,
                  equals == std::string::npos ? fmt::format("{} takes NAME=VALUE", option)
                                              : fmt::format("{}: '{}' is no name for a variable",
                                                            option, sanitize_line(name)),
                  "letters, digits and underscores, no digit first");
    if (equals != std::string::npos) {
      out[name] = word.substr(equals + 1);
      continue;
    }
    const auto inherited = env.variables.find(name);
    if (inherited == env.variables.end())
      return fail(Errc::invalid_argument,
                  fmt::format("{} {}: your environment has no {}", option, name, name),
                  fmt::format("give it a value: {} {}=VALUE", option, name));
    out[name] = inherited->second;
  }
  return out;
}

}  // namespace slipway::cli
