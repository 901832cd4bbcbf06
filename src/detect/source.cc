#include "detect/source.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "detect/files.h"

namespace slipway::detection {
namespace {

std::optional<int> port_of(std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (port < 1 || port > 65535) return std::nullopt;
  return port;
}

bool is_host(std::string_view text) {
  return text == "localhost" || text == "0.0.0.0" || text == "127.0.0.1" || text == "::" ||
         text == "::1" || text == "[::]" || text == "[::1]";
}

// "127.0.0.1:8080", ":8080", "0.0.0.0:", "8080", "localhost", "http://localhost:5000"
void read_address(std::string_view text, Listen& into) {
  if (const std::size_t scheme = text.find("://"); scheme != std::string_view::npos)
    text = text.substr(scheme + 3);
  if (is_host(text)) {
    into.host = text;
    return;
  }
  const std::size_t colon = text.rfind(':');
  const std::string_view host = colon == std::string_view::npos ? "" : text.substr(0, colon);
  const std::string_view port = colon == std::string_view::npos ? text : text.substr(colon + 1);
  if (colon != std::string_view::npos && !host.empty() && !is_host(host) && host != "*") return;
  if (!host.empty() && host != "*") into.host = host;
  if (const std::optional<int> literal = port_of(port); literal && !into.port) into.port = literal;
}

bool is_port_read(const std::vector<Token>& tokens, std::size_t at) {
  const Token& token = tokens[at];
  if (token.string())
    return token.text == "PORT" || token.text.find("${PORT") != std::string_view::npos;
  // process.env.PORT, Bun.env.PORT
  return token.is("PORT") && at >= 2 && tokens[at - 1].is(".") && tokens[at - 2].is("env");
}

constexpr int max_depth = 3;             // names behind names
constexpr int max_lookups = 16;          // a call
constexpr std::size_t max_listens = 16;  // a file
constexpr std::size_t max_range = 60;    // tokens of an assignment

void read_range(const std::vector<Token>& tokens, std::size_t from, std::size_t to, int depth,
                int& lookups, Listen& into);

// What a name stands for: its last assignment before `before`, else the first one after it.
void read_name(const std::vector<Token>& tokens, std::string_view name, std::size_t before,
               int depth, int& lookups, Listen& into) {
  if (--lookups < 0) return;
  std::size_t found = 0;
  for (std::size_t i = 0; i + 2 < tokens.size(); ++i) {
    if (!tokens[i].word() || tokens[i].text != name) continue;
    if (i > 0 && tokens[i - 1].is(".")) continue;
    std::size_t equals = i + 1;
    if (tokens[equals].is(":") && !tokens[equals + 1].is("="))  // const port: number = …
      for (std::size_t k = 0; k < 4 && equals + 1 < tokens.size() && !tokens[equals].is("="); ++k)
        ++equals;
    else if (tokens[equals].is(":"))
      ++equals;  // Go's :=
    if (equals + 1 >= tokens.size() || !tokens[equals].is("=")) continue;
    if (tokens[equals + 1].is("=") || tokens[equals + 1].is(">")) continue;
    if (found != 0 && i > before) break;
    found = equals + 1;
  }
  if (found == 0) return;
  std::size_t end = found;
  const int line = tokens[found].line;
  while (end < tokens.size() && end < found + max_range && !tokens[end].is(";") &&
         tokens[end].line <= line + 2 &&
         (tokens[end].line == line || tokens[end].column > tokens[found].column ||
          tokens[end - 1].partner != 0 || tokens[end].is("|") || tokens[end].is("?") ||
          tokens[end].is("(")))
    ++end;
  read_range(tokens, found, end, depth + 1, lookups, into);
}

void read_range(const std::vector<Token>& tokens, std::size_t from, std::size_t to, int depth,
                int& lookups, Listen& into) {
  for (std::size_t i = from; i < to; ++i) {
    const Token& token = tokens[i];
    if (is_port_read(tokens, i)) {
      into.from_env = true;
    } else if (token.string()) {
      read_address(token.text, into);
    } else if (token.kind == Token::Kind::number) {
      const bool named = i >= 2 && (tokens[i - 1].is("=") || tokens[i - 1].is(":"));
      const bool is_port =
          !named || tokens[i - 2].is("port") || tokens[i - 2].is("PORT") || depth > 0;
      if (const std::optional<int> literal = port_of(token.text);
          literal && !into.port && is_port && *literal > 9)
        into.port = literal;
    } else if (token.is("{") && token.partner != 0 && depth == 0 && i > from && i + 1 < to &&
               tokens[i - 1].is(">")) {
      i = token.partner;  // a callback's body
    } else if (token.word() && depth < max_depth && !(i + 1 < to && tokens[i + 1].is("(")) &&
               !(i > from && tokens[i - 1].is("."))) {
      if (!(i + 1 < to && (tokens[i + 1].is(":") || tokens[i + 1].is("="))))
        read_name(tokens, token.text, i, depth, lookups, into);
    }
  }
}

}  // namespace

Listen read_listen(const std::vector<Token>& tokens, std::size_t open) {
  int lookups = max_lookups;
  Listen found{.line = tokens[open].line};
  const std::size_t end =
      tokens[open].partner != 0 ? tokens[open].partner : std::min(open + 40, tokens.size());
  read_range(tokens, open + 1, std::min(end, open + 120), 0, lookups, found);
  return found;
}

void add_listen(const std::vector<Token>& tokens, std::size_t open, SourceFacts& facts) {
  if (facts.listens.size() < max_listens) facts.listens.push_back(read_listen(tokens, open));
}

Language language_of(std::string_view path) {
  const std::string_view extension = extension_of(path);
  if (extension == ".js" || extension == ".mjs" || extension == ".cjs" || extension == ".ts" ||
      extension == ".mts" || extension == ".cts" || extension == ".jsx" || extension == ".tsx")
    return Language::javascript;
  if (extension == ".vue" || extension == ".svelte" || extension == ".astro")
    return Language::javascript;
  if (extension == ".py") return Language::python;
  if (extension == ".go") return Language::go;
  if (extension == ".rs") return Language::rust;
  if (extension == ".java" || extension == ".kt" || extension == ".kts" || extension == ".scala")
    return Language::java;
  if (extension == ".rb" || extension == ".ru") return Language::ruby;
  if (extension == ".php") return Language::php;
  if (extension == ".ex" || extension == ".exs") return Language::elixir;
  if (extension == ".cs" || extension == ".fs") return Language::csharp;
  if (extension == ".cpp" || extension == ".cc" || extension == ".cxx" || extension == ".c")
    return Language::cpp;
  if (extension == ".dart") return Language::dart;
  if (extension == ".swift") return Language::swift;
  if (extension == ".cr") return Language::crystal;
  if (extension == ".gleam") return Language::gleam;
  if (extension == ".zig") return Language::zig;
  if (extension == ".hs") return Language::haskell;
  if (extension == ".clj" || extension == ".cljc") return Language::clojure;
  return Language::none;
}

namespace {

bool is_data_file(std::string_view text) {
  if (text.size() > 200 || text.find_first_of("*{<$%\n ") != std::string_view::npos) return false;
  text = text.substr(0, text.find('?'));
  for (const std::string_view ending : {".db", ".sqlite", ".sqlite3", ".db3"})
    if (text.size() > ending.size() && text.ends_with(ending)) return true;
  return false;
}

// Literals that mean something whatever call they stand in.
void scan_literals(const std::vector<Token>& tokens, SourceFacts& facts) {
  constexpr std::size_t most = 8;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const Token& token = tokens[i];
    if (!token.string()) continue;
    if (facts.data_files.size() < most && is_data_file(token.text)) {
      std::string path(token.text);
      // join(__dirname, "data", "app.db")
      for (std::size_t k = i; k >= 2 && tokens[k - 1].is(",") && tokens[k - 2].string() &&
                              tokens[k - 2].text.find_first_of(".:/") == std::string_view::npos;
           k -= 2)
        path = std::string(tokens[k - 2].text) + "/" + path;
      // BASE_DIR / "data" / "app.db"
      for (std::size_t k = i; k >= 2 && tokens[k - 1].is("/") && tokens[k - 2].string(); k -= 2)
        path = std::string(tokens[k - 2].text) + "/" + path;
      facts.data_files.push_back({.text = std::move(path), .line = token.line});
    }
    if (facts.addresses.size() < most && facts.language == Language::javascript &&
        (token.text.starts_with("http://localhost:") ||
         token.text.starts_with("http://127.0.0.1:"))) {
      const Token& last = tokens[i > 0 ? i - 1 : 0];
      const bool fallback = last.is("|") || last.is("?") || last.is(":");
      if (!fallback)
        facts.addresses.push_back({.text = std::string(token.text), .line = token.line});
    }
  }
}

}  // namespace

SourceFacts scan_source(std::string_view path, std::string_view text) {
  SourceFacts facts{.path = std::string(path), .language = language_of(path)};
  const std::vector<Token> tokens = tokenize(text, facts.language);
  switch (facts.language) {
    case Language::none:
      break;
    case Language::javascript:
      scan_javascript(tokens, facts);
      break;
    case Language::python:
      scan_python(tokens, facts);
      break;
    case Language::go:
      scan_go(tokens, facts);
      break;
    case Language::rust:
      scan_rust(tokens, facts);
      break;
    case Language::swift:
    case Language::crystal:
    case Language::gleam:
    case Language::zig:
    case Language::haskell:
    case Language::clojure:
      scan_rare(tokens, facts);
      break;
    default:
      scan_others(tokens, facts);
      break;
  }
  scan_literals(tokens, facts);
  for (const EnvRead& read : facts.env) facts.reads_port |= read.name == "PORT";
  return facts;
}

}  // namespace slipway::detection
