#pragma once

// toml++ for files that an operator writes. Heavy: include it in few files. Not for hostile bytes:
// detect/formats_toml.cc reads what anybody may send, and says why. Debian 12's version (3.3) meets
// some malformed headers, such as "[[.a]", with an assertion instead of a parse error: here a
// failed assertion is thrown, and parse_toml_table() makes one kind of failure of both.

namespace slipway {
struct TomlAssertion {};
}  // namespace slipway

#define TOML_ASSERT(expr) (static_cast<bool>(expr) ? void() : throw ::slipway::TomlAssertion{})
#define TOML_EXCEPTIONS 1
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 64
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <toml++/toml.h>
#pragma clang diagnostic pop

#include <string_view>

#include "base/result.h"

namespace slipway {

// The document, or invalid_argument with the line.
[[nodiscard]] inline Result<toml::table> parse_toml_table(std::string_view text) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    Error out{.code = Errc::invalid_argument, .message = std::string(error.description())};
    out.line = static_cast<int>(error.source().begin.line);
    return fail(std::move(out));
  } catch (const TomlAssertion&) {
    return fail(Errc::invalid_argument, "a table's header is malformed");
  }
}

}  // namespace slipway
