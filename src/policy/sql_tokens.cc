#include "policy/sql_tokens.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "policy/utf8.h"

namespace slipway {
namespace {

using Kind = SqlToken::Kind;

bool is_word_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

constexpr std::array<std::string_view, 18> symbols = {
    // the longer first
    "<=", ">=", "<>", "!=", "==", "||", "(", ")", ",", ".", "+", "-", "*", "/", "%", "<", ">", "="};

class Scanner {
 public:
  explicit Scanner(std::string_view sql) : left_(sql) {}

  Result<std::vector<SqlToken>> scan() {
    while (skip_blanks()) {
      SLIPWAY_TRY(SqlToken token, next());
      token.line = line_;
      for (const char c : left_.substr(0, taken_)) line_ += c == '\n';
      left_.remove_prefix(taken_);
      tokens_.push_back(std::move(token));
    }
    tokens_.push_back({.line = line_});
    return std::move(tokens_);
  }

 private:
  std::unexpected<Error> refuse(std::string message, std::string hint = {}) const {
    Error error{
        .code = Errc::invalid_argument, .message = std::move(message), .hint = std::move(hint)};
    error.line = line_;
    return fail(std::move(error));
  }

  bool skip_blanks() {
    while (!left_.empty()) {
      if (left_.starts_with("--")) {
        left_.remove_prefix(std::min(left_.find('\n'), left_.size()));
      } else if (std::string_view(" \t\r\n").contains(left_.front())) {
        line_ += left_.front() == '\n';
        left_.remove_prefix(1);
      } else {
        return true;
      }
    }
    return false;
  }

  Result<SqlToken> next() {
    const char c = left_.front();
    if (is_word_start(c)) return word();
    if (is_digit(c)) return number();
    if (c == '\'') return text();
    if (c == '"' || c == '`' || c == '[')
      return refuse(fmt::format("{} does not stand in a rule: names are written bare", c),
                    "text goes in single quotes: 'production'");
    if (left_.starts_with("/*")) return refuse("a comment starts with --");
    if (c == ';') return refuse("a rule is one SELECT, without a semicolon");
    for (const std::string_view symbol : symbols)
      if (left_.starts_with(symbol)) {
        taken_ = symbol.size();
        const bool alias = symbol == "==" || symbol == "<>";
        return SqlToken{.kind = Kind::symbol,
                        .text = std::string(!alias           ? symbol
                                            : symbol == "==" ? "="
                                                             : "!=")};
      }
    if (c > ' ' && c < 0x7f) return refuse(fmt::format("{} is not part of the rule language", c));
    return refuse("a byte that does not stand outside of text");
  }

  Result<SqlToken> word() {
    taken_ = 1;
    while (taken_ < left_.size() && (is_word_start(left_[taken_]) || is_digit(left_[taken_])))
      ++taken_;
    if (taken_ == 1 && left_.size() > 1 && left_[1] == '\'')
      return refuse("a blob is not part of the rule language");
    SqlToken token{.kind = Kind::word, .text = std::string(left_.substr(0, taken_))};
    for (char& c : token.text)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    return token;
  }

  Result<SqlToken> number() {
    SqlToken token{.kind = Kind::number};
    const auto read = std::from_chars(left_.data(), left_.data() + left_.size(), token.number);
    taken_ = static_cast<std::size_t>(read.ptr - left_.data());
    const char after = taken_ < left_.size() ? left_[taken_] : ' ';
    if (read.ec != std::errc{} || is_word_start(after) || after == '.')
      return refuse("a number is a whole one, below 2^63",
                    "money is in micro-units, sizes in bytes, times in seconds");
    token.text = std::string(left_.substr(0, taken_));
    return token;
  }

  Result<SqlToken> text() {
    SqlToken token{.kind = Kind::text};
    for (taken_ = 1; taken_ < left_.size(); ++taken_) {
      const char c = left_[taken_];
      if (c != '\'') {
        token.text += c;
        continue;
      }
      if (taken_ + 1 >= left_.size() || left_[taken_ + 1] != '\'') {
        ++taken_;
        return token;
      }
      token.text += '\'';
      ++taken_;
    }
    return refuse("a text in single quotes does not end");
  }

  std::string_view left_;
  std::size_t taken_ = 0;
  int line_ = 1;
  std::vector<SqlToken> tokens_;
};

}  // namespace

Result<std::vector<SqlToken>> sql_tokens(std::string_view sql) {
  if (sql.size() > longest_query)
    return fail(Errc::invalid_argument,
                fmt::format("the query is longer than {} bytes", longest_query));
  if (to_utf8(sql) != sql) return fail(Errc::invalid_argument, "the query is not UTF-8 text");
  return Scanner(sql).scan();
}

}  // namespace slipway
