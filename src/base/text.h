#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace slipway {

[[nodiscard]] std::string_view trim(std::string_view text);
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);
// Lines without their ends; "\r\n" counts as one end; a last line without an end counts.
[[nodiscard]] std::vector<std::string_view> lines(std::string_view text);
[[nodiscard]] std::string to_lower(std::string_view text);
[[nodiscard]] std::string join(const std::vector<std::string>& parts, std::string_view separator);

// Text from an app, made safe for a terminal and for one line of a log: control characters (C0,
// DEL, C1), bidi controls and invalid UTF-8 become visible escapes such as \x1b; tabs stay. Colour
// sequences (ECMA-48 SGR) stay only when asked for. Law 9.
enum class Colors { strip, keep };
[[nodiscard]] std::string sanitize_line(std::string_view text, Colors colors = Colors::strip);

// As one word of a POSIX shell.
[[nodiscard]] std::string shell_quote(std::string_view word);

// "12 B", "3.4 KB", "56 MB" (powers of 1000).
[[nodiscard]] std::string format_bytes(std::uint64_t bytes);

// A name for a project or alias made of any text: lower-case letters, digits and single dashes,
// 1–40 characters, starts with a letter; "app" when nothing is left. Never contains "--", which
// separates an alias from its project in host names.
[[nodiscard]] std::string slug(std::string_view text);
// Whether `text` is its own slug.
[[nodiscard]] bool is_slug(std::string_view text);

}  // namespace slipway
