#include <algorithm>
#include <set>

#include "detect/source.h"

namespace slipway::detection {
namespace {

const std::set<std::string_view>& makers() {
  static const std::set<std::string_view> names{"Flask",
                                                "FastAPI",
                                                "Starlette",
                                                "Litestar",
                                                "Sanic",
                                                "Quart",
                                                "Dash",
                                                "FastHTML",
                                                "Application",
                                                "Bottle",
                                                "App",
                                                "FastMCP",
                                                "Blocks",
                                                "Interface",
                                                "ChatInterface",
                                                "APIFlask",
                                                "Connexion",
                                                "Robyn",
                                                "BlackSheep",
                                                "Falcon",
                                                "API",
                                                "Celery",
                                                "fast_app",
                                                "TabbedInterface",
                                                "get_wsgi_application",
                                                "get_asgi_application",
                                                "create_app",
                                                "make_app",
                                                "build_app",
                                                "get_app",
                                                "app_factory",
                                                "create_application",
                                                "init_app",
                                                "application_factory",
                                                "AioHTTPApp",
                                                "FlaskApp",
                                                "AsyncApp",
                                                "Responder",
                                                "HTTPServer",
                                                "ThreadingHTTPServer"};
  return names;
}

class Scanner {
 public:
  Scanner(const std::vector<Token>& tokens, SourceFacts& facts) : tokens_(tokens), facts_(facts) {}

  void run() {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const Token& token = tokens_[i];
      const bool first = i == 0 || tokens_[i - 1].line != token.line;
      if (first) enter_line(token);
      if (!token.word()) continue;
      if (first && (token.text == "import" || token.text == "from")) {
        import(i);
      } else if (token.text == "def" && at(i + 1).word()) {
        function_ = {
            .name = at(i + 1).text, .column = token.column, .arguments = needs_arguments(i + 2)};
      } else if (token.text == "__name__" && at(i + 1).is("=") && at(i + 3).string() &&
                 at(i + 3).text == "__main__") {
        facts_.has_main = true;
        facts_.main_line = token.line;
        guard_column_ = tokens_[i - (i > 0 ? 1u : 0u)].column;
        in_guard_ = true;
      } else if (token.text == "environ" && at(i + 1).is("[") && at(i + 2).string()) {
        add_env(i + 2, i + 3);
      } else if (at(i + 1).is("(")) {
        call(i);
      }
    }
  }

 private:
  struct Function {
    std::string_view name;
    int column = 0;
    bool arguments = false;
  };

  [[nodiscard]] const Token& at(std::size_t i) const {
    static const Token none;
    return i < tokens_.size() ? tokens_[i] : none;
  }
  [[nodiscard]] const Token& before(std::size_t i, std::size_t back) const {
    static const Token none;
    return i >= back ? tokens_[i - back] : none;
  }

  void enter_line(const Token& token) {
    if (!function_.name.empty() && token.column <= function_.column && !token.is(")"))
      function_ = {};
    if (in_guard_ && token.column <= guard_column_) in_guard_ = false;
  }

  // Whether calling a function without arguments would fail. `open` is its "(".
  [[nodiscard]] bool needs_arguments(std::size_t open) const {
    const std::size_t close = at(open).partner;
    int bare = 0;  // parameters seen so far
    for (std::size_t i = open + 1; i < close; ++i) {
      if (at(i).partner > i) {
        i = at(i).partner;
      } else if (at(i).is("*")) {
        break;
      } else if (at(i).word() && (at(i - 1).is("(") || at(i - 1).is(","))) {
        ++bare;
      } else if (at(i).is("=")) {
        return bare > 1;  // this one has a default, and so has what follows
      }
    }
    return bare > 0;
  }

  void import(std::size_t i) {
    const int line = tokens_[i].line;
    const bool optional =
        before(i, 1).is(":") && (before(i, 2).is("try") || before(i, 2).is("TYPE_CHECKING"));
    if (optional) return;
    std::string module;
    const auto flush = [&] {
      if (!module.empty()) facts_.imports.push_back({.module = module, .line = line});
      module.clear();
    };
    std::size_t k = i + 1;
    if (tokens_[i].text == "from") {
      for (; k < tokens_.size() && at(k).line == line && !at(k).is("import"); ++k)
        module += at(k).text;
      // "from . import x": the names are modules beside this one.
      if (module.find_first_not_of('.') == std::string::npos && at(k).is("import")) {
        const std::string& dots = module;
        for (++k; k < tokens_.size() && at(k).line == line; ++k)
          if (at(k).word() && !before(k, 1).is("as") && !at(k).is("as"))
            facts_.imports.push_back({.module = dots + std::string(at(k).text), .line = line});
        return;
      }
      flush();
      return;
    }
    for (bool skip = false; k < tokens_.size() && at(k).line == line && !at(k).is(";"); ++k) {
      if (at(k).is(",")) {
        flush();
        skip = false;
      } else if (at(k).is("as")) {
        skip = true;
      } else if (!skip) {
        module += at(k).text;
      }
    }
    flush();
  }

