#include "detect/source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::detection {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> modules(const SourceFacts& facts) {
  std::vector<std::string> names;
  for (const Import& import : facts.imports) names.push_back(import.module);
  return names;
}

TEST(JavaScriptFacts, FindsImportsButNotThoseInCommentsStringsAndTypes) {
  const SourceFacts facts =
      scan_source("a.ts",
                  "import a from 'a';\nimport 'b';\nconst c = require(\"c\");\nawait import('d');\n"
                  "export { x } from './e';\nimport type { T } from 'types-only';\n"
                  "// import f from 'f'\n/* require('g') */\nconst s = \"require('h')\";\n"
                  "const t = `import i from 'i'`;\nconst r = /require('j')/;\nArray.from('k');\n");
  EXPECT_THAT(modules(facts), ElementsAre("a", "b", "c", "d", "./e"));
}

TEST(JavaScriptFacts, ReadsVariablesThatTemplatesInsert) {
  const SourceFacts facts =
      scan_source("a.js",
                  "fetch(`\n${import.meta.env.VITE_API_URL}/users/${id}`);\n"
                  "const u = `${process.env.HOST || 'localhost'}:${ process.env['PORT'] }`;\n"
                  "const open = `${process.env.`;\n");
  ASSERT_EQ(facts.env.size(), 3u);
  EXPECT_EQ(facts.env[0].name, "VITE_API_URL");
  EXPECT_EQ(facts.env[0].line, 2);
  EXPECT_TRUE(facts.env[0].required);
  EXPECT_EQ(facts.env[1].name, "HOST");
  EXPECT_EQ(facts.env[1].default_value, "localhost");
  EXPECT_EQ(facts.env[2].name, "PORT");
  EXPECT_TRUE(facts.reads_port);
}

TEST(JavaScriptFacts, AnApostropheInAPageIsNoString) {
  const SourceFacts facts = scan_source("a.jsx", "const a = <p>Don't {process.env.KEY}</p>;\n");
  ASSERT_EQ(facts.env.size(), 1u);
  EXPECT_EQ(facts.env[0].name, "KEY");
}

TEST(JavaScriptFacts, SaysWhichVariablesAreRequired) {
  const SourceFacts facts = scan_source(
      "a.js",
      "const url = process.env.DATABASE_URL;\nconst level = process.env.LOG_LEVEL || 'info';\n"
      "if (process.env.DEBUG) run();\nconst { KEY, REGION = 'eu' } = process.env;\nprocess.env.SET "
      "= 'x';\n"
      "const k = process.env['SUB'] ?? 3;\nconst d = Deno.env.get('DENO_KEY');\n");
  std::vector<std::string> required, others;
  for (const EnvRead& read : facts.env)
    (read.required ? required : others)
        .push_back(read.name + (read.default_value ? "=" + *read.default_value : ""));
  EXPECT_THAT(required, ElementsAre("DATABASE_URL", "KEY", "DENO_KEY"));
  EXPECT_THAT(others, ElementsAre("LOG_LEVEL=info", "DEBUG", "REGION=eu", "SUB=3"));
}

struct ListenCase {
  std::string_view file, text;
  std::optional<int> port;
  bool from_env;
  std::string_view host;
};

class Listening : public testing::TestWithParam<ListenCase> {};

TEST_P(Listening, ReadsPortAndHost) {
  const ListenCase& param = GetParam();
  const SourceFacts facts = scan_source(param.file, param.text);
  ASSERT_EQ(facts.listens.size(), 1u) << param.text;
  EXPECT_EQ(facts.listens[0].port, param.port) << param.text;
  EXPECT_EQ(facts.listens[0].from_env, param.from_env) << param.text;
  EXPECT_EQ(facts.listens[0].host, param.host) << param.text;
}

INSTANTIATE_TEST_SUITE_P(
    EveryLanguage, Listening,
    testing::Values(
        ListenCase{"a.js", "app.listen(3000)", 3000, false, ""},
        ListenCase{"a.js", "app.listen(4000, '127.0.0.1', () => console.log(`on ${1234}`))", 4000,
                   false, "127.0.0.1"},
        ListenCase{"a.js", "const port = process.env.PORT || 3000;\napp.listen(port)", 3000, true,
                   ""},
        ListenCase{"a.js", "const PORT = 8080\nserver.listen({ port: PORT, host: '0.0.0.0' })",
                   8080, false, "0.0.0.0"},
        ListenCase{"a.ts",
                   "const port: number = Number(process.env.PORT ?? 5000);\napp.listen(port)", 5000,
                   true, ""},
        ListenCase{"a.ts", "Bun.serve({ port: 3001, fetch() {} })", 3001, false, ""},
        ListenCase{"a.ts", "Deno.serve(handler)", 8000, false, ""},
        ListenCase{"a.py", "app.run(host='0.0.0.0', port=5001)", 5001, false, "0.0.0.0"},
        ListenCase{"a.py", "app.run(port=int(os.environ.get('PORT', 5000)))", 5000, true, ""},
        ListenCase{"a.py", "PORT = 8000\nHTTPServer(('', PORT), H).serve_forever()", 8000, false,
                   ""},
        ListenCase{"a.py", "uvicorn.run(app, host=\"127.0.0.1\", port=8000, workers=4)", 8000,
                   false, "127.0.0.1"},
        ListenCase{"a.go", "package main\nfunc main() { http.ListenAndServe(\":8080\", nil) }",
                   8080, false, ""},
        ListenCase{"a.go",
                   "package main\nfunc main() { addr := \":\" + "
                   "os.Getenv(\"PORT\")\nhttp.ListenAndServe(addr, nil) }",
                   std::nullopt, true, ""},
        ListenCase{"a.rs", "fn main() { TcpListener::bind(\"127.0.0.1:7878\").unwrap(); }", 7878,
                   false, "127.0.0.1"}));

