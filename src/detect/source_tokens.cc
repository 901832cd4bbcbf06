#include <cctype>

#include "detect/source.h"

namespace slipway::detection {
namespace {

bool is_word_start(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_word(char c) {
  return is_word_start(c) || std::isdigit(static_cast<unsigned char>(c)) != 0;
}

// After these a string may follow without a blank between.
bool is_keyword(std::string_view word) {
  return word == "return" || word == "case" || word == "from" || word == "import" ||
         word == "typeof" || word == "in" || word == "of" || word == "else" || word == "default";
}

class Lexer {
 public:
  Lexer(std::string_view text, Language language) : text_(text), language_(language) {
    hash_comments_ = language == Language::python || language == Language::ruby ||
                     language == Language::elixir || language == Language::php ||
                     language == Language::crystal;
    slash_comments_ = language != Language::python && language != Language::ruby &&
                      language != Language::elixir && language != Language::crystal &&
                      language != Language::haskell && language != Language::clojure;
    line_comment_ = language == Language::haskell ? "--" : language == Language::clojure ? ";" : "";
  }

  std::vector<Token> run() {
    tokens_.reserve(text_.size() / 6);
    while (at_ < text_.size() && tokens_.size() < max_tokens) step();
    match_brackets();
    return std::move(tokens_);
  }

 private:
  [[nodiscard]] bool starts(std::string_view what) const {
    return text_.substr(at_).starts_with(what);
  }

  void step() {
    const char c = text_[at_];
    if (c == '\n') {
      newline(at_++);
    } else if (c == ' ' || c == '\t' || c == '\r') {
      ++at_;
    } else if ((hash_comments_ && c == '#') || (slash_comments_ && starts("//")) ||
               (!line_comment_.empty() && starts(line_comment_))) {
      at_ = std::min(text_.find('\n', at_), text_.size());
    } else if (slash_comments_ && starts("/*")) {
      skip_to("*/", 2);
    } else if (starts("\"\"\"") || (language_ == Language::python && starts("'''"))) {
      triple();
    } else if (c == '"' || c == '\'' || c == '`') {
      quoted(c);
    } else if (is_word_start(c)) {
      word();
    } else if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
      const std::size_t from = at_;
      while (at_ < text_.size() && (is_word(text_[at_]) || text_[at_] == '.')) ++at_;
      push(Token::Kind::number, from, at_);
    } else if (c == '/' && language_ == Language::javascript && regex_may_start()) {
      regex();
    } else {
      push(Token::Kind::sign, at_, at_ + 1);
      ++at_;
    }
  }

  void newline(std::size_t at) {
    ++line_;
    line_start_ = at + 1;
  }

  void push(Token::Kind kind, std::size_t from, std::size_t to) {
    tokens_.push_back({.kind = kind,
                       .text = text_.substr(from, to - from),
                       .line = line_,
                       .column = static_cast<int>(from - line_start_)});
  }

  // Steps to just after `close`, counting lines.
  void skip_to(std::string_view close, std::size_t opening) {
    const std::size_t end = text_.find(close, at_ + opening);
    const std::size_t stop = end == std::string_view::npos ? text_.size() : end + close.size();
    for (std::size_t i = at_; i < stop; ++i)
      if (text_[i] == '\n') newline(i);
    at_ = stop;
  }

  void triple() {
    const std::string_view close = text_.substr(at_, 3);
    const std::size_t from = at_ + 3;
    const std::size_t end = std::min(text_.find(close, from), text_.size());
    push(Token::Kind::string, from, end);
    skip_to(close, 3);
  }

  void quoted(char quote) {
    // Rust's lifetimes ('a) and a stray apostrophe are no strings.
    if (quote == '\'' && (language_ == Language::rust || language_ == Language::haskell ||
                          language_ == Language::clojure)) {
      const bool character =
          at_ + 2 < text_.size() && (text_[at_ + 1] == '\\' || text_[at_ + 2] == '\'');
      if (!character) {
        ++at_;
        return;
      }
    }
    // The apostrophe of "Don't" in the text of a page.
    if (quote == '\'' && language_ == Language::javascript && at_ > 0 && is_word(text_[at_ - 1]) &&
        !tokens_.empty() && !is_keyword(tokens_.back().text)) {
      ++at_;
      return;
    }
    const bool spans_lines =
        quote == '`' || language_ == Language::php || language_ == Language::ruby;
    const std::size_t from = ++at_;
    const int first_line = line_;
    const std::size_t first_start = line_start_;
    while (at_ < text_.size() && text_[at_] != quote) {
      if (text_[at_] == '\\' && !(quote == '`' && language_ == Language::go)) ++at_;
      if (at_ < text_.size() && text_[at_] == '\n') {
        if (!spans_lines && text_[at_ - 1] != '\\') break;
        newline(at_);
      }
      if (at_ < text_.size()) ++at_;
    }
    const std::size_t end = std::min(at_, text_.size());
    tokens_.push_back({.kind = Token::Kind::string,
                       .text = text_.substr(from, end - from),
                       .line = first_line,
                       .column = static_cast<int>(from - 1 - first_start)});
    if (at_ < text_.size() && text_[at_] == quote) ++at_;
  }

  void word() {
    const std::size_t from = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    const std::string_view name = text_.substr(from, at_ - from);
    // r"…", f'…', b"…": the prefix belongs to the string.
    const bool prefix =
        name.size() <= 2 && at_ < text_.size() &&
        (text_[at_] == '"' || (text_[at_] == '\'' && language_ == Language::python)) &&
        name.find_first_not_of("rRbBfFuU") == std::string_view::npos;
    if (!prefix) push(Token::Kind::word, from, at_);
  }

  // Whether a '/' here begins a regular expression rather than divides.
  [[nodiscard]] bool regex_may_start() const {
    if (tokens_.empty()) return true;
    const Token& last = tokens_.back();
    if (last.kind == Token::Kind::sign)
      return std::string_view("(,=:[!&|?{};+").find(last.text.front()) != std::string_view::npos;
    return last.is("return") || last.is("typeof") || last.is("case");
  }

  void regex() {
    bool in_class = false;
    std::size_t i = at_ + 1;
    for (; i < text_.size() && text_[i] != '\n'; ++i) {
      if (text_[i] == '\\')
        ++i;
      else if (text_[i] == '[')
        in_class = true;
      else if (text_[i] == ']')
        in_class = false;
      else if (text_[i] == '/' && !in_class)
        break;
    }
    const bool closed = i < text_.size() && text_[i] == '/';
    at_ = closed ? i + 1 : at_ + 1;
  }

  void match_brackets() {
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      Token& token = tokens_[i];
      if (token.kind != Token::Kind::sign) continue;
      const char c = token.text.front();
      if (c == '(' || c == '[' || c == '{') {
        open.push_back(i);
      } else if ((c == ')' || c == ']' || c == '}') && !open.empty()) {
        const char opener = c == ')' ? '(' : c == ']' ? '[' : '{';
        if (tokens_[open.back()].text.front() != opener) continue;
        tokens_[open.back()].partner = i;
        token.partner = open.back();
        open.pop_back();
      }
    }
  }

  std::string_view text_;
  Language language_;
  bool hash_comments_ = false, slash_comments_ = false;
  std::string_view line_comment_;
  std::size_t at_ = 0, line_start_ = 0;
  int line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view text, Language language) {
  return Lexer(text, language).run();
}

}  // namespace slipway::detection
