#include "cli/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>

#include "base/text.h"
#include "sys/files.h"

namespace slipway::cli {
namespace {

// A locale that is set and is not UTF-8 means ASCII; none at all is how containers come, on
// terminals that can.
bool speaks_utf8(const CliEnvironment& env) {
  for (const std::string_view name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string value = to_lower(env.variable(name));
    if (value.empty()) continue;
    return value.find("utf-8") != std::string::npos || value.find("utf8") != std::string::npos;
  }
  return env.variable("TERM") != "linux";
}

int window_width(const CliEnvironment& env, int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  int columns = 0;
  const std::string_view text = env.variable("COLUMNS");
  std::from_chars(text.data(), text.data() + text.size(), columns);
  return columns > 0 ? columns : 80;
}

Style style_for(const CliEnvironment& env, bool tty) {
  const bool dumb = env.variable("TERM") == "dumb";
  return {.color = tty && !dumb && env.variable("NO_COLOR").empty(),
          .live = tty && !dumb,
          .unicode = tty && !dumb && speaks_utf8(env)};
}

// The code point at the start of `text`, which is valid UTF-8, and its length.
std::uint32_t decode(std::string_view text, std::size_t& length) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (lead < 0x80 || length > text.size()) return length = 1, lead;
  std::uint32_t c = lead & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) c = c << 6 | (byte(i) & 0x3fu);
  return c;
}

// An approximation of UAX #11 that is right for what build logs hold.
std::size_t columns_of(std::uint32_t c) {
  if ((c >= 0x300 && c <= 0x36f) || (c >= 0xfe00 && c <= 0xfe0f) || c == 0x200d) return 0;
  const bool wide = (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) ||
                    (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
                    (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
                    (c >= 0x1f300 && c <= 0x1faff) || (c >= 0x20000 && c <= 0x3fffd);
  return wide ? 2 : 1;
}

std::size_t sgr_length(std::string_view text) {
  if (!text.starts_with("\x1b[")) return 0;
  const auto end = text.find('m');
  return end == std::string_view::npos ? 0 : end + 1;
}

}  // namespace

Console::Console(const CliEnvironment& env)
    : env_(env), out_style_(style_for(env, env.out_tty)), err_style_(style_for(env, env.err_tty)) {}

void Console::out(std::string_view text) {
  if (!out_closed_ && !write_all(env_.out, text)) out_closed_ = true;
}

void Console::err(std::string_view text) const {
  // There is nowhere left to tell that stderr is gone.
  [[maybe_unused]] const Status status = write_all(env_.err, text);
}

Style Console::out_style() const {
  Style style = out_style_;
  style.width = window_width(env_, env_.out);
  return style;
}

Style Console::err_style() const {
  Style style = err_style_;
  style.width = window_width(env_, env_.err);
  return style;
}

std::optional<std::string> Console::read_line() const {
  std::string line;
  for (char c = 0;;) {
    const ssize_t got = ::read(env_.in, &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return line.empty() ? std::nullopt : std::optional(std::move(line));
    if (c == '\n') return line;
    if (c != '\r' && line.size() < 65'536) line += c;
  }
}

bool Console::confirm(std::string_view question) const {
  err(std::string(question) + " [y/N] ");
  const std::string answer = to_lower(trim(read_line().value_or("")));
  return answer == "y" || answer == "yes";
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    std::size_t length = sgr_length(text);
    if (length == 0) width += columns_of(decode(text, length));
    text.remove_prefix(length);
  }
  return width;
}

std::string clip(std::string_view text, std::size_t columns, const Style& style) {
  if (display_width(text) <= columns) return std::string(text);
  const std::string_view mark = style.unicode ? "…" : "..";
  const std::size_t room = columns - std::min(columns, display_width(mark));
  std::string out;
  for (std::size_t used = 0; !text.empty();) {
    std::size_t length = 0;
    used += columns_of(decode(text, length));
    if (used > room) break;
    out += text.substr(0, length);
    text.remove_prefix(length);
  }
  return columns >= display_width(mark) ? out.append(mark) : out;
}

std::string pad(std::string_view text, std::size_t columns) {
  std::string out(text);
  const std::size_t width = display_width(text);
  if (width < columns) out.append(columns - width, ' ');
  return out;
}

std::string table(const std::vector<std::string>& header,
                  const std::vector<std::vector<std::string>>& rows, const Style& style) {
  std::vector<std::size_t> widths;
  for (const std::string& cell : header) widths.push_back(display_width(cell));
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], display_width(row[i]));
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string out;
    for (std::size_t i = 0; i < cells.size(); ++i)
      out += i + 1 == cells.size() ? cells[i] : pad(cells[i], widths[i] + 2);
    while (out.ends_with(' ')) out.pop_back();
    return out;
  };
  std::string out = style.dim(line(header)) + "\n";
  for (const auto& row : rows) out += line(row).append("\n");
  return out;
}

}  // namespace slipway::cli
