#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::detection {

enum class Language {
  none,
  javascript,
  python,
  go,
  rust,
  java,
  ruby,
  php,
  elixir,
  csharp,
  cpp,
  dart,
  swift,
  crystal,
  gleam,
  zig,
  haskell,
  clojure
};
[[nodiscard]] Language language_of(std::string_view path);

// One token of a source file. Comments are gone; strings are one token with their quotes removed.
struct Token {
  enum class Kind { word, string, number, sign } kind = Kind::sign;
  std::string_view text;
  int line = 0;
  int column = 0;  // of the line's first character: 0
  // Of a bracket: the index of its partner (0 when it has none).
  std::size_t partner = 0;

  [[nodiscard]] bool is(std::string_view sign_or_word) const {
    return kind != Kind::string && text == sign_or_word;
  }
  [[nodiscard]] bool word() const { return kind == Kind::word; }
  [[nodiscard]] bool string() const { return kind == Kind::string; }
};

// Tokens of any of the languages above: good enough to find imports, calls and their literal
// arguments, never confused by comments or strings. Linear; stops after `max_tokens`. The tokens
// refer to `text`.
inline constexpr std::size_t max_tokens = 60'000;
[[nodiscard]] std::vector<Token> tokenize(std::string_view text, Language language);

struct Import {
  std::string module;  // as written: "express", "./db", "flask", "app.models", "net/http"
  int line = 0;
};
struct EnvRead {
  std::string name;
  int line = 0;
  bool required = false;
  std::optional<std::string> default_value;
};
struct Listen {
  int line = 0;
  std::optional<int> port;  // a literal
  bool from_env = false;    // PORT is read for it
  std::string host;         // a literal; "" when none
};
struct Route {
  std::string path;
  int line = 0;
};
// `app = Flask(...)`, at the top of a module or inside a function (a factory).
struct AppObject {
  std::string name, maker;  // "app", "Flask"
  std::string function;     // the function that makes it; "" at the top of the module
  bool needs_arguments = false;
  int line = 0;
};
struct Literal {
  std::string text;
  int line = 0;
};
struct SourceFacts {
  std::string path;  // from the project's root
  Language language = Language::none;
  std::string package;  // go: its package clause; java: its package
  std::vector<Import> imports;
  std::vector<EnvRead> env;
  std::vector<Listen> listens;
  std::vector<Route> routes;
  std::vector<AppObject> apps;
  std::vector<Literal> data_files;           // paths and URLs of SQLite databases, as written
  std::vector<Literal> addresses;            // http://localhost:… that no variable replaces
  bool uses_bun = false, uses_deno = false;  // calls Bun.x(), Deno.x()
  bool has_main = false;    // func main, fn main, __main__ guard, public static void main
  bool reads_port = false;  // PORT from the environment, anywhere
  int main_line = 0;
};
[[nodiscard]] SourceFacts scan_source(std::string_view path, std::string_view text);

// One function a language (source_*.cc); each adds what it finds.
void scan_javascript(const std::vector<Token>& tokens, SourceFacts& facts);
void scan_python(const std::vector<Token>& tokens, SourceFacts& facts);
void scan_go(const std::vector<Token>& tokens, SourceFacts& facts);
void scan_rust(const std::vector<Token>& tokens, SourceFacts& facts);
// Java, Kotlin, Scala, Ruby, PHP, Elixir, C#, C++ and Dart share one shape: calls with literals.
void scan_others(const std::vector<Token>& tokens, SourceFacts& facts);

// Swift, Crystal, Gleam, Zig, Haskell and Clojure: environment variables, main, imports, listens.
void scan_rare(const std::vector<Token>& tokens, SourceFacts& facts);

// Of the call whose '(' is at `open`: the literal port and host among its arguments, and whether
// PORT is read for it (directly, or through a name that `facts` knows).
[[nodiscard]] Listen read_listen(const std::vector<Token>& tokens, std::size_t open);
// The same, kept among the facts; past a file's first few there is nothing to learn.
void add_listen(const std::vector<Token>& tokens, std::size_t open, SourceFacts& facts);

}  // namespace slipway::detection