TEST(PythonFacts, FindsApplicationsFactoriesAndGuards) {
  const SourceFacts facts = scan_source(
      "a.py",
      "from flask import Flask\nimport os.path as p, sys\nfrom .local import x\n"
      "try:\n    import ujson\nexcept ImportError:\n    pass\n"
      "app = Flask(__name__)\n\n"
      "def create_app(name, debug=False):\n    inner = Flask(name)\n    return inner\n\n"
      "def make_app(debug=False):\n    return Flask('x')\n\n"
      "if __name__ == '__main__':\n    late = Flask('y')\n");
  EXPECT_THAT(modules(facts), ElementsAre("flask", "os.path", "sys", ".local"));
  ASSERT_EQ(facts.apps.size(), 4u);
  EXPECT_EQ(facts.apps[0].name, "app");
  EXPECT_EQ(facts.apps[0].function, "");
  EXPECT_EQ(facts.apps[1].function, "create_app");
  EXPECT_TRUE(facts.apps[1].needs_arguments);
  EXPECT_EQ(facts.apps[2].function, "make_app");
  EXPECT_FALSE(facts.apps[2].needs_arguments);
  EXPECT_EQ(facts.apps[3].function, "__main__");
  EXPECT_TRUE(facts.has_main);
}

TEST(PythonFacts, SaysWhichVariablesAreRequired) {
  const SourceFacts facts = scan_source(
      "a.py",
      "import os\na = os.environ['A']\nb = os.getenv('B', 'x')\nc = os.environ.get('C')\n"
      "os.environ['D'] = '1'\ne = os.getenv('E') or 'y'\n");
  ASSERT_EQ(facts.env.size(), 4u);
  EXPECT_TRUE(facts.env[0].required);
  EXPECT_EQ(facts.env[1].default_value, "x");
  EXPECT_FALSE(facts.env[2].required);
  EXPECT_EQ(facts.env[3].default_value, "y");
}

TEST(Routes, AreFoundInEveryLanguage) {
  const auto paths = [](std::string_view file, std::string_view text) {
    std::vector<std::string> found;
    for (const Route& route : scan_source(file, text).routes) found.push_back(route.path);
    return found;
  };
  EXPECT_THAT(paths("a.js", "app.get('/health', f); axios.get('http://x')"),
              ElementsAre("/health"));
  EXPECT_THAT(paths("a.py", "@app.get('/health')\ndef h(): ...\n"), ElementsAre("/health"));
  EXPECT_THAT(paths("a.go", "package main\nfunc f() { mux.HandleFunc(\"GET /health\", h) }"),
              ElementsAre("/health"));
  EXPECT_THAT(paths("a.rs", "fn f() { Router::new().route(\"/health\", get(h)); }"),
              ElementsAre("/health"));
  EXPECT_THAT(paths("A.java", "@GetMapping(\"/health\") String h() { return \"\"; }"),
              ElementsAre("/health"));
  EXPECT_THAT(paths("a.rb", "get '/health' do\nend\n"), ElementsAre("/health"));
}

// Names that stand for long lines of names, over and over: work is bounded, not quadratic.
TEST(Tokens, NamesBehindNamesAreFollowedOnlySoFar) {
  std::string text = "a = ";
  for (int i = 0; i < 20'000; ++i) text += "a b c ";
  text += "\nb = a\nc = b\n";
  for (int i = 0; i < 500; ++i) text += "app.listen(a, b, c, a, b, c, a, b, c);\n";
  EXPECT_LE(scan_source("a.js", text).listens.size(), 16u);
}

TEST(Tokens, HostileTextEndsInTime) {
  for (const char c : {'"', '\'', '`', '/', '(', '{', '\\', '#', '\n', 'r'})
    for (const std::string_view file : {"a.js", "a.py", "a.go", "a.rs", "A.java", "a.rb", "a.php"})
      EXPECT_NO_THROW(static_cast<void>(scan_source(file, std::string(50'000, c)))) << file << c;
  const std::string many = [] {
    std::string text;
    for (int i = 0; i < 5'000; ++i) text += "app.listen(port); port = port; ";
    return text;
  }();
  EXPECT_NO_THROW(static_cast<void>(scan_source("a.js", many)));
}

}  // namespace
}  // namespace slipway::detection
