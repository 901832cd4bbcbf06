#include "db/policy_functions.h"

#include <sqlite3.h>

#include <string_view>

#include "policy/fact_tables.h"

namespace slipway {
namespace {

constexpr std::size_t longest_pattern = 200;

std::string_view text_of(sqlite3_value* value) {
  const void* bytes = sqlite3_value_text(value);
  return bytes == nullptr ? std::string_view()
                          : std::string_view(static_cast<const char*>(bytes),
                                             static_cast<std::size_t>(sqlite3_value_bytes(value)));
}

void refuse(sqlite3_context* context, const char* why) { sqlite3_result_error(context, why, -1); }

RuleMeter& meter_of(sqlite3_context* context) {
  return *static_cast<RuleMeter*>(sqlite3_user_data(context));
}

bool any_null(int count, sqlite3_value** values) {
  for (int i = 0; i < count; ++i)
    if (sqlite3_value_type(values[i]) == SQLITE_NULL) return true;
  return false;
}

// Charges for comparing a pattern with a text at every place.
bool pay(sqlite3_context* context, std::string_view pattern, std::string_view text) {
  if (pattern.size() > longest_pattern) {
    refuse(context, "a pattern is longer than 200 bytes");
    return false;
  }
  const auto work = static_cast<std::int64_t>((pattern.size() + 1) * (text.size() + 1) / 64);
  if (meter_of(context).charge(work)) return true;
  refuse(context, "the step limit is reached");
  return false;
}

void sev(sqlite3_context* context, int, sqlite3_value** values) {
  const auto level = severity_from_name(text_of(values[0]));
  if (level)
    sqlite3_result_int64(context, *level);
  else
    refuse(context, "sev() of a word that is no severity");
}

// LIKE and GLOB hand the pattern first.
void like(sqlite3_context* context, int count, sqlite3_value** values) {
  if (any_null(count, values)) return;
  const std::string_view pattern = text_of(values[0]), text = text_of(values[1]);
  const std::string_view escape = count == 3 ? text_of(values[2]) : std::string_view("\0", 1);
  if (escape.size() != 1) return refuse(context, "ESCAPE is one character");
  if (pay(context, pattern, text))
    sqlite3_result_int(context, sql_like(pattern, text, escape[0]) ? 1 : 0);
}

void glob(sqlite3_context* context, int count, sqlite3_value** values) {
  if (any_null(count, values)) return;
  const std::string_view pattern = text_of(values[0]), text = text_of(values[1]);
  if (pay(context, pattern, text)) sqlite3_result_int(context, sql_glob(pattern, text) ? 1 : 0);
}

void instr(sqlite3_context* context, int count, sqlite3_value** values) {
  if (any_null(count, values)) return;
  const std::string_view text = text_of(values[0]), needle = text_of(values[1]);
  if (!pay(context, needle, text)) return;
  const std::size_t at = text.find(needle);
  std::int64_t position = 0;
  if (at != std::string_view::npos) {
    position = 1;  // in characters
    for (const char c : text.substr(0, at))
      position += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }
  sqlite3_result_int64(context, position);
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// Bytes of the character at `at`: a wildcard for one character takes all of it.
std::size_t width(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
  return end - at;
}

// One pattern element against the text at `at`: how far both advance, or none.
struct Advance {
  std::size_t pattern = 0, text = 0;
};

// Wildcard matching with a single point of return: O(pattern x text), no recursion.
template <class Element>
bool match(std::string_view pattern, std::string_view text, char many, char escape,
           Element element) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == many && (escape == 0 || many != escape)) {
      star = ++p;
      resume = t;
      continue;
    }
    const Advance step = p < pattern.size() ? element(pattern, p, text, t) : Advance{};
    if (step.text > 0) {
      p += step.pattern;
      t += step.text;
    } else if (star != std::string_view::npos) {
      p = star;
      resume += width(text, resume);
      t = resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == many) ++p;
  return p == pattern.size();
}

// "[abc]", "[a-z]", "[^x]" at pattern[p]; bytes only.
Advance char_class(std::string_view pattern, std::size_t p, char c) {
  std::size_t i = p + 1;
  const bool negated = i < pattern.size() && pattern[i] == '^';
  if (negated) ++i;
  bool found = false;
  for (const std::size_t first = i; i < pattern.size() && (pattern[i] != ']' || i == first); ++i) {
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      found = found || (pattern[i] <= c && c <= pattern[i + 2]);
      i += 2;
    } else {
      found = found || pattern[i] == c;
    }
  }
  if (i >= pattern.size() || found == negated) return {};
  return {i + 1 - p, 1};
}

}  // namespace

bool sql_like(std::string_view pattern, std::string_view text, char escape) {
  return match(
      pattern, text, '%', escape,
      [escape](std::string_view of, std::size_t p, std::string_view in, std::size_t t) -> Advance {
        if (escape != 0 && of[p] == escape) {
          const bool same = p + 1 < of.size() && lower(of[p + 1]) == lower(in[t]);
          return same ? Advance{2, 1} : Advance{};
        }
        if (of[p] == '_') return {1, width(in, t)};
        return lower(of[p]) == lower(in[t]) ? Advance{1, 1} : Advance{};
      });
}

bool sql_glob(std::string_view pattern, std::string_view text) {
  return match(
      pattern, text, '*', 0,
      [](std::string_view of, std::size_t p, std::string_view in, std::size_t t) -> Advance {
        if (of[p] == '?') return {1, width(in, t)};
        if (of[p] == '[') {
          Advance step = char_class(of, p, in[t]);
          if (step.text > 0) step.text = of[p + 1] == '^' ? width(in, t) : 1;
          return step;
        }
        return of[p] == in[t] ? Advance{1, 1} : Advance{};
      });
}

Status add_rule_functions(sqlite3* connection, RuleMeter& meter) {
  struct Row {
    const char* name;
    int arguments;
    void (*call)(sqlite3_context*, int, sqlite3_value**);
  };
  constexpr Row rows[] = {{"sev", 1, sev},
                          {"like", 2, like},
                          {"like", 3, like},
                          {"glob", 2, glob},
                          {"instr", 2, instr}};
  for (const Row& row : rows)
    if (sqlite3_create_function(connection, row.name, row.arguments,
                                SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, &meter,
                                row.call, nullptr, nullptr) != SQLITE_OK)
      return fail(Errc::internal, sqlite3_errmsg(connection));
  return {};
}

}  // namespace slipway
