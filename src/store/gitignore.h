#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway {

// One glob of gitignore(5): '*' and '?' do not match '/', "**" between slashes matches any number
// of directories, bracket expressions with ranges, negation and POSIX classes, backslash escapes.
// Matching takes time O(pattern * text). Immutable.
class Glob {
 public:
  // `slashes` says how "**" is read: in a pattern without a slash it is two plain stars. The first
  // `literal` bytes are known to be plain text; git starts reading the glob behind them, which
  // decides whether a "**" right there counts as a whole component.
  [[nodiscard]] static Glob compile(std::string_view pattern, std::size_t literal);
  [[nodiscard]] bool matches(std::string_view text) const;

 private:
  enum class Kind : std::uint8_t {
    literal,      // `byte`
    any,          // one byte but '/'
    set,          // one byte of sets_[index], never '/'
    star,         // any bytes but '/'
    directories,  // nothing, or any bytes and a '/' behind them
    everything,   // any bytes
    never,        // a malformed pattern
  };
  struct Token {
    Kind kind;
    unsigned char byte = 0;
    std::uint16_t index = 0;
  };
  std::size_t compile_set(std::string_view pattern, std::size_t at);

  std::vector<Token> tokens_;
  std::vector<std::bitset<256>> sets_;
};

// The rules of one ignore file. Immutable, thread-safe.
class IgnoreRules {
 public:
  enum class Verdict { ignore, include };
  enum class Kind { file, directory };

  // Any bytes are a valid ignore file.
  [[nodiscard]] static IgnoreRules parse(std::string_view text);
  // What the last rule that matches says; nothing when none does. `path` is relative to the
  // directory of the ignore file.
  [[nodiscard]] std::optional<Verdict> match(std::string_view path, Kind kind) const;
  [[nodiscard]] bool empty() const { return rules_.empty(); }

 private:
  enum class Match : std::uint8_t { equals, ends_with, glob };
  struct Rule {
    Match how;
    Verdict verdict;
    enum class Applies : std::uint8_t { to_all, to_directories } applies;
    enum class Against : std::uint8_t { name, path } against;
    std::string text;  // of equals and ends_with
    Glob glob;
  };
  static std::optional<Rule> parse_rule(std::string_view line);

  std::vector<Rule> rules_;
};

}  // namespace slipway
