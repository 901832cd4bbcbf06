#include "store/gitignore.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace slipway {
namespace {

constexpr std::string_view glob_specials = "*?[\\";
// What nobody writes by hand, and would only cost time.
constexpr std::size_t max_pattern_bytes = 4096;
constexpr std::size_t max_rules = 10'000;

struct NamedClass {
  std::string_view name;
  bool (*has)(unsigned char c);
};
constexpr bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }
constexpr bool is_lower(unsigned char c) { return c >= 'a' && c <= 'z'; }
constexpr bool is_upper(unsigned char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_alnum(unsigned char c) { return is_digit(c) || is_lower(c) || is_upper(c); }
constexpr bool is_graph(unsigned char c) { return c > 0x20 && c < 0x7f; }
constexpr NamedClass named_classes[] = {
    {"alnum", is_alnum},
    {"alpha", [](unsigned char c) { return is_lower(c) || is_upper(c); }},
    {"blank", [](unsigned char c) { return c == ' ' || c == '\t'; }},
    {"cntrl", [](unsigned char c) { return c < 0x20 || c == 0x7f; }},
    {"digit", is_digit},
    {"graph", is_graph},
    {"lower", is_lower},
    {"print", [](unsigned char c) { return c >= 0x20 && c < 0x7f; }},
    {"punct", [](unsigned char c) { return is_graph(c) && !is_alnum(c); }},
    {"space", [](unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }},
    {"upper", is_upper},
    {"xdigit",
     [](unsigned char c) {
       return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
     }},
};

unsigned char byte_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

}  // namespace

// Reads the bracket expression whose '[' is at `at`; returns the position behind its ']', or npos
// when it is malformed.
std::size_t Glob::compile_set(std::string_view pattern, std::size_t at) {
  std::bitset<256> set;
  std::size_t i = at + 1;
  const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  int previous = -1;  // the start of a range, should a '-' follow
  for (bool first = true; first || i >= pattern.size() || pattern[i] != ']'; first = false, ++i) {
    if (i >= pattern.size()) return std::string_view::npos;
    unsigned char c = byte_at(pattern, i);
    if (c == '-' && previous > 0 && i + 1 < pattern.size() && pattern[i + 1] != ']') {
      c = byte_at(pattern, ++i);
      if (c == '\\') {
        if (++i >= pattern.size()) return std::string_view::npos;
        c = byte_at(pattern, i);
      }
      for (int each = previous; each <= c; ++each) set.set(static_cast<std::size_t>(each));
      previous = -1;
      continue;
    }
    if (c == '[' && i + 1 < pattern.size() && pattern[i + 1] == ':') {
      const std::size_t close = pattern.find(']', i + 2);
      if (close == std::string_view::npos) return std::string_view::npos;
      if (close > i + 2 && pattern[close - 1] == ':') {
        const std::string_view name = pattern.substr(i + 2, close - 1 - (i + 2));
        const auto* found = std::ranges::find(named_classes, name, &NamedClass::name);
        if (found == std::end(named_classes)) return std::string_view::npos;
        for (std::size_t each = 0; each < 256; ++each)
          if (found->has(static_cast<unsigned char>(each))) set.set(each);
        previous = -1;
        i = close;
        continue;
      }
    } else if (c == '\\') {
      if (++i >= pattern.size()) return std::string_view::npos;
      c = byte_at(pattern, i);
    }
    set.set(c);
    previous = c;
  }
  if (negated) set.flip();
  set.reset('/');
  tokens_.push_back({.kind = Kind::set, .index = static_cast<std::uint16_t>(sets_.size())});
  sets_.push_back(set);
  return i + 1;
}

Glob Glob::compile(std::string_view pattern, std::size_t literal) {
  Glob glob;
  const auto add = [&](Kind kind, unsigned char byte = 0) {
    glob.tokens_.push_back({.kind = kind, .byte = byte});
  };
  for (std::size_t i = 0; i < pattern.size();) {
    const unsigned char c = byte_at(pattern, i);
    if (c == '*') {
      std::size_t end = i;
      while (end < pattern.size() && pattern[end] == '*') ++end;
      const std::string_view rest = pattern.substr(end);
      const bool whole_component = end - i >= 2 && (i <= literal || pattern[i - 1] == '/') &&
                                   (rest.empty() || rest[0] == '/' || rest.starts_with("\\/"));
      if (!whole_component) {
        add(Kind::star);
      } else if (rest.starts_with('/')) {
        add(Kind::directories);
        ++end;
      } else {
        add(Kind::everything);
      }
      i = end;
    } else if (c == '?') {
      add(Kind::any);
      ++i;
    } else if (c == '[') {
      i = glob.compile_set(pattern, i);
      if (i == std::string_view::npos) {
        add(Kind::never);
        break;
      }
    } else if (c == '\\') {
      if (i + 1 == pattern.size()) {
        add(Kind::never);
        break;
      }
      add(Kind::literal, byte_at(pattern, i + 1));
      i += 2;
    } else {
      add(Kind::literal, c);
      ++i;
    }
  }
  return glob;
}

