// A TOML 1.0 reader of our own, because manifests come from anybody and toml++ 3.3 (Debian 12) is
// not safe on any bytes: fuzzing found failed assertions on malformed headers ("[[.a]") and
// undefined behaviour on some characters outside ASCII. The server's own settings are read by the
// library (base/toml.h).
#include <charconv>
#include <utility>

#include "detect/formats.h"

namespace slipway::detection {
namespace {

constexpr int max_depth = 32;
constexpr std::size_t max_values = 100'000;

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  std::optional<json::value> document() {
    json::object root;
    json::object* table = &root;
    while (skip_lines()) {
      if (peek() == '[') {
        table = header(root);
      } else if (!assignment(*table, 0)) {
        table = nullptr;
      }
      if (table == nullptr || !line_ends()) return std::nullopt;
    }
    if (at_ < text_.size()) return std::nullopt;
    return root;
  }

 private:
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool take(char c) {
    if (peek() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  void blanks() {
    while (peek() == ' ' || peek() == '\t') ++at_;
  }
  void comment() {
    if (peek() == '#') at_ = std::min(text_.find('\n', at_), text_.size());
  }
  // Over empty lines and comments; whether something follows.
  bool skip_lines() {
    for (;;) {
      blanks();
      comment();
      if (peek() != '\n' && peek() != '\r') return at_ < text_.size() && peek() != '\0';
      ++at_;
    }
  }
  bool line_ends() {
    blanks();
    comment();
    if (peek() == '\r') ++at_;
    return at_ >= text_.size() || take('\n');
  }

  static bool is_bare(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  }
  bool simple_key(std::string& key) {
    blanks();
    if (peek() == '"' || peek() == '\'') return string(key);
    const std::size_t from = at_;
    while (is_bare(peek())) ++at_;
    key = text_.substr(from, at_ - from);
    return !key.empty();
  }
  bool dotted_key(std::vector<std::string>& keys) {
    do {
      std::string key;
      if (!simple_key(key) || keys.size() >= max_depth) return false;
      keys.push_back(std::move(key));
      blanks();
    } while (take('.'));
    return true;
  }

  // The table at keys[0..last), made where absent; the last one of an array of tables.
  static json::object* descend(json::object& from, const std::vector<std::string>& keys,
                               std::size_t last) {
    json::object* table = &from;
    for (std::size_t i = 0; i < last; ++i) {
      json::value& next = table->emplace(keys[i], json::object()).first->value();
      if (json::array* list = next.if_array(); list != nullptr && !list->empty())
        table = list->back().if_object();
      else
        table = next.if_object();
      if (table == nullptr) return nullptr;
    }
    return table;
  }

  json::object* header(json::object& root) {
    ++at_;
    const bool array = take('[');
    std::vector<std::string> keys;
    if (!dotted_key(keys) || !take(']') || (array && !take(']'))) return nullptr;
    if (!array) return descend(root, keys, keys.size());
    json::object* parent = descend(root, keys, keys.size() - 1);
    if (parent == nullptr) return nullptr;
    json::value& list = parent->emplace(keys.back(), json::array()).first->value();
    if (!list.is_array() || ++values_ > max_values) return nullptr;
    return &list.as_array().emplace_back(json::object()).as_object();
  }

  bool assignment(json::object& table, int depth) {
    std::vector<std::string> keys;
    if (!dotted_key(keys) || !take('=')) return false;
    json::object* target = descend(table, keys, keys.size() - 1);
    json::value item;
    if (target == nullptr || !value(item, depth + 1)) return false;
    return target->emplace(keys.back(), std::move(item)).second;
  }

  bool value(json::value& into, int depth) {
    blanks();
    if (depth > max_depth || ++values_ > max_values) return false;
    const char c = peek();
    if (c == '[') return array(into, depth);
    if (c == '{') return inline_table(into, depth);
    if (c == '"' || c == '\'') {
      std::string text;
      if (!string(text)) return false;
      into = json::string(text);
      return true;
    }
    return scalar(into);
  }

  bool array(json::value& into, int depth) {
    ++at_;
    json::array list;
    for (;;) {
      if (!skip_lines()) return false;
      if (take(']')) break;
      json::value item;
      if (!value(item, depth + 1)) return false;
      list.push_back(std::move(item));
      if (!skip_lines()) return false;
      if (take(']')) break;
      if (!take(',')) return false;
    }
    into = std::move(list);
    return true;
  }

  bool inline_table(json::value& into, int depth) {
    ++at_;
    json::object table;
    if (!skip_lines()) return false;
    while (!take('}')) {
      if (!assignment(table, depth) || !skip_lines()) return false;
      if (take('}')) break;
      if (!take(',') || !skip_lines()) return false;
    }
    into = std::move(table);
    return true;
  }

  bool string(std::string& into) {
    const char quote = peek();
    const bool many = peek(1) == quote && peek(2) == quote;
    at_ += many ? 3 : 1;
    if (many && peek() == '\r') ++at_;
    if (many && peek() == '\n') ++at_;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == quote && (!many || (peek(1) == quote && peek(2) == quote))) {
        at_ += many ? 3 : 1;
        while (many && take(quote)) into += quote;  // quotes just before the end belong to it
        return true;
      }
      if (c == '\n' && !many) return false;
      if (c == '\\' && quote == '"') {
        ++at_;
        if (!escape(into)) return false;
        continue;
      }
      into += c;
      ++at_;
    }
    return false;
  }

