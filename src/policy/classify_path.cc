#include <algorithm>
#include <array>

#include "base/text.h"
#include "policy/facts.h"

namespace slipway {
namespace {

template <std::size_t N>
bool among(const std::array<std::string_view, N>& list, std::string_view word) {
  return std::ranges::find(list, word) != list.end();
}

constexpr std::array<std::string_view, 18> lockfiles = {
    "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock",
    "bun.lock",          "bun.lockb",           "poetry.lock",    "uv.lock",
    "pdm.lock",          "pipfile.lock",        "cargo.lock",     "go.sum",
    "gemfile.lock",      "composer.lock",       "mix.lock",       "deno.lock",
    "gradle.lockfile",   "packages.lock.json"};
constexpr std::array<std::string_view, 19> manifests = {
    "package.json",  "pyproject.toml",   "setup.py", "setup.cfg",          "pipfile",
    "go.mod",        "cargo.toml",       "gemfile",  "composer.json",      "pom.xml",
    "build.gradle",  "build.gradle.kts", "mix.exs",  "deno.json",          "deno.jsonc",
    "conanfile.txt", "vcpkg.json",       ".npmrc",   "pnpm-workspace.yaml"};
constexpr std::array<std::string_view, 8> ci_files = {
    ".gitlab-ci.yml", "jenkinsfile",     "azure-pipelines.yml", "bitbucket-pipelines.yml",
    ".drone.yml",     ".woodpecker.yml", ".travis.yml",         "codeowners"};
constexpr std::array<std::string_view, 6> ci_folders = {".github", ".circleci",   ".buildkite",
                                                        ".gitlab", ".woodpecker", ".forgejo"};
constexpr std::array<std::string_view, 3> migration_folders = {"migrations", "migrate", "alembic"};
constexpr std::array<std::string_view, 6> test_folders = {"test",     "tests", "__tests__",
                                                          "testdata", "spec",  "e2e"};
constexpr std::array<std::string_view, 27> auth_words = {
    "auth",     "authn",    "authz",     "authentication", "authorization", "login", "logout",
    "signin",   "signup",   "oauth",     "oauth2",         "oidc",          "jwt",   "session",
    "sessions", "password", "passwords", "permission",     "permissions",   "acl",   "rbac",
    "sso",      "saml",     "csrf",      "credential",     "credentials",   "token"};
constexpr std::array<std::string_view, 4> docs = {".md", ".mdx", ".rst", ".txt"};
constexpr std::array<std::string_view, 9> configs = {".json", ".yml", ".yaml", ".toml",      ".ini",
                                                     ".conf", ".cfg", ".env",  ".properties"};

// The words of a name: "userAuth_v2.ts" -> user auth v2 ts.
bool has_auth_word(std::string_view path) {
  std::string word;
  bool found = false;
  const auto end_word = [&] {
    found = found || among(auth_words, word);
    word.clear();
  };
  for (std::size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    const bool upper = c >= 'A' && c <= 'Z';
    const bool after_lower = i > 0 && path[i - 1] >= 'a' && path[i - 1] <= 'z';
    if ((upper && after_lower) || std::string_view("/._-[]() @+").contains(c)) end_word();
    if (upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
      word += upper ? static_cast<char>(c + 32) : c;
  }
  end_word();
  return found;
}

}  // namespace

std::string_view classify_path(std::string_view path) {
  const std::string lower = to_lower(path);
  const std::vector<std::string_view> parts = split(lower, '/');
  const std::string_view name = parts.back();
  const std::size_t dot = name.rfind('.');
  const std::string_view suffix = dot == std::string_view::npos ? "" : name.substr(dot);
  const auto in_folder = [&](const auto& folders) {
    return std::any_of(parts.begin(), parts.end() - 1,
                       [&](std::string_view part) { return among(folders, part); });
  };
  if (in_folder(migration_folders) || suffix == ".sql" || name == "schema.prisma")
    return "migration";
  if (in_folder(ci_folders) || among(ci_files, name)) return "ci";
  if (among(lockfiles, name)) return "lockfile";
  if (among(manifests, name) || suffix == ".csproj" ||
      (name.starts_with("requirements") && suffix == ".txt"))
    return "dependency";
  if (name.starts_with("dockerfile") || name.starts_with("containerfile") ||
      name.starts_with("docker-compose") || name.starts_with("compose.y") ||
      suffix == ".dockerfile" || name == ".dockerignore")
    return "container";
  if (in_folder(test_folders) || name.contains(".test.") || name.contains(".spec.") ||
      name.contains("_test.") || name.starts_with("test_"))
    return "test";
  if (has_auth_word(path)) return "auth";
  if (among(docs, suffix) || name == "license") return "docs";
  if (among(configs, suffix) || name.starts_with(".env")) return "config";
  return "source";
}

}  // namespace slipway
