#include "build/failure.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>

#include "base/text.h"
#include "build/failure_rules.h"
#include "build/python_names.h"

namespace slipway {
namespace {

constexpr std::size_t log_limit = 256u << 10;
// Of an app that ran: what it logged long before it ended is not why it ended.
constexpr std::size_t app_log_limit = 16u << 10;
constexpr std::size_t line_limit = 300;
constexpr std::size_t excerpt_before = 2, excerpt_after = 7, excerpt_tail = 8;

// The end of the log as plain text: no colours, no progress bars drawn over each other.
std::string plain(std::string_view log, std::size_t limit) {
  if (log.size() > limit) {
    log.remove_prefix(log.size() - limit);
    log.remove_prefix(std::min(log.find('\n') + 1, log.size()));
  }
  std::string text(log);
  static const RE2 escapes("\x1b\\[[0-9;?]*[A-Za-z]");
  RE2::GlobalReplace(&text, escapes, "");
  std::string out;
  for (std::string_view line : lines(text)) {
    if (const auto drawn_over = line.rfind('\r'); drawn_over != std::string_view::npos)
      line.remove_prefix(drawn_over + 1);
    out += line;
    out += '\n';
  }
  return out;
}

std::string shown(std::string_view line) {
  return sanitize_line(line.substr(0, std::min(line.size(), line_limit)));
}

struct Compiled {
  const FailureRule* rule;
  std::unique_ptr<RE2> pattern;
};
RE2::Options multi_line() {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_encoding(RE2::Options::EncodingLatin1);  // a log may hold any bytes
  return options;
}
std::unique_ptr<RE2> compile(std::string_view pattern) {
  return std::make_unique<RE2>("(?m)" + std::string(pattern), multi_line());
}
const std::vector<Compiled>& compiled_rules() {
  static const std::vector<Compiled> all = [] {
    std::vector<Compiled> out;
    for (const FailureRule& rule : failure_rules())
      out.push_back({.rule = &rule, .pattern = compile(rule.pattern)});
    return out;
  }();
  return all;
}

constexpr int max_groups = 4;
struct Match {
  std::size_t at = 0;
  std::vector<std::string> groups;  // [0] the whole
};

// The first or last match of `pattern` that `accept` accepts.
template <class Accept>
std::optional<Match> find_match(const std::string& text, const RE2& pattern, bool last,
                                const Accept& accept) {
  std::optional<Match> found;
  std::size_t from = 0;
  const int groups = std::min(pattern.NumberOfCapturingGroups() + 1, max_groups);
  re2::StringPiece parts[max_groups];
  while (from <= text.size() &&
         pattern.Match(text, from, text.size(), RE2::UNANCHORED, parts, groups)) {
    Match match;
    match.at = static_cast<std::size_t>(parts[0].data() - text.data());
    for (int i = 0; i < groups; ++i) match.groups.emplace_back(parts[i]);
    from = match.at + std::max<std::size_t>(parts[0].size(), 1);
    if (!accept(match)) continue;
    found = std::move(match);
    if (!last) break;
  }
  return found;
}

// A path as the log names it, relative to the project's root; nothing when it is not of the user's
// own code.
std::optional<std::string> own_file(std::string_view path, const Service& service) {
  if (path.starts_with("file://")) path.remove_prefix(7);
  if (path.starts_with("/app/"))
    path.remove_prefix(5);
  else if (path.starts_with('/') || path.starts_with('<') ||
           path.find("://") != std::string_view::npos)
    return std::nullopt;
  else if (!service.root.empty() && !path.starts_with(service.root + "/"))
    return own_file(
        "/app/" + service.root + "/" + std::string(path.starts_with("./") ? path.substr(2) : path),
        service);
  while (path.starts_with("./")) path.remove_prefix(2);
  if (path.empty() || path.starts_with("../")) return std::nullopt;
  for (std::string_view part : split(path, '/'))
    for (std::string_view foreign : {"node_modules", ".venv", "venv", "site-packages", "vendor",
                                     ".next", "dist-packages", "node:internal", ".."})
      if (part == foreign) return std::nullopt;
  return sanitize_line(path);
}

std::optional<int> line_number(std::string_view text) {
  int value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value).ptr;
  if (end == text.data() || value <= 0) return std::nullopt;
  return value;
}

struct Place {
  std::string file;
  std::optional<int> line;
};
std::optional<Place> find_place(const std::string& text, const Service& service) {
  for (const PlacePattern& row : place_patterns()) {
    const auto pattern = compile(row.pattern);
    const auto match =
        find_match(text, *pattern, row.pick == PlacePattern::Pick::last,
                   [&](const Match& m) { return own_file(m.groups[1], service).has_value(); });
    if (match) return Place{*own_file(match->groups[1], service), line_number(match->groups[2])};
  }
  return std::nullopt;
}

// A package's name out of what is imported: "@scope/name/part" and "name/part".
std::string package_of(std::string_view import) {
  const auto slash = import.find('/', import.starts_with('@') ? import.find('/') + 1 : 0);
  return std::string(import.substr(0, slash));
}

bool is_plain_word(std::string_view word) {
  return !word.empty() && word.size() < 200 && !word.starts_with('-') &&
         std::ranges::all_of(
             word,
             [](char c) {
               return std::isalnum(static_cast<unsigned char>(c)) ||
                      std::string_view("@._-/[]").find(c) != std::string_view::npos;
             });
}

// The command that adds a package to the service; "" when there is no one command.
std::string add_command(std::string_view package, const Service& service) {
  if (!is_plain_word(package)) return {};
  struct Row {
    std::string_view manager, command;
  };
  constexpr Row rows[] = {{"npm", "npm install {}"}, {"pnpm", "pnpm add {}"},
                          {"yarn", "yarn add {}"},   {"bun", "bun add {}"},
                          {"uv", "uv add {}"},       {"poetry", "poetry add {}"},
                          {"pdm", "pdm add {}"},     {"pipenv", "pipenv install {}"},
                          {"cargo", "cargo add {}"}, {"pip", "echo '{}' >> requirements.txt"}};
  std::string_view manager = service.package_manager;
  if (manager.empty() && service.provider == "python") manager = "pip";
  if (manager.empty() && service.provider == "node") manager = "npm";
  for (const Row& row : rows)
    if (row.manager == manager) {
      std::string out(row.command);
      return out.replace(out.find("{}"), 2, package);
    }
  return {};
}

bool runs_the_app(const FailureFacts& facts) {
  return facts.phase == "start" || facts.phase == "run";
}

// What failed, as a sentence has it after "the".
std::string subject_of(const FailureFacts& facts) {
  if (runs_the_app(facts)) return "app";
  return facts.phase.empty() ? "step" : facts.phase;
}

// Puts the match's groups and the facts into one of a rule's texts.
class Filler {
 public:
  Filler(const Match& match, const FailureRule& rule, const FailureFacts& facts,
         const Service& service)
      : match_(match), facts_(facts), service_(service) {
    subject_ = rule.file_group == 1 ? group(3) : group(1).empty() ? group(2) : group(1);
    package_ =
        service.provider == "python" ? std::string(python_package(subject_)) : package_of(subject_);
  }
  std::string text(std::string_view pattern) const {
    std::string out(pattern);
    const auto put = [&out](std::string_view name, const std::string& value) -> void {
      for (auto at = out.find(name); at != std::string::npos;
           at = out.find(name, at + value.size()))
        out.replace(at, name.size(), value);
    };
    put("{add}", add_command(package_, service_));
    put("{package}", shown(package_));
    put("{phase}", subject_of(facts_));
    put("{given}", facts_.phase == "install" || facts_.phase == "build" ? "-b" : "-e");
    put("{1}", shown(subject_));
    put("{2}", shown(group(2)));
    put("{3}", shown(group(3)));
    return out;
  }
  // Whether a command with these words in it is safe to show for copying.
  bool fit_for_command(std::string_view pattern) const {
    if (pattern == "{add}") return !add_command(package_, service_).empty();
    return (pattern.find("{1}") == std::string_view::npos || is_plain_word(subject_)) &&
           (pattern.find("{3}") == std::string_view::npos || is_plain_word(group(3)));
  }
  std::string group(int number) const {
    const auto index = static_cast<std::size_t>(number);
    return index < match_.groups.size() ? match_.groups[index] : std::string();
  }

