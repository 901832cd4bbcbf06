#include "cli/arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/near.h"
#include "base/text.h"

namespace slipway::cli {
namespace {

std::string shown(const Arguments::Option& option) {
  return option.name.empty() ? fmt::format("-{}", option.letter) : fmt::format("--{}", option.name);
}

Status store(const Arguments::Option& option, std::string value) {
  if (auto* const* all = std::get_if<std::vector<std::string>*>(&option.target)) {
    (*all)->push_back(std::move(value));
    return {};
  }
  std::optional<std::string>& target = *std::get<std::optional<std::string>*>(option.target);
  if (target) return fail(Errc::invalid_argument, fmt::format("{} is given twice", shown(option)));
  target = std::move(value);
  return {};
}

std::unexpected<Error> missing_value(const Arguments::Option& option) {
  return fail(Errc::invalid_argument, fmt::format("{} needs a value: {} {}", shown(option),
                                                  shown(option), option.placeholder));
}

}  // namespace

std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates) {
  std::vector<std::string> near = near_names(word, candidates, 1);
  if (near.empty()) return std::nullopt;
  return std::move(near.front());
}

Result<int> parse_count(std::string_view option, std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 1)
    return fail(Errc::invalid_argument,
                fmt::format("{} takes a number from 1 on, not '{}'", option, text));
  return value;
}

void Arguments::add(std::string_view names, Option option) {
  for (std::string_view name : split(names, ',')) {
    name = trim(name);
    if (name.starts_with("--"))
      option.name = name.substr(2);
    else if (name.starts_with('-'))
      option.letter = name[1];
  }
  options_.push_back(std::move(option));
}

void Arguments::flag(std::string_view names, bool& target, std::string help) {
  add(names, {.help = std::move(help), .target = &target});
}

void Arguments::option(std::string_view names, std::string placeholder,
                       std::optional<std::string>& target, std::string help, ValueKind kind) {
  add(names, {.placeholder = std::move(placeholder),
              .help = std::move(help),
              .kind = kind,
              .target = &target});
}

void Arguments::list(std::string_view names, std::string placeholder,
                     std::vector<std::string>& target, std::string help, ValueKind kind) {
  add(names, {.placeholder = std::move(placeholder),
              .help = std::move(help),
              .kind = kind,
              .target = &target});
}

void Arguments::positional(std::string name, std::optional<std::string>& target, std::string help,
                           ValueKind kind, Presence presence) {
  positionals_.push_back({std::move(name), std::move(help), kind, presence, &target});
}

void Arguments::positionals(std::string name, std::vector<std::string>& target, std::string help,
                            ValueKind kind, Presence presence) {
  positionals_.push_back({std::move(name), std::move(help), kind, presence, &target});
}

const Arguments::Option* Arguments::find(std::string_view word) const {
  for (const Option& option : options_) {
    if (word.starts_with("--") && !option.name.empty() && word.substr(2) == option.name)
      return &option;
    if (word.size() == 2 && word[0] == '-' && option.letter != 0 && word[1] == option.letter)
      return &option;
  }
  return nullptr;
}

std::unexpected<Error> Arguments::unknown_option(std::string_view word) const {
  std::vector<std::string> names;
  for (const Option& option : options_)
    if (!option.name.empty()) names.push_back("--" + option.name);
  const auto meant = word.starts_with("--") ? nearest(word, names) : std::nullopt;
  return fail(Errc::invalid_argument, fmt::format("unknown option {}", sanitize_line(word)),
              meant ? fmt::format("did you mean {}?", *meant) : "");
}

Status Arguments::parse_long(const std::vector<std::string>& words, std::size_t& at) {
  const std::string& word = words[at];
  const auto equals = word.find('=');
  const std::string_view name = std::string_view(word).substr(0, equals);
  const Option* option = find(name);
  if (option == nullptr) return unknown_option(name);
  if (!option->takes_value()) {
    if (equals != std::string::npos)
      return fail(Errc::invalid_argument, fmt::format("{} takes no value", name));
    *std::get<bool*>(option->target) = true;
    return {};
  }
  if (equals != std::string::npos) return store(*option, word.substr(equals + 1));
  if (at + 1 >= words.size()) return missing_value(*option);
  return store(*option, words[++at]);
}

Status Arguments::parse_letters(const std::vector<std::string>& words, std::size_t& at) {
  const std::string& word = words[at];
  for (std::size_t i = 1; i < word.size(); ++i) {
    const Option* option = find(std::string{'-', word[i]});
    if (option == nullptr) return unknown_option(i == 1 ? word : fmt::format("-{}", word[i]));
    if (!option->takes_value()) {
      *std::get<bool*>(option->target) = true;
      continue;
    }
    if (i + 1 < word.size()) return store(*option, word.substr(i + 1));
    if (at + 1 >= words.size()) return missing_value(*option);
    return store(*option, words[++at]);
  }
  return {};
}

Status Arguments::take_positional(const std::string& word) {
  if (positionals_taken_ >= positionals_.size())
    return fail(Errc::invalid_argument,
                fmt::format("unexpected argument '{}'", sanitize_line(word)));
  const Positional& spec = positionals_[positionals_taken_];
  if (spec.repeats()) {
    std::get<1>(spec.target)->push_back(word);
    return {};
  }
  *std::get<0>(spec.target) = word;
  ++positionals_taken_;
  return {};
}

Status Arguments::parse(const std::vector<std::string>& words) {
  for (std::size_t at = 0; at < words.size(); ++at) {
    const std::string& word = words[at];
    if (word == "--") {
      while (++at < words.size()) SLIPWAY_CHECK(take_positional(words[at]));
      return {};
    }
    if (word.starts_with("--"))
      SLIPWAY_CHECK(parse_long(words, at));
    else if (word.size() > 1 && word[0] == '-')
      SLIPWAY_CHECK(parse_letters(words, at));
    else
      SLIPWAY_CHECK(take_positional(word));
  }
  return {};
}

Status Arguments::check_complete() const {
  for (const Positional& spec : positionals_) {
    if (spec.presence == Presence::optional) continue;
    const bool given =
        spec.repeats() ? !std::get<1>(spec.target)->empty() : std::get<0>(spec.target)->has_value();
    if (!given) return fail(Errc::invalid_argument, fmt::format("{} is missing", spec.name));
  }
  return {};
}

std::string Arguments::usage() const {
  std::string out;
  for (const Positional& spec : positionals_) {
    const std::string name = spec.name + (spec.repeats() ? "..." : "");
    out += spec.presence == Presence::required ? " " + name : fmt::format(" [{}]", name);
  }
  return out;
}

}  // namespace slipway::cli
