#include <set>

#include "detect/source.h"

namespace slipway::detection {
namespace {

const Token& at(const std::vector<Token>& tokens, std::size_t i) {
  static const Token none;
  return i < tokens.size() ? tokens[i] : none;
}

void add_route(const Token& token, SourceFacts& facts) {
  std::string_view path = token.text;
  // Go 1.22: "GET /health"
  for (const std::string_view verb : {"GET ", "HEAD "})
    if (path.starts_with(verb)) path.remove_prefix(verb.size());
  if (path.starts_with('/') && path.size() < 100)
    facts.routes.push_back({.path = std::string(path), .line = token.line});
}

bool name_like(std::string_view text) {
  return !text.empty() && text.size() < 100 &&
         text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == std::string_view::npos;
}

// A call of `getters` with a literal name, or a subscript of one.
void add_env(const std::vector<Token>& tokens, std::size_t i, SourceFacts& facts, bool required) {
  const Token& name = at(tokens, i + 2);
  if (!name.string() || !name_like(name.text)) return;
  EnvRead read{.name = std::string(name.text), .line = name.line, .required = required};
  const Token& next = at(tokens, i + 3);
  const Token& value = at(tokens, i + 4);
  if (next.is(",") && (value.string() || value.kind == Token::Kind::number)) {
    read.default_value = std::string(value.text);
    read.required = false;
  } else if ((at(tokens, i + 4).is("|") && at(tokens, i + 5).is("|")) ||
             (at(tokens, i + 4).is("?") && at(tokens, i + 5).is("?"))) {
    const Token& fallback = at(tokens, i + 6);
    read.required = false;
    if (fallback.string() || fallback.kind == Token::Kind::number)
      read.default_value = std::string(fallback.text);
  }
  facts.env.push_back(std::move(read));
}

}  // namespace

void scan_go(const std::vector<Token>& tokens, SourceFacts& facts) {
  static const std::set<std::string_view> listens{
      "ListenAndServe", "ListenAndServeTLS", "Run", "Listen", "Start", "Serve"};
  static const std::set<std::string_view> routes{"HandleFunc", "Handle", "GET", "Get",
                                                 "Any",        "All",    "Head"};
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const Token& token = tokens[i];
    if (!token.word()) continue;
    if (token.text == "package" && facts.package.empty() && token.column == 0) {
      facts.package = at(tokens, i + 1).text;
    } else if (token.text == "import" && token.column == 0) {
      const bool many = at(tokens, i + 1).is("(");
      const std::size_t end = many ? at(tokens, i + 1).partner : i + 3;
      for (std::size_t k = i + 1; k < std::min(end, tokens.size()); ++k)
        if (tokens[k].string())
          facts.imports.push_back({.module = std::string(tokens[k].text), .line = tokens[k].line});
    } else if (token.text == "func" && at(tokens, i + 1).is("main") && token.column == 0) {
      facts.has_main = true;
      facts.main_line = token.line;
    } else if ((token.text == "Getenv" || token.text == "LookupEnv") && at(tokens, i + 1).is("(")) {
      add_env(tokens, i, facts, false);
    } else if (token.text == "Addr" && at(tokens, i + 1).is(":")) {
      add_listen(tokens, i + 1, facts);
    } else if (at(tokens, i + 1).is("(")) {
      const bool member = i > 0 && tokens[i - 1].is(".");
      if (member && listens.contains(token.text)) add_listen(tokens, i + 1, facts);
      if (member && routes.contains(token.text) && at(tokens, i + 2).string())
        add_route(at(tokens, i + 2), facts);
    }
  }
}

void scan_rust(const std::vector<Token>& tokens, SourceFacts& facts) {
  static const std::set<std::string_view> routes{"route", "get", "head", "resource", "path", "at"};
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const Token& token = tokens[i];
    if (!token.word()) continue;
    if (token.text == "fn" && at(tokens, i + 1).is("main")) {
      facts.has_main = true;
      facts.main_line = token.line;
    } else if (token.text == "use" && at(tokens, i + 1).word()) {
      facts.imports.push_back({.module = std::string(at(tokens, i + 1).text), .line = token.line});
    } else if ((token.text == "var" || token.text == "var_os") && at(tokens, i + 1).is("(")) {
      const std::size_t close = at(tokens, i + 1).partner;
      const Token& method = at(tokens, close + 2);
      add_env(tokens, i, facts, close != 0 && (method.is("expect") || method.is("unwrap")));
      if (!facts.env.empty() && close != 0 &&
          (method.is("unwrap_or_else") || method.is("unwrap_or")))
        for (std::size_t k = close + 3; k < std::min(close + 12, tokens.size()); ++k)
          if (tokens[k].string()) {
            facts.env.back().default_value = std::string(tokens[k].text);
            break;
          }
    } else if ((token.text == "bind" || token.text == "run" || token.text == "new") &&
               at(tokens, i + 1).is("(")) {
      if (token.text == "bind" || (token.text == "run" && i > 0 && tokens[i - 1].is("."))) {
        Listen listen = read_listen(tokens, i + 1);
        if (listen.port || listen.from_env || token.text == "bind")
          facts.listens.push_back(std::move(listen));
      }
    }
    if (routes.contains(token.text) && at(tokens, i + 1).is("(") && at(tokens, i + 2).string())
      add_route(at(tokens, i + 2), facts);
  }
}

