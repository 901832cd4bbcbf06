#include "cli/dotenv.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace slipway::cli {
namespace {

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-';
}
bool is_blank(char c) { return c == ' ' || c == '\t'; }

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
  }

  Result<std::vector<std::pair<std::string, std::string>>> read() {
    std::vector<std::pair<std::string, std::string>> out;
    for (;;) {
      skip_space_and_comments();
      if (done()) return out;
      SLIPWAY_TRY(std::string name, read_name());
      SLIPWAY_TRY(std::string value, read_value(name));
      const auto at = std::ranges::find(out, name, &std::pair<std::string, std::string>::first);
      if (at == out.end())
        out.emplace_back(std::move(name), std::move(value));
      else
        at->second = std::move(value);
    }
  }

 private:
  [[nodiscard]] bool done() const { return at_ >= text_.size(); }
  [[nodiscard]] char peek() const { return text_[at_]; }
  void skip() {
    if (peek() == '\n') ++line_;
    ++at_;
  }
  void skip_blanks() {
    while (!done() && is_blank(peek())) ++at_;
  }
  void skip_line() {
    while (!done() && peek() != '\n') ++at_;
  }
  void skip_space_and_comments() {
    while (!done()) {
      if (peek() == '#')
        skip_line();
      else if (is_blank(peek()) || peek() == '\n' || peek() == '\r')
        skip();
      else
        return;
    }
  }
  std::unexpected<Error> wrong(std::string what, int line) const {
    return fail(Errc::invalid_argument, fmt::format("line {}: {}", line, what),
                "lines are NAME=VALUE; quote values with spaces or #");
  }

  Result<std::string> read_name() {
    const std::string_view rest = text_.substr(at_);
    if (rest.starts_with("export") && rest.size() > 6 && is_blank(rest[6])) {
      at_ += 6;
      skip_blanks();
    }
    const std::size_t start = at_;
    while (!done() && is_name_char(peek())) ++at_;
    std::string name(text_.substr(start, at_ - start));
    skip_blanks();
    if (name.empty() || done() || peek() != '=') return wrong("there is no NAME= here", line_);
    ++at_;
    return name;
  }

  Result<std::string> read_value(std::string_view name) {
    skip_blanks();
    if (done() || peek() == '\n' || peek() == '\r') return std::string();
    if (peek() != '"' && peek() != '\'' && peek() != '`') return read_bare();
    const char quote = peek();
    const int line = line_;
    ++at_;
    std::string out;
    while (!done() && peek() != quote) {
      if (quote == '"' && peek() == '\\' && at_ + 1 < text_.size()) {
        ++at_;
        out += escaped(peek());
      } else {
        out += peek();
      }
      skip();
    }
    if (done())
      return wrong(fmt::format("the quote of {} is not closed", sanitize_line(name)), line);
    ++at_;
    skip_blanks();
    if (!done() && peek() == '#') skip_line();
    if (!done() && peek() == '\r') ++at_;
    if (!done() && peek() != '\n')
      return wrong(fmt::format("there is more behind the value of {}", sanitize_line(name)), line_);
    return out;
  }

  static std::string escaped(char c) {
    switch (c) {
      case 'n':
        return "\n";
      case 'r':
        return "\r";
      case 't':
        return "\t";
      case '"':
      case '\\':
      case '$':
        return std::string(1, c);
      default:
        return std::string("\\") + c;
    }
  }

  std::string read_bare() {
    const std::size_t start = at_;
    while (!done() && peek() != '\n') {
      if (peek() == '#' && is_blank(text_[at_ - 1])) break;
      ++at_;
    }
    const std::string value(trim(text_.substr(start, at_ - start)));
    skip_line();
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

Result<std::vector<std::pair<std::string, std::string>>> parse_dotenv(std::string_view text) {
  return Reader(text).read();
}

std::string dotenv_line(std::string_view name, std::string_view value) {
  std::string out = fmt::format("{}=\"", name);
  for (const char c : value) {
    if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c == '"' || c == '\\' || c == '$')
      out += std::string("\\") + c;
    else
      out += c;
  }
  return out + "\"\n";
}

}  // namespace slipway::cli
