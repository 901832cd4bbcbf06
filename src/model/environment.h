#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/actor.h"

namespace slipway {

// When a variable is there.
enum class VarKind { run, build, both };
[[nodiscard]] std::string_view to_string(VarKind kind);
[[nodiscard]] std::optional<VarKind> parse_var_kind(std::string_view text);

// Who may see a variable's value again: a secret's is written and never read back.
enum class Disclosure { plain, secret };

// One variable of an environment. `value` is the plain one, or, where it is kept, the sealed one.
struct EnvironmentVar {
  std::string name;
  std::string value;
  VarKind kind = VarKind::run;
  Disclosure disclosure = Disclosure::plain;
  bool operator==(const EnvironmentVar&) const = default;
};

// The configuration of one environment of a project ("production", "staging", "preview", or a name
// of the user's) as of one change. Versions count from 1 and are never edited; 0 is the empty one
// before the first change.
struct Configuration {
  std::string project, environment;
  std::int64_t version = 0;
  Timestamp created_at{};
  Actor actor;
  std::string note;                  // "set API_KEY", "rollback to 3"
  std::vector<EnvironmentVar> vars;  // by name
  bool operator==(const Configuration&) const = default;
};

// Every deployment that is no release runs in this one.
inline constexpr std::string_view preview_environment = "preview";

// Letters, digits and underscores, no digit first, 256 at the most.
[[nodiscard]] bool is_variable_name(std::string_view name);
// Errors: invalid_argument, for what no program could read, or what the platform sets itself.
[[nodiscard]] Status check_variable_name(std::string_view name);
[[nodiscard]] Status check_environment_name(std::string_view name);

}  // namespace slipway
