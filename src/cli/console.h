#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/cli.h"

namespace slipway::cli {

// How a stream may be written to: decided once, from what it is and what the user asked for
// (NO_COLOR, TERM=dumb, the locale, COLUMNS).
struct Style {
  bool color = false;
  bool live = false;     // lines may be rewritten
  bool unicode = false;  // marks beyond ASCII
  int width = 80;

  [[nodiscard]] std::string paint(std::string_view sgr, std::string_view text) const {
    if (!color || text.empty()) return std::string(text);
    return std::string("\x1b[").append(sgr).append("m").append(text).append("\x1b[0m");
  }
  [[nodiscard]] std::string bold(std::string_view text) const { return paint("1", text); }
  [[nodiscard]] std::string dim(std::string_view text) const { return paint("2", text); }
  [[nodiscard]] std::string red(std::string_view text) const { return paint("31", text); }
  [[nodiscard]] std::string green(std::string_view text) const { return paint("32", text); }
  [[nodiscard]] std::string yellow(std::string_view text) const { return paint("33", text); }
  [[nodiscard]] std::string cyan(std::string_view text) const { return paint("36", text); }
};

// The two streams. Writes are whole and immediate. Not thread-safe, except that different threads
// may write to different streams.
class Console {
 public:
  explicit Console(const CliEnvironment& env);

  void out(std::string_view text);
  void err(std::string_view text) const;
  // Nobody reads stdout any more: time to stop.
  [[nodiscard]] bool out_closed() const { return out_closed_; }
  // As of now: the width follows the window.
  [[nodiscard]] Style out_style() const;
  [[nodiscard]] Style err_style() const;

  // A line from stdin without its end; nothing at the end of input.
  [[nodiscard]] std::optional<std::string> read_line() const;
  // Asks on stderr. Anything but y or yes is a no.
  [[nodiscard]] bool confirm(std::string_view question) const;

 private:
  const CliEnvironment& env_;
  Style out_style_, err_style_;
  bool out_closed_ = false;
};

// Columns that `text` takes on a terminal: wide characters count two, combining ones none, colour
// sequences none.
[[nodiscard]] std::size_t display_width(std::string_view text);
// Cut to `columns`, with "…" (or "..") at the end when something was cut. `text` has no colours.
[[nodiscard]] std::string clip(std::string_view text, std::size_t columns, const Style& style);
[[nodiscard]] std::string pad(std::string_view text, std::size_t columns);

// Rows under a header, columns as wide as their widest cell, the last one free.
[[nodiscard]] std::string table(const std::vector<std::string>& header,
                                const std::vector<std::vector<std::string>>& rows,
                                const Style& style);

}  // namespace slipway::cli
