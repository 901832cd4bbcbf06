#pragma once

#include <span>
#include <string_view>

namespace slipway {

// One row a thing that goes wrong. `pattern` is RE2 over the whole log, "^" and "$" at lines. In
// texts, {2} and {3} stand for its groups, {1} for its subject (group 1, or 3 when 1 is the file),
// {package} for the package that the subject belongs to, {add} for the command that adds it with
// the service's package manager, {phase} for the phase.
struct FailureRule {
  std::string_view cause;  // the class; failure.h
  std::string_view pattern;
  std::string_view message;
  std::string_view hint;
  std::string_view next = {};  // a command; left out when a group in it is no plain word
  std::string_view when = {};
  int file_group = 0, line_group = 0;  // 0: the location is looked for in the log
  enum class Pick { first, last } pick = Pick::first;
};

// In the order in which they are tried: the more specific first.
[[nodiscard]] std::span<const FailureRule> failure_rules();

// Where compilers, interpreters and stack traces name a place: patterns with a file and a line.
struct PlacePattern {
  std::string_view pattern;
  enum class Pick { first, last } pick = Pick::first;
};
[[nodiscard]] std::span<const PlacePattern> place_patterns();

}  // namespace slipway
