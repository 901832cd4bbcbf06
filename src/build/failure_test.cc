#include "build/failure.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "sys/files.h"

namespace slipway {
namespace {

// Real output of the tools themselves, recorded in testdata/failures.
std::string recorded(std::string_view name) {
  return read_file(fmt::format("{}/src/build/testdata/failures/{}.log", SLIPWAY_SOURCE_DIR, name))
      .value();
}

Service service_of(std::string provider, std::string package_manager) {
  Service service;
  service.provider = std::move(provider);
  service.package_manager = std::move(package_manager);
  return service;
}

struct Expected {
  std::string_view log, provider, manager, phase;
  std::string_view cause, message, file;
  int line;               // 0: none
  std::string_view next;  // "": none asked for
};

void PrintTo(const Expected& expected, std::ostream* out) { *out << expected.log; }

class RecordedFailure : public ::testing::TestWithParam<Expected> {};

TEST_P(RecordedFailure, IsUnderstood) {
  const Expected& want = GetParam();
  const std::string log = recorded(want.log);
  FailureFacts facts;
  facts.phase = want.phase;
  facts.command = "the command";
  facts.exit.code = 1;
  facts.log = log;
  const Error error =
      explain_failure(facts, service_of(std::string(want.provider), std::string(want.manager)));
  EXPECT_EQ(error.cause, want.cause);
  EXPECT_NE(error.message.find(want.message), std::string::npos) << error.message;
  EXPECT_EQ(error.file, want.file);
  EXPECT_EQ(error.line.value_or(0), want.line);
  EXPECT_FALSE(error.hint.empty());
  EXPECT_FALSE(error.excerpt.empty());
  EXPECT_LE(error.excerpt.size(), 12u);
  if (!want.next.empty()) {
    ASSERT_FALSE(error.next.empty());
    EXPECT_EQ(error.next.front().command, want.next);
  }
}

constexpr Expected recorded_failures[] = {
    {"node_cjs_missing", "node", "npm", "start", "missing_dependency", "the package express",
     "server.js", 1, "npm install express"},
    {"node_esm_missing", "node", "pnpm", "start", "missing_dependency", "the package express",
     "server.mjs", 0, "pnpm add express"},
    {"node_relative", "node", "npm", "start", "missing_file", "./db does not exist", "server.js", 1,
     ""},
    {"node_syntax", "node", "npm", "start", "compile_error", "Function statements require",
     "server.js", 2, ""},
    {"node_throw", "node", "npm", "start", "missing_env", "DATABASE_URL", "server.js", 2,
     "slipway deploy -e DATABASE_URL=VALUE"},
    {"node_addr", "node", "npm", "start", "wrong_port", "45671", "server.js", 1, ""},
    {"node_heap", "node", "npm", "build", "out_of_memory", "out of memory", "", 0,
     "slipway deploy -b NODE_OPTIONS=--max-old-space-size=3072"},
    {"npm_ci_mismatch", "node", "npm", "install", "lockfile_mismatch", "ms@2.1.3", "", 0,
     "npm install --package-lock-only"},
    {"npm_ci_nolock", "node", "npm", "install", "lockfile_mismatch", "there is none", "", 0,
     "npm install --package-lock-only"},
    {"npm_404", "node", "npm", "install", "missing_dependency",
     "slipway-no-such-package-zz9 does not exist", "", 0, "npm view slipway-no-such-package-zz9"},
    {"npm_etarget", "node", "npm", "install", "missing_dependency", "ms@99.0.0", "", 0, ""},
    {"npm_eresolve", "node", "npm", "install", "dependency_conflict", "exclude each other", "", 0,
     "npm config set legacy-peer-deps true --location project"},
    {"npm_script", "node", "npm", "build", "missing_script", "\"build\"", "", 0, ""},
    {"npm_json", "node", "npm", "install", "invalid_config", "package.json", "", 0, ""},
    {"npm_notfound", "node", "npm", "build", "missing_dependency", "the command vite", "", 0,
     "npm install vite"},
    {"npm_net", "node", "npm", "install", "network", "could not be resolved", "", 0,
     "slipway doctor"},
    {"py_keyerror", "python", "pip", "build", "missing_env", "DATABASE_URL", "app.py", 2,
     "slipway deploy -b DATABASE_URL=VALUE"},
    {"pnpm_integrity", "node", "pnpm", "install", "integrity", "create-jest-29.7.0", "", 0, ""},
    {"pnpm_tarball_404", "node", "pnpm", "install", "missing_download", "svelte-5.36.9", "", 0,
     "rm pnpm-lock.yaml && pnpm install --lockfile-only"},
    {"sh_interpreter", "python", "pip", "start", "missing_file", "./start.sh cannot be run", "", 0,
     ""},
    {"next_fonts", "node", "npm", "build", "network", "Google's fonts", "", 0, "slipway doctor"},
    {"angular_fonts", "node", "npm", "build", "network", "Google's fonts", "", 0, "slipway doctor"},
    {"composer_vcs", "php", "composer", "install", "network", "the name github.com", "", 0,
     "slipway doctor"},
    {"composer_extension", "php", "composer", "install", "missing_toolchain", "the extension gmp",
     "", 0, ""},
    {"bun_no_version", "node", "bun", "install", "missing_download", "no version 9.9.9 of left-pad",
     "", 0, "npm view left-pad versions"},
    {"gunicorn_pkg_resources", "python", "pip", "start", "missing_dependency", "pkg_resources", "",
     0, "echo 'setuptools' >> requirements.txt"},
    {"vite_missing", "node", "npm", "build", "missing_dependency", "left-pad-zz", "src/main.ts", 0,
     "npm install left-pad-zz"},
    {"vite_relative", "node", "npm", "build", "missing_file", "./Nope", "src/main.ts", 0, ""},
    {"vite_syntax", "node", "npm", "build", "compile_error", "Unexpected", "src/main.ts", 1, ""},
    {"tsc", "node", "npm", "build", "missing_dependency", "zzz", "src/main.ts", 3,
     "npm install zzz"},
    {"tsc_pretty", "node", "npm", "build", "missing_dependency", "zzz", "src/main.ts", 3,
     "npm install zzz"},
    {"py_module", "python", "pip", "start", "missing_dependency", "flask_nope", "app.py", 1,
     "echo 'flask_nope' >> requirements.txt"},
    {"py_syntax", "python", "pip", "start", "compile_error", "invalid syntax", "app.py", 1, ""},
    {"py_keyerror", "python", "pip", "start", "missing_env", "DATABASE_URL", "app.py", 2,
     "slipway deploy -e DATABASE_URL=VALUE"},
    {"py_crash", "python", "pip", "start", "crash", "ZeroDivisionError: division by zero", "app.py",
     2, ""},
    {"py_addr", "python", "pip", "start", "wrong_port", "in use", "app.py", 3, ""},
    {"django_env", "python", "pip", "start", "missing_env", "DJANGO_SECRET_KEY", "p/settings.py",
     29, "slipway deploy -e DJANGO_SECRET_KEY=VALUE"},
    {"pip_404", "python", "pip", "install", "missing_dependency", "slipway-no-such-package-zz9", "",
     0, ""},
    {"pip_version", "python", "pip", "install", "missing_dependency", "flask==99.1", "", 0, ""},
    {"uv_404", "python", "uv", "install", "missing_dependency", "slipway-no-such-package-zz9", "",
     0, ""},
    {"uv_version", "python", "uv", "install", "missing_dependency", "flask==99", "", 0, ""},
    {"uv_frozen", "python", "uv", "install", "lockfile_mismatch", "uv.lock", "", 0, "uv lock"},
    {"uv_locked", "python", "uv", "install", "lockfile_mismatch", "uv.lock", "", 0, "uv lock"},
    {"go_error", "go", "", "build", "compile_error", "declared and not used", "main.go", 4, ""},
    {"go_missing", "go", "", "build", "missing_dependency", "github.com/gin-gonic/gin", "main.go",
     3, "go get github.com/gin-gonic/gin"},
    {"go_sum", "go", "", "build", "lockfile_mismatch", "github.com/pkg/errors", "main.go", 3,
     "go mod tidy"},
    {"go_panic", "go", "", "start", "crash", "nil map", "main.go", 5, ""},
    {"rust_error", "rust", "cargo", "build", "compile_error", "mismatched types", "src/main.rs", 2,
     ""},
    {"rust_missing", "rust", "cargo", "build", "missing_dependency", "serde", "src/main.rs", 1,
     "cargo add serde"},
    {"rust_panic", "rust", "cargo", "start", "crash", "Option::unwrap", "src/main.rs", 3, ""},
    {"java_error", "java", "maven", "build", "compile_error", "incompatible types", "A.java", 2,
     ""},
};
INSTANTIATE_TEST_SUITE_P(Tools, RecordedFailure, ::testing::ValuesIn(recorded_failures),
                         [](const auto& info) {
                           return fmt::format("{}_{}", info.param.log, info.param.phase);
                         });

Error explain(std::string_view log, const Service& service = service_of("node", "npm"),
              SandboxExit exit = {.code = 1}) {
  FailureFacts facts;
  facts.phase = "build";
  facts.command = "npm run build";
  facts.exit = exit;
  facts.log = log;
  return explain_failure(facts, service);
}

TEST(Failure, LimitsComeBeforeTheLog) {
  FailureFacts facts;
  facts.phase = "build";
  facts.log = "Error: Cannot find module 'x'\n";
  facts.timed_out = true;
  EXPECT_EQ(explain_failure(facts, {}).cause, "timeout");
  facts.timed_out = false;
  facts.disk_limit = true;
  EXPECT_EQ(explain_failure(facts, {}).cause, "disk_full");
  facts.disk_limit = false;
  facts.exit = {.code = 137, .signal = 9, .out_of_memory = true};
  EXPECT_EQ(explain_failure(facts, {}).cause, "out_of_memory");
}

TEST(Failure, AnImportThroughAnAliasIsAFileThatIsMissing) {
  for (const char* log :
       {"[vite]: Rollup failed to resolve import \"@/components/ui/x\" from \"/app/src/a.tsx\".\n",
        "src/a.tsx(3,20): error TS2307: Cannot find module '@/components/ui/x' or its types.\n",
        "Module not found: Can't resolve '@/components/ui/x'\n",
        "Error: Cannot find module '@/components/ui/x'\n"}) {
    const Error error = explain(log);
    EXPECT_EQ(error.cause, "missing_file") << log;
    EXPECT_EQ(error.message, "@/components/ui/x is imported and there is no such file") << log;
    EXPECT_TRUE(error.next.empty()) << log;
  }
  EXPECT_EQ(explain("Module not found: Can't resolve '@scope/name/x'\n").cause,
            "missing_dependency");
}

TEST(Failure, AToolThatIsNotThereIsNoDependency) {
  EXPECT_EQ(explain("sh: 1: lein: not found\n").cause, "missing_toolchain");
  EXPECT_EQ(explain("/app/build.sh: line 3: gradle: command not found\n").cause,
            "missing_toolchain");
  EXPECT_EQ(explain("sh: 1: vite: not found\n").cause, "missing_dependency");
}

TEST(Failure, ALockfilesHostIsNoPartOfAName) {
  const Error error = explain(
      "npm error code E404\nnpm error 404 Not Found - GET https://npm.cache.example/a/-/a-1.tgz\n"
      "npm error 404  'a@https://npm.cache.example/a/-/a-1.tgz' is not in this registry.\n");
  EXPECT_EQ(error.message,
            "npm.cache.example does not have the package a that the lockfile says it has");
}

TEST(Failure, CarriesPhaseCommandAndExitCode) {
  const Error error = explain("boom\n");
  EXPECT_EQ(error.code, Errc::build_failed);
  EXPECT_EQ(error.phase, "build");
  EXPECT_EQ(error.command, "npm run build");
  EXPECT_EQ(error.exit_code, 1);
  EXPECT_EQ(error.cause, "unknown");
  EXPECT_EQ(error.excerpt, std::vector<std::string>{"boom"});
}

TEST(Failure, AnEmptyLogIsExplainedByTheExit) {
  EXPECT_EQ(explain("", {}, {.code = 127}).cause, "missing_script");
  EXPECT_EQ(explain("", {}, {.code = 126}).cause, "permission");
  EXPECT_EQ(explain("", {}, {.code = 139, .signal = 11}).cause, "crash");
  EXPECT_FALSE(explain("", {}, {.code = 3}).message.empty());
}

TEST(Failure, PlacesInDependenciesAreNotTheUsers) {
  const Error error = explain(
      "TypeError: x is not a function\n    at f (/app/node_modules/lib/index.js:3:4)\n"
      "    at g (/app/src/server.js:7:1)\n    at h (node:internal/main:1:1)\n");
  EXPECT_EQ(error.cause, "crash");
  EXPECT_EQ(error.file, "src/server.js");
  EXPECT_EQ(error.line, 7);
  EXPECT_EQ(explain("node_modules/lib/a.ts(1,2): error TS1: x\n").file, "");
}

TEST(Failure, PathsAreRelativeToTheProject) {
  Service service = service_of("node", "npm");
  service.root = "apps/web";
  EXPECT_EQ(explain("src/main.ts(4,1): error TS2322: no\n", service).file, "apps/web/src/main.ts");
  EXPECT_EQ(explain("/app/apps/web/src/main.ts(4,1): error TS2322: no\n", service).file,
            "apps/web/src/main.ts");
  EXPECT_EQ(explain("../../etc/passwd.ts(4,1): error TS2322: no\n", service).file, "");
}

TEST(Failure, WhatIsQuotedIsHarmless) {
  const Error error = explain(
      "Error: Cannot find module 'x\x1b]0;owned\x07'\n\x1b[31mred\x1b[0m \xe2\x80\xae\xff\n");
  std::vector<std::string> texts = error.excerpt;
  texts.push_back(error.message);
  texts.push_back(error.hint);
  for (const std::string& text : texts)
    EXPECT_TRUE(std::ranges::none_of(text, [](char c) {
      return static_cast<unsigned char>(c) < 0x20;
    })) << text;
}

TEST(Failure, ACommandIsNeverMadeOfOddWords) {
  EXPECT_TRUE(explain("Error: Cannot find module 'x; rm -rf ~'\n").next.empty());
  EXPECT_TRUE(explain("Error: Cannot find module '--global'\n").next.empty());
  EXPECT_EQ(explain("Error: Cannot find module '@acme/ui/button'\n").next.front().command,
            "npm install @acme/ui");
}

TEST(Failure, PythonPackagesHaveOtherNamesThanTheirModules) {
  EXPECT_EQ(explain("ModuleNotFoundError: No module named 'yaml'\n", service_of("python", "uv"))
                .next.front()
                .command,
            "uv add pyyaml");
  EXPECT_EQ(
      explain("ModuleNotFoundError: No module named 'PIL.Image'\n", service_of("python", "pip"))
          .next.front()
          .command,
      "echo 'pillow' >> requirements.txt");
}

TEST(Failure, AnAppThatRanIsExplainedByItsLastWords) {
  FailureFacts facts;
  facts.phase = "run";
  facts.exit.code = 1;
  std::string log = "retrying: connect ETIMEDOUT 1.2.3.4:443\n";
  for (int i = 0; i < 2000; ++i) log += "GET / 200 in 3 ms\n";
  log += "/app/server.js:9\n\nTypeError: x is undefined\n    at f (/app/server.js:9:3)\n";
  facts.log = log;
  const Error error = explain_failure(facts, service_of("node", "npm"));
  EXPECT_EQ(error.code, Errc::start_failed);
  EXPECT_EQ(error.cause, "crash");
  EXPECT_EQ(error.line, 9);
  facts.log = "";
  EXPECT_EQ(explain_failure(facts, {}).message, "the app ended with exit code 1");
}

TEST(Failure, AServiceThatIsNotThereIsCalledByItsName) {
  for (const auto& [log, name] : std::vector<std::pair<std::string, std::string>>{
           {"Error: connect ECONNREFUSED 127.0.0.1:5432\n", "PostgreSQL"},
           {"connection to server at \"localhost\" (127.0.0.1), port 5432 failed: Connection "
            "refused\n",
            "PostgreSQL"},
           {"Can't reach database server at `localhost:5432`\n", "PostgreSQL"},
           {"Error: connect ECONNREFUSED ::1:3306\n", "MySQL"},
           {"MongoServerSelectionError: connect ECONNREFUSED 127.0.0.1:27017\n", "MongoDB"},
           {"Error: No database connection string was provided to `neon()`.\n", "PostgreSQL"},
           {"The `uri` parameter to `openUri()` must be a string, got \"undefined\".\n", "MongoDB"},
           {"Error 111 connecting to localhost:6379. Connection refused.\n", "Redis"}}) {
    const Error error = explain(log);
    EXPECT_EQ(error.cause, "missing_service") << log;
    EXPECT_TRUE(error.message.contains(name)) << error.message;
  }
}

TEST(Failure, ADownloadThatBunDoesNotFindIsNamed) {
  const Error error =
      explain("error: GET https://registry.npmjs.org/@fonts/caladea/-/caladea-0.4.1.tgz - 404\n");
  EXPECT_EQ(error.cause, "missing_download");
  EXPECT_TRUE(error.message.contains("caladea-0.4.1")) << error.message;
}

TEST(Failure, SettingsOfPydanticNameWhatIsMissing) {
  const Error error = explain(
      "pydantic_core._pydantic_core.ValidationError: 2 validation errors for Settings\n"
      "PROJECT_NAME\n  Field required [type=missing, input_value={}, input_type=dict]\n");
  EXPECT_EQ(error.cause, "missing_env");
  EXPECT_TRUE(error.message.contains("PROJECT_NAME")) << error.message;
}

TEST(Failure, AnErrorOfTypesMayBeOfNoFile) {
  const Error error = explain("error TS6305: Output file 'a.d.ts' has not been built\n");
  EXPECT_EQ(error.cause, "type_error");
  EXPECT_TRUE(error.message.starts_with("TS6305: "));
}

TEST(Failure, AHugeLogIsReadFromItsEnd) {
  std::string log(3u << 20, 'x');
  log += "\nError: Cannot find module 'express'\n";
  EXPECT_EQ(explain(log).cause, "missing_dependency");
}

}  // namespace
}  // namespace slipway
