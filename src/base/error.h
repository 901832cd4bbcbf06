#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway {

// Every way an operation can fail. One row a code in the table below: what HTTP, the CLI and a
// retrying client make of it. Codes are part of the JSON contract; add, never rename.
enum class Errc {
  invalid_argument,     // the request itself is wrong
  not_found,            //
  conflict,             // somebody else changed it first, or it exists already
  failed_precondition,  // right request, wrong state
  over_budget,          // money, quota or fleet cap
  denied_by_policy,     //
  build_failed,         // the app's own install or build step failed
  start_failed,         // the app did not start or never became ready
  unauthenticated,      // no or bad token
  permission_denied,    // a good token that may not do this
  too_large,            // a body, file, header or tree beyond its limit
  rate_limited,         //
  unavailable,          // try again: starting, stopping, overloaded
  deadline_exceeded,    //
  canceled,             //
  disk_full,            //
  io,                   // the kernel said no
  corrupt,              // stored or received bytes do not match their digest
  internal,             // a bug
};

struct ErrcInfo {
  Errc code;
  std::string_view name;  // as it appears in JSON
  int http_status;
  int exit_code;  // of the CLI, DESIGN.md §5
  enum class Retry { no, yes } retry;
};

// The row of `code`. Total: every enumerator has one.
[[nodiscard]] const ErrcInfo& info(Errc code);
// The code named `name`, or `internal` for an unknown one (a newer server's code, say).
[[nodiscard]] Errc errc_from_name(std::string_view name);

// A command that the reader could run next, and when it helps.
struct NextStep {
  std::string command;
  std::string when;
  bool operator==(const NextStep&) const = default;
};

// A failure as data: what was wrong, where, what to do next. Never holds a secret. The optional
// fields are for failed builds and starts; see DESIGN.md §5 for the JSON form.
struct Error {
  Errc code = Errc::internal;
  std::string message;
  std::string hint;
  std::string phase;    // upload detect scan install build start ...
  std::string command;  // the command that failed, as the user would type it
  std::optional<int> exit_code;
  std::string cause;  // cause class: missing_dependency, compile_error, out_of_memory, ...
  std::string file;   // relative to the project's root
  std::optional<int> line;
  std::vector<std::string> excerpt;
  std::vector<NextStep> next;
  std::string decision;  // of denied_by_policy: the policies' decision, as one JSON object's text

  bool operator==(const Error&) const = default;

  // Fluent additions, so that `return fail(...).with_hint(...)` reads well.
  Error&& with_hint(std::string text) &&;
  Error&& with_next(std::string run, std::string when) &&;
};

}  // namespace slipway