void scan_others(const std::vector<Token>& tokens, SourceFacts& facts) {
  static const std::set<std::string_view> getters{"getenv", "GetEnvironmentVariable", "get_env",
                                                  "fetch_env", "env"};
  static const std::set<std::string_view> routes{
      "GetMapping",     "RequestMapping", "MapGet", "get",        "Get",
      "Path",           "route",          "Route",  "CROW_ROUTE", "GET",
      "MapHealthChecks"};
  static const std::set<std::string_view> listens{"listen", "embeddedServer", "bind", "Listen"};
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const Token& token = tokens[i];
    if (!token.word()) continue;
    const Token& next = at(tokens, i + 1);
    if (token.text == "package" && facts.package.empty()) {
      for (std::size_t k = i + 1;
           k < tokens.size() && tokens[k].line == token.line && !tokens[k].is(";"); ++k)
        facts.package += tokens[k].text;
    } else if ((token.text == "import" || token.text == "using") && next.word()) {
      std::string module;
      for (std::size_t k = i + 1;
           k < tokens.size() && tokens[k].line == token.line && !tokens[k].is(";"); ++k)
        module += tokens[k].text;
      facts.imports.push_back({.module = std::move(module), .line = token.line});
    } else if ((token.text == "require" || token.text == "require_relative") && next.string()) {
      facts.imports.push_back({.module = std::string(next.text), .line = token.line});
    } else if (token.text == "main" && (next.is("(") || next.is("{"))) {
      facts.has_main = true;
      facts.main_line = token.line;
    } else if (token.text == "ENV" && next.is("[")) {
      add_env(tokens, i, facts, true);
    } else if (token.text == "ENV" && next.is(".") && at(tokens, i + 2).is("fetch") &&
               at(tokens, i + 3).is("(")) {
      add_env(tokens, i + 2, facts, true);
    } else if ((token.text == "$_ENV" || token.text == "$_SERVER" || token.text == "environment") &&
               next.is("[")) {
      add_env(tokens, i, facts, false);
    } else if (getters.contains(token.text) &&
               (next.is("(") || (next.is("!") && at(tokens, i + 2).is("(")))) {
      const bool bang = next.is("!");
      add_env(tokens, bang ? i + 1 : i, facts, bang);
    }
    if (routes.contains(token.text)) {
      const std::size_t argument = next.is("(") ? i + 2 : i + 1;  // Ruby: get "/health" do
      const bool named = at(tokens, argument).word() && at(tokens, argument + 1).is("=");
      const Token& path = at(tokens, named ? argument + 2 : argument);
      if (path.string()) add_route(path, facts);
    }
    if (listens.contains(token.text) && next.is("(")) add_listen(tokens, i + 1, facts);
    if (token.text == "set" && next.is(":") && at(tokens, i + 2).is("port") &&
        at(tokens, i + 4).kind == Token::Kind::number) {
      std::vector<Token> argument{next, at(tokens, i + 4)};
      facts.listens.push_back(read_listen(argument, 0));
    }
  }
}

void scan_rare(const std::vector<Token>& tokens, SourceFacts& facts) {
  static const std::set<std::string_view> getters{"getenv",         "getEnv",      "lookupEnv",
                                                  "getEnvVarOwned", "environment", "ENV",
                                                  "envoy",          "Environment", "posix"};
  static const std::set<std::string_view> listens{"listen",     "bind",     "run-jetty",
                                                  "run-server", "warp",     "scotty",
                                                  "port",       "parseIp4", "resolveIp"};
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const Token& token = tokens[i];
    if (!token.word()) continue;
    const Token& next = at(tokens, i + 1);
    if (token.text == "import" || token.text == "require" || token.text == "use") {
      std::string module;
      for (std::size_t k = i + 1; k < tokens.size() && tokens[k].line == token.line && k < i + 12;
           ++k)
        module += tokens[k].text;
      facts.imports.push_back({.module = std::move(module), .line = token.line});
    } else if (token.text == "main" && !facts.has_main) {
      facts.has_main = true;
      facts.main_line = token.line;
    } else if (getters.contains(token.text)) {
      // getEnv "X", getenv("X"), ENV["X"], envoy.get("X"), Environment.get("X")
      for (std::size_t k = i + 1; k < i + 6 && k < tokens.size(); ++k)
        if (tokens[k].string() && name_like(tokens[k].text)) {
          add_env(tokens, k - 2, facts, false);
          break;
        }
    }
    if (listens.contains(token.text) && next.is("(")) {
      add_listen(tokens, i + 1, facts);
    } else if ((token.text == "scotty" || token.text == "run" || token.text == "listen" ||
                token.text == "port") &&
               next.kind == Token::Kind::number) {
      const std::vector<Token> argument{token, next};
      facts.listens.push_back(read_listen(argument, 0));
    }
    if ((token.text == "get" || token.text == "GET") && i + 2 < tokens.size()) {
      const Token& path = next.string() ? next : at(tokens, i + 2);
      if (path.string()) add_route(path, facts);
    }
  }
}

}  // namespace slipway::detection