  bool escape(std::string& into) {
    const char c = peek();
    ++at_;
    switch (c) {
      case 'b':
        into += '\b';
        return true;
      case 't':
        into += '\t';
        return true;
      case 'n':
        into += '\n';
        return true;
      case 'f':
        into += '\f';
        return true;
      case 'r':
        into += '\r';
        return true;
      case 'e':
        into += '\x1b';
        return true;
      case '"':
        into += '"';
        return true;
      case '\\':
        into += '\\';
        return true;
      case 'u':
        return code_point(into, 4);
      case 'U':
        return code_point(into, 8);
      default:
        break;
    }
    // A line's end and the blanks after it vanish.
    if (c != '\n' && c != '\r' && c != ' ' && c != '\t') return false;
    while (peek() == '\n' || peek() == '\r' || peek() == ' ' || peek() == '\t') ++at_;
    return true;
  }

  bool code_point(std::string& into, std::size_t digits) {
    const std::string_view text = text_.substr(std::min(at_, text_.size()), digits);
    std::uint32_t code = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), code, 16);
    if (error != std::errc{} || end != text.data() + text.size() || text.size() != digits ||
        code > 0x10ffff)
      return false;
    at_ += digits;
    const auto add = [&into](std::uint32_t byte) { into += static_cast<char>(byte); };
    if (code < 0x80) {
      add(code);
    } else if (code < 0x800) {
      add(0xc0 | code >> 6), add(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
      add(0xe0 | code >> 12), add(0x80 | (code >> 6 & 0x3f)), add(0x80 | (code & 0x3f));
    } else {
      add(0xf0 | code >> 18), add(0x80 | (code >> 12 & 0x3f)), add(0x80 | (code >> 6 & 0x3f)),
          add(0x80 | (code & 0x3f));
    }
    return true;
  }

  // Numbers become numbers; dates and times, which nothing here reads, stay text.
  bool scalar(json::value& into) {
    const std::size_t from = at_;
    while (is_bare(peek()) || peek() == '.' || peek() == '+' || peek() == ':') ++at_;
    std::string word(text_.substr(from, at_ - from));
    if (word.empty()) return false;
    if (word == "true" || word == "false") {
      into = word == "true";
      return true;
    }
    std::string digits;
    for (const char c : word)
      if (c != '_' && !(c == '+' && digits.empty())) digits += c;
    std::int64_t whole = 0;
    const char* const end = digits.data() + digits.size();
    if (const auto read = std::from_chars(digits.data(), end, whole);
        read.ec == std::errc{} && read.ptr == end) {
      into = whole;
      return true;
    }
    double real = 0;
    if (const auto read = std::from_chars(digits.data(), end, real);
        read.ec == std::errc{} && read.ptr == end) {
      into = real;
      return true;
    }
    const bool known = digits.starts_with("0x") || digits.starts_with("0o") ||
                       digits.starts_with("0b") || (word[0] >= '0' && word[0] <= '9');
    into = json::string(word);
    return known;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t values_ = 0;
};

}  // namespace

std::optional<json::value> parse_toml(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  return Reader(text).document();
}

}  // namespace slipway::detection
