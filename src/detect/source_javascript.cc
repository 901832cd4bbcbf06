#include <algorithm>
#include <set>

#include "detect/source.h"

namespace slipway::detection {
namespace {

bool env_name(std::string_view text) {
  return !text.empty() && text.find_first_not_of(
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_abcdefghijklmnopqrstuvwxyz") ==
                              std::string_view::npos;
}

// A router may be mounted below another path, so that its own paths say little.
bool is_router(std::string_view name) { return name.find("outer") != std::string_view::npos; }

class Scanner {
 public:
  Scanner(const std::vector<Token>& tokens, SourceFacts& facts) : tokens_(tokens), facts_(facts) {}

  void run() {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const Token& token = tokens_[i];
      if (!token.word()) continue;
      if (token.text == "import" || token.text == "require" || token.text == "from")
        import(i);
      else if (token.text == "env")
        env(i);
      else if (at(i + 1).is("("))
        call(i);
      else if (token.text == "default" && at(i + 1).is("{") && i > 0 && tokens_[i - 1].is("export"))
        exported_server(i + 1);
      else if (token.text == "url" && at(i + 1).is(":") && at(i + 2).string())
        route(at(i + 2));
    }
  }

 private:
  // Past the end there is an empty sign, so that looking ahead needs no checks.
  [[nodiscard]] const Token& at(std::size_t i) const {
    static const Token none;
    return i < tokens_.size() ? tokens_[i] : none;
  }
  [[nodiscard]] const Token& before(std::size_t i, std::size_t back) const {
    static const Token none;
    return i >= back ? tokens_[i - back] : none;
  }

  void import(std::size_t i) {
    const Token& token = tokens_[i];
    if (token.text == "import" && at(i + 1).is("type") && !at(i + 2).is("from")) type_only_ = true;
    if (token.text == "from" && at(i + 1).string() && !before(i, 1).is(".")) {
      if (!type_only_) add_import(at(i + 1));
      type_only_ = false;
    } else if (token.text != "from" && at(i + 1).string()) {
      add_import(at(i + 1));
    } else if (token.text != "from" && at(i + 1).is("(") && at(i + 2).string()) {
      add_import(at(i + 2));
    }
  }
  void add_import(const Token& token) {
    if (!token.text.empty() && token.text.size() < 200 &&
        token.text.find_first_of("$\n{ ") == std::string_view::npos)
      facts_.imports.push_back({.module = std::string(token.text), .line = token.line});
  }

  void env(std::size_t i) {
    if (!before(i, 1).is(".")) return;
    const Token& owner = before(i, 2);
    if (!owner.is("process") && !owner.is("meta") && !owner.is("Bun") && !owner.is("Deno")) return;
    if (at(i + 1).is(".") && at(i + 2).is("get") && at(i + 3).is("(") && at(i + 4).string()) {
      add_env(at(i + 4), i + 5, i);
    } else if (at(i + 1).is(".") && at(i + 2).word()) {
      add_env(at(i + 2), i + 2, i);
    } else if (at(i + 1).is("[") && at(i + 2).string()) {
      add_env(at(i + 2), i + 3, i);
    } else if (before(i, 3).is("=") && before(i, 4).is("}")) {
      // const { A, B = "x" } = process.env
      for (std::size_t k = before(i, 4).partner + 1; k < i - 4; ++k)
        if (at(k).word() && (at(k - 1).is("{") || at(k - 1).is(","))) add_env(at(k), k, k);
    }
  }

  // `end` is the last token of the read, `begin` its "env".
  void add_env(const Token& name, std::size_t end, std::size_t begin) {
    if (!env_name(name.text)) return;
    EnvRead read{.name = std::string(name.text), .line = name.line};
    const Token& next = at(end + 1);
    const Token& after = at(end + 2);
    const bool fallback = (next.is("|") && after.is("|")) || (next.is("?") && after.is("?"));
    if (fallback || (next.is("=") && begin == end)) {
      const Token& value = fallback ? at(end + 3) : after;
      if (value.string() || value.kind == Token::Kind::number)
        read.default_value = std::string(value.text);
    } else {
      const bool tested = next.is("?") || next.is("&") || (next.is("=") && after.is("=")) ||
                          (next.is("!") && after.is("=")) || before(begin, 3).is("!") ||
                          (before(begin, 3).is("(") && before(begin, 4).is("if"));
      const bool assigned = next.is("=") && !after.is("=");
      if (assigned) return;  // written, not read
      read.required = !tested;
    }
    facts_.env.push_back(std::move(read));
  }

  void call(std::size_t i) {
    const std::string_view name = tokens_[i].text;
    const bool member = before(i, 1).is(".");
    const std::string_view owner = member ? before(i, 2).text : std::string_view{};
    facts_.uses_bun |= owner == "Bun";
    facts_.uses_deno |= owner == "Deno";
    const bool runtime = owner == "Bun" || owner == "Deno";
    if ((member && name == "listen") || (name == "serve" && (!member || runtime))) {
      add_listen(tokens_, i + 1, facts_);
      Listen& listen = facts_.listens.back();
      if (owner == "Deno" && !listen.port && !listen.from_env) listen.port = 8000;
    }
    static const std::set<std::string_view> verbs{"get", "all", "use", "route", "head", "post"};
    if (member && verbs.contains(name) && at(i + 2).string() && !is_router(owner)) route(at(i + 2));
  }

  void exported_server(std::size_t open) {
    const std::size_t end = tokens_[open].partner;
    for (std::size_t k = open + 1; k < end; ++k)
      if (tokens_[k].is("fetch") &&
          (at(k + 1).is(":") || at(k + 1).is(",") || at(k + 1).is("(") || at(k + 1).is("}"))) {
        add_listen(tokens_, open, facts_);
        return;
      }
  }

  void route(const Token& token) {
    if (token.text.starts_with('/') && token.text.size() < 100)
      facts_.routes.push_back({.path = std::string(token.text), .line = token.line});
  }

  const std::vector<Token>& tokens_;
  SourceFacts& facts_;
  bool type_only_ = false;
};

}  // namespace

void scan_javascript(const std::vector<Token>& tokens, SourceFacts& facts) {
  Scanner(tokens, facts).run();
  // `${process.env.API_URL}/users`: what a template inserts is code.
  for (const Token& token : tokens) {
    if (!token.string()) continue;
    for (std::size_t from = token.text.find("${"); from != std::string_view::npos;
         from = token.text.find("${", from + 2)) {
      const std::string_view inner =
          token.text.substr(from + 2, token.text.find('}', from) - from - 2);
      if (inner.find("env") == std::string_view::npos) continue;
      const std::vector<Token> inserted = tokenize(inner, Language::javascript);
      SourceFacts within;
      Scanner(inserted, within).run();
      for (EnvRead& read : within.env) {
        read.line =
            token.line + static_cast<int>(std::ranges::count(token.text.substr(0, from), '\n'));
        facts.env.push_back(std::move(read));
      }
    }
  }
  // `if (req.url === '/health')`
  for (std::size_t i = 3; i < tokens.size(); ++i)
    if (tokens[i].string() && tokens[i].text.starts_with('/') && tokens[i - 1].is("=") &&
        tokens[i - 2].is("=") && tokens[i].text.size() < 100)
      facts.routes.push_back({.path = std::string(tokens[i].text), .line = tokens[i].line});
}

}  // namespace slipway::detection