  // `name` is the string token, `next` the token after it.
  void add_env(std::size_t name, std::size_t next) {
    if (at(name).text.empty() || at(name).text.size() > 100) return;
    EnvRead read{.name = std::string(at(name).text), .line = at(name).line};
    const bool subscript = at(next).is("]");
    if (subscript && at(next + 1).is("=") && !at(next + 2).is("=")) return;  // written, not read
    read.required = subscript;
    if (at(next).is(",")) {
      const Token& value = at(next + 1).is("default") ? at(next + 3) : at(next + 1);
      if (value.string() || value.kind == Token::Kind::number || value.is("True") ||
          value.is("False"))
        read.default_value = std::string(value.text);
    } else if (!subscript && at(next + 1).is("or") &&
               (at(next + 2).string() || at(next + 2).kind == Token::Kind::number)) {
      read.default_value = std::string(at(next + 2).text);
    }
    facts_.env.push_back(std::move(read));
  }

  void call(std::size_t i) {
    const std::string_view name = tokens_[i].text;
    std::size_t start = i;
    while (start >= 2 && tokens_[start - 1].is(".") && tokens_[start - 2].word()) start -= 2;
    const char* const from = tokens_[start].text.data();
    const std::string_view dotted(from, static_cast<std::size_t>(name.data() + name.size() - from));
    const Token& argument = at(i + 2);
    if (argument.string()) {
      const bool os_get = dotted == "os.environ.get" || dotted == "os.getenv" ||
                          dotted == "environ.get" || dotted == "getenv";
      const bool settings = dotted == "config" || dotted == "env" || dotted == "env.str" ||
                            dotted == "env.bool" || dotted == "env.int" || dotted == "env.list";
      const bool upper = !argument.text.empty() &&
                         argument.text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
                             std::string_view::npos;
      if (os_get || (settings && upper)) {
        add_env(i + 2, i + 3);
        if (settings && !facts_.env.empty() && !facts_.env.back().default_value)
          facts_.env.back().required = true;
      }
    }
    app_object(start, i, name);
    listen(i, name, dotted);
    const std::string_view owner = tokens_[start].text;
    const bool mounted = owner.find("outer") != std::string_view::npos ||
                         owner.find("bp") != std::string_view::npos ||
                         owner.find("blueprint") != std::string_view::npos;
    if (!mounted || dotted.ends_with("router.add_get")) route(i, name);
  }

  void app_object(std::size_t start, std::size_t i, std::string_view name) {
    if (!makers().contains(name)) return;
    AppObject app{.maker = std::string(name),
                  .function = std::string(function_.name),
                  .needs_arguments = function_.arguments,
                  .line = tokens_[i].line};
    if (name == "get_wsgi_application" || name == "get_asgi_application") app.maker = "django";
    const Token& before_maker = before(start, 1);
    if (before_maker.is("=") && !before(start, 2).is("=")) {
      // NAME = Maker(   NAME: Type = Maker(   app, rt = fast_app(
      std::size_t k = start - 1;
      while (k > 0 && tokens_[k - 1].line == tokens_[start].line) --k;
      app.name = std::string(tokens_[k].text);
      if (tokens_[k].column > 0 && function_.name.empty() && !in_with_) app.function = "?";
      if (in_guard_) app.function = "__main__";
      if (tokens_[k].is("self")) return;
    } else if (before_maker.is("return")) {
      app.name = "";
    } else if (before_maker.is("with")) {
      // with gr.Blocks() as demo:
      const std::size_t close = tokens_[i + 1].partner;
      if (close == 0 || !at(close + 1).is("as")) return;
      app.name = std::string(at(close + 2).text);
      if (tokens_[start - 1].column > 0 && function_.name.empty()) app.function = "?";
    } else {
      return;
    }
    facts_.apps.push_back(std::move(app));
  }

  void listen(std::size_t i, std::string_view name, std::string_view dotted) {
    static const std::set<std::string_view> calls{
        "run",         "run_app",    "launch",
        "listen",      "serve",      "run_server",
        "HTTPServer",  "TCPServer",  "ThreadingHTTPServer",
        "make_server", "run_simple", "start_server",
        "WSGIServer"};
    if (!calls.contains(name)) return;
    const bool bottle =
        dotted == "run" && std::ranges::any_of(facts_.imports, [](const Import& import) {
          return import.module == "bottle";
        });
    if (name == "run" && ((dotted == "run" && !bottle) || dotted == "subprocess.run" ||
                          dotted == "asyncio.run" || dotted.ends_with("loop.run")))
      return;
    add_listen(tokens_, i + 1, facts_);
  }

  void route(std::size_t i, std::string_view name) {
    static const std::set<std::string_view> calls{
        "get",       "route",         "add_url_rule", "Route",   "add_get",   "head",
        "api_route", "add_api_route", "path",         "re_path", "add_route", "post"};
    if (!calls.contains(name) || !at(i + 2).string()) return;
    std::string path(at(i + 2).text);
    if (path.size() > 100 || path.find("://") != std::string::npos) return;
    if (name == "path") path = "/" + path;
    if (path.starts_with('/'))
      facts_.routes.push_back({.path = std::move(path), .line = at(i + 2).line});
  }

  const std::vector<Token>& tokens_;
  SourceFacts& facts_;
  Function function_;
  bool in_guard_ = false, in_with_ = false;
  int guard_column_ = 0;
};

}  // namespace

void scan_python(const std::vector<Token>& tokens, SourceFacts& facts) {
  Scanner(tokens, facts).run();
  // `if self.path == "/health"`
  for (std::size_t i = 3; i < tokens.size(); ++i)
    if (tokens[i].string() && tokens[i].text.starts_with('/') && tokens[i - 1].is("=") &&
        tokens[i - 2].is("=") && tokens[i].text.size() < 100)
      facts.routes.push_back({.path = std::string(tokens[i].text), .line = tokens[i].line});
}

}  // namespace slipway::detection