 private:
  const Match& match_;
  const FailureFacts& facts_;
  const Service& service_;
  std::string subject_, package_;
};

std::vector<std::string> excerpt_around(std::string_view text, std::size_t at) {
  const auto all = lines(text);
  std::size_t offset = 0, row = 0;
  while (row + 1 < all.size() && offset + all[row].size() + 1 <= at)
    offset += all[row++].size() + 1;
  std::vector<std::string> out;
  const std::size_t first = row < excerpt_before ? 0 : row - excerpt_before;
  for (std::size_t i = first; i < std::min(all.size(), row + excerpt_after); ++i)
    if (!trim(all[i]).empty()) out.push_back(shown(all[i]));
  return out;
}

std::vector<std::string> last_lines(std::string_view text) {
  std::vector<std::string> out;
  const auto all = lines(text);
  for (std::size_t i = all.size(); i-- > 0 && out.size() < excerpt_tail;)
    if (!trim(all[i]).empty()) out.push_back(shown(all[i]));
  std::ranges::reverse(out);
  return out;
}

// What the platform itself knows, which no log can gainsay.
bool explain_by_limits(const FailureFacts& facts, Error& error) {
  if (facts.timed_out) {
    error.cause = "timeout";
    error.message =
        fmt::format("the {} took longer than it may and was stopped", subject_of(facts));
    error.hint = "look at the end of the log for what it waited for; a step must not ask questions";
  } else if (facts.disk_limit) {
    error.cause = "disk_full";
    error.message =
        fmt::format("the {} wrote more files than it may and was stopped", subject_of(facts));
    error.hint =
        "write less (the home directory and caches count as well), or raise the disk limit of "
        "builds";
  } else if (facts.output_limit) {
    error.cause = "output_limit";
    error.message =
        fmt::format("the {} printed more than it may and was stopped", subject_of(facts));
    error.hint = "print less: a loop may be logging";
  } else if (facts.exit.out_of_memory) {
    error.cause = "out_of_memory";
    error.message = fmt::format("the {} ran out of memory and was stopped", subject_of(facts));
    error.hint = "let it use less memory, or raise the memory limit";
  } else {
    return false;
  }
  return true;
}

void explain_by_exit(const FailureFacts& facts, Error& error) {
  if (facts.exit.signal != 0) {
    error.cause = facts.exit.signal == 9 ? "out_of_memory" : "crash";
    error.message =
        fmt::format("the {} was killed by signal {}", subject_of(facts), facts.exit.signal);
    error.hint = facts.exit.signal == 9 ? "it probably used too much memory"
                                        : "a program in it crashed; look at the end of the log";
  } else if (facts.exit.code == 127) {
    error.cause = "missing_script";
    error.message = fmt::format("a program of the {} command does not exist", facts.phase);
    error.hint = "check the command and its spelling, and that its package is a dependency";
  } else if (facts.exit.code == 126) {
    error.cause = "permission";
    error.message = fmt::format("a program of the {} command is not executable", facts.phase);
    error.hint = "make it executable (chmod +x) and deploy again";
  } else {
    error.cause = runs_the_app(facts) ? "crash" : "unknown";
    error.message =
        runs_the_app(facts)
            ? fmt::format("the app ended with exit code {}", facts.exit.code)
            : fmt::format("the {} command failed with exit code {}", facts.phase, facts.exit.code);
    error.hint = runs_the_app(facts) && facts.exit.code == 0
                     ? "the app ended by itself: a web service has to keep listening on $PORT"
                     : "the reason is in the log above";
  }
}

bool explain_by_log(const std::string& text, const FailureFacts& facts, const Service& service,
                    Error& error) {
  for (const Compiled& row : compiled_rules()) {
    const FailureRule& rule = *row.rule;
    const auto match = find_match(
        text, *row.pattern, rule.pick == FailureRule::Pick::last, [&](const Match& candidate) {
          return rule.file_group == 0 ||
                 own_file(candidate.groups[static_cast<std::size_t>(rule.file_group)], service);
        });
    if (!match) continue;
    const Filler filler(*match, rule, facts, service);
    error.cause = rule.cause;
    error.message = filler.text(rule.message);
    error.hint = filler.text(rule.hint);
    if (!rule.next.empty() && filler.fit_for_command(rule.next))
      error.next.push_back({.command = filler.text(rule.next), .when = filler.text(rule.when)});
    if (rule.file_group != 0) {
      error.file = *own_file(filler.group(rule.file_group), service);
      error.line = line_number(filler.group(rule.line_group));
    } else if (auto place = find_place(text, service)) {
      error.file = std::move(place->file);
      error.line = place->line;
    }
    error.excerpt = excerpt_around(text, match->at + (match->groups[0].starts_with('\n') ? 1 : 0));
    return true;
  }
  return false;
}

}  // namespace

Error explain_failure(const FailureFacts& facts, const Service& service) {
  Error error{.code = runs_the_app(facts) ? Errc::start_failed : Errc::build_failed};
  error.phase = facts.phase;
  error.command = facts.command;
  if (!facts.timed_out) error.exit_code = facts.exit.code;
  const std::string text = plain(facts.log, runs_the_app(facts) ? app_log_limit : log_limit);
  if (explain_by_limits(facts, error)) {
    error.excerpt = last_lines(text);
    return error;
  }
  if (explain_by_log(text, facts, service, error)) return error;
  explain_by_exit(facts, error);
  error.excerpt = last_lines(text);
  if (auto place = find_place(text, service)) {
    error.file = std::move(place->file);
    error.line = place->line;
  }
  return error;
}

}  // namespace slipway