// Two places to go back to: the last star, which may not take a '/', and before it the last token
// that may. Earlier ones need no second try: whatever they could take more, the later one can.
bool Glob::matches(std::string_view text) const {
  constexpr std::size_t none = static_cast<std::size_t>(-1);
  std::size_t t = 0, p = 0;
  std::size_t star_p = none, star_t = 0;  // the token behind the star, what it has taken up to
  std::size_t wide_p = none, wide_t = 0;
  for (;;) {
    if (p == tokens_.size()) {
      if (t == text.size()) return true;
    } else {
      const Token& token = tokens_[p];
      switch (token.kind) {
        case Kind::star:
          star_p = ++p;
          star_t = t;
          continue;
        case Kind::directories:
        case Kind::everything:
          wide_p = p++;
          wide_t = t;
          star_p = none;
          continue;
        case Kind::literal:
          if (t < text.size() && byte_at(text, t) == token.byte) {
            ++t, ++p;
            continue;
          }
          break;
        case Kind::any:
          if (t < text.size() && text[t] != '/') {
            ++t, ++p;
            continue;
          }
          break;
        case Kind::set:
          if (t < text.size() && sets_[token.index].test(byte_at(text, t))) {
            ++t, ++p;
            continue;
          }
          break;
        case Kind::never:
          return false;
      }
    }
    if (star_p != none && star_t < text.size() && text[star_t] != '/') {
      t = ++star_t;
      p = star_p;
      continue;
    }
    if (wide_p == none) return false;
    if (tokens_[wide_p].kind == Kind::everything) {
      if (wide_t == text.size()) return false;
      ++wide_t;
    } else {
      const std::size_t slash = text.find('/', wide_t);
      if (slash == std::string_view::npos) return false;
      wide_t = slash + 1;
    }
    t = wide_t;
    p = wide_p + 1;
    star_p = none;
  }
}

namespace {

// Without trailing spaces, unless a backslash keeps one.
std::string_view without_trailing_spaces(std::string_view line) {
  std::size_t end = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\') {
      if (++i == line.size()) return line;
      end = i + 1;
    } else if (line[i] != ' ') {
      end = i + 1;
    }
  }
  return line.substr(0, end);
}

}  // namespace

std::optional<IgnoreRules::Rule> IgnoreRules::parse_rule(std::string_view line) {
  line = line.substr(0, line.find('\0'));
  line = without_trailing_spaces(line);
  Rule rule{.how = Match::equals,
            .verdict = Verdict::ignore,
            .applies = Rule::Applies::to_all,
            .against = Rule::Against::name,
            .text = {},
            .glob = {}};
  if (line.starts_with('!')) {
    rule.verdict = Verdict::include;
    line.remove_prefix(1);
  }
  if (line.ends_with('/')) {
    rule.applies = Rule::Applies::to_directories;
    line.remove_suffix(1);
  }
  if (line.find('/') != std::string_view::npos) rule.against = Rule::Against::path;
  if (line.starts_with('/')) line.remove_prefix(1);
  if (line.empty() || line.size() > max_pattern_bytes) return std::nullopt;

  const std::size_t literal = std::min(line.find_first_of(glob_specials), line.size());
  if (literal == line.size()) {
    rule.text = line;
  } else if (rule.against == Rule::Against::name && line[0] == '*' &&
             line.find_first_of(glob_specials, 1) == std::string_view::npos) {
    rule.how = Match::ends_with;
    rule.text = line.substr(1);
  } else {
    rule.how = Match::glob;
    rule.glob = Glob::compile(line, literal);
  }
  return rule;
}

IgnoreRules IgnoreRules::parse(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  IgnoreRules out;
  while (!text.empty() && out.rules_.size() < max_rules) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    if (auto rule = parse_rule(line)) out.rules_.push_back(std::move(*rule));
  }
  return out;
}

std::optional<IgnoreRules::Verdict> IgnoreRules::match(std::string_view path, Kind kind) const {
  const std::string_view name = path.substr(path.rfind('/') + 1);  // npos + 1 is 0
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
    if (rule->applies == Rule::Applies::to_directories && kind != Kind::directory) continue;
    const std::string_view subject = rule->against == Rule::Against::name ? name : path;
    const bool matches = rule->how == Match::equals      ? subject == rule->text
                         : rule->how == Match::ends_with ? subject.ends_with(rule->text)
                                                         : rule->glob.matches(subject);
    if (matches) return rule->verdict;
  }
  return std::nullopt;
}

}  // namespace slipway
