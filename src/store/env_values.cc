#include "store/env_values.h"

#include <algorithm>

#include "base/text.h"
#include "model/public_variables.h"

namespace slipway {
namespace {

constexpr std::string_view examples[] = {".env.example", ".env.sample",   ".env.template",
                                         ".env.dist",    ".env.defaults", ".env.schema"};
constexpr std::string_view code[] = {".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".json"};

bool is_name(std::string_view text) {
  return !text.empty() &&
         text.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") ==
             std::string_view::npos;
}

void add(std::vector<std::string>& names, std::string_view name) {
  if (std::ranges::find(names, name) == names.end()) names.emplace_back(name);
}

// Where the entry that begins at `from` ends, the newline included; `value` is where its value
// begins.
std::size_t end_of_entry(std::string_view text, std::size_t value) {
  while (value < text.size() && (text[value] == ' ' || text[value] == '\t')) ++value;
  std::size_t from = value;
  if (value < text.size() && std::string_view("\"'`").find(text[value]) != std::string_view::npos) {
    const char quote = text[value];
    std::size_t close = value + 1;
    while (close < text.size() && text[close] != quote)
      close += quote == '"' && text[close] == '\\' ? 2 : 1;
    if (close < text.size()) from = close;  // one that is not closed ends with its line
  }
  const std::size_t newline = text.find('\n', from);
  return newline == std::string_view::npos ? text.size() : newline + 1;
}

}  // namespace

EnvFile env_file_of(std::string_view name) {
  if (name == ".envrc") return EnvFile::settings;
  if (name == ".env") return EnvFile::values;
  if (!name.starts_with(".env.") || std::ranges::find(examples, name) != std::end(examples) ||
      name.ends_with(".example") ||
      std::ranges::any_of(code, [&](std::string_view ending) { return name.ends_with(ending); }))
    return EnvFile::none;
  return EnvFile::values;
}

PublicValues public_values(std::string_view text) {
  PublicValues out;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t line_end = std::min(text.find('\n', at), text.size());
    std::string_view head = trim(text.substr(at, line_end - at));
    const std::size_t equals = text.find('=', at);
    if (head.starts_with('#') || equals == std::string_view::npos || equals >= line_end) {
      at = line_end + 1;
      continue;
    }
    std::string_view name = trim(text.substr(at, equals - at));
    if (name.starts_with("export ")) name = trim(name.substr(7));
    const std::size_t end = end_of_entry(text, equals + 1);
    if (is_name(name)) {
      const bool is_public = is_public_variable(name);
      add(is_public ? out.kept : out.left, name);
      if (is_public) {
        out.text += text.substr(at, end - at);
        if (!out.text.ends_with('\n')) out.text += '\n';
      }
    }
    at = end;
  }
  return out;
}

}  // namespace slipway
