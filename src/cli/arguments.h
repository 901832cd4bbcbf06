#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace slipway::cli {

// What a value stands for; so that completion can offer some.
enum class ValueKind { text, folder, file, deployment, project, alias, state, shell };

enum class Presence { optional, required };

// The options and arguments of one command: declared once, then parsed, explained by --help and
// completed from the same declaration. Targets must outlive the object; they keep what they hold
// unless the command line says otherwise. The conventions are those of getopt_long: `--name value`,
// `--name=value`, `-n value`, `-nvalue`, `-abc`, and `--` ends options. Not thread-safe.
class Arguments {
 public:
  using Target = std::variant<bool*, std::optional<std::string>*, std::vector<std::string>*>;
  struct Option {
    char letter = 0;          // 'e', or 0
    std::string name;         // "env"
    std::string placeholder;  // "K=V"; "" for a flag
    std::string help;
    ValueKind kind = ValueKind::text;
    Target target;
    [[nodiscard]] bool takes_value() const { return !std::holds_alternative<bool*>(target); }
    [[nodiscard]] bool repeats() const {
      return std::holds_alternative<std::vector<std::string>*>(target);
    }
  };
  struct Positional {
    std::string name;  // "PATH"
    std::string help;
    ValueKind kind = ValueKind::text;
    Presence presence = Presence::optional;
    std::variant<std::optional<std::string>*, std::vector<std::string>*> target;
    [[nodiscard]] bool repeats() const { return target.index() == 1; }
  };

  // `names` is "--json" or "-m, --message".
  void flag(std::string_view names, bool& target, std::string help);
  void option(std::string_view names, std::string placeholder, std::optional<std::string>& target,
              std::string help, ValueKind kind = ValueKind::text);
  void list(std::string_view names, std::string placeholder, std::vector<std::string>& target,
            std::string help, ValueKind kind = ValueKind::text);
  void positional(std::string name, std::optional<std::string>& target, std::string help,
                  ValueKind kind, Presence presence);
  // Takes all that is left. Must be the last positional.
  void positionals(std::string name, std::vector<std::string>& target, std::string help,
                   ValueKind kind, Presence presence);
  // Options declared after this are shown as "Options of every command".
  void begin_common() { common_from_ = options_.size(); }

  // Errors: invalid_argument, with what was probably meant as the hint.
  [[nodiscard]] Status parse(const std::vector<std::string>& words);
  // Whether every required positional is there; apart from parse(), so that --help needs none.
  [[nodiscard]] Status check_complete() const;

  [[nodiscard]] const std::vector<Option>& options() const { return options_; }
  [[nodiscard]] const std::vector<Positional>& positional_specs() const { return positionals_; }
  [[nodiscard]] std::size_t common_from() const { return common_from_; }
  // By "--name" or "-n"; for completion.
  [[nodiscard]] const Option* find(std::string_view word) const;
  // "[PATH]", "ID..." and so on.
  [[nodiscard]] std::string usage() const;

 private:
  void add(std::string_view names, Option option);
  [[nodiscard]] Status parse_long(const std::vector<std::string>& words, std::size_t& at);
  [[nodiscard]] Status parse_letters(const std::vector<std::string>& words, std::size_t& at);
  [[nodiscard]] Status take_positional(const std::string& word);
  [[nodiscard]] std::unexpected<Error> unknown_option(std::string_view word) const;

  std::vector<Option> options_;
  std::vector<Positional> positionals_;
  std::size_t common_from_ = static_cast<std::size_t>(-1);
  std::size_t positionals_taken_ = 0;
};

// The candidate nearest to a mistyped `word`, when one is near enough to be meant.
[[nodiscard]] std::optional<std::string> nearest(std::string_view word,
                                                 const std::vector<std::string>& candidates);

// A count as an option's value: digits only, 1 at least. Errors name the option.
[[nodiscard]] Result<int> parse_count(std::string_view option, std::string_view text);

}  // namespace slipway::cli
