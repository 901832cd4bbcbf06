#include "repair/repair.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "repair/lockfile_hosts.h"

namespace slipway::repair {
namespace {

Service service_of(std::string manager, std::string install) {
  Service service;
  service.provider = "node";
  service.package_manager = std::move(manager);
  service.install = std::move(install);
  service.build = service.package_manager + " run build";
  return service;
}
Error error_of(std::string phase, std::string cause, std::string message = "it failed") {
  Error error{.code = Errc::build_failed, .message = std::move(message)};
  error.phase = std::move(phase);
  error.cause = std::move(cause);
  return error;
}
std::optional<Planned> plan(const Service& service, const Error& error, std::string_view log,
                            const std::map<std::string, int>& used = {}) {
  return next_repair({.service = service, .error = error, .log = log}, used);
}

TEST(Repairs, AreNamedOnceAndSayWhatTheyDo) {
  std::set<std::string_view> names;
  std::stringstream text;
  text << std::ifstream(std::string(SLIPWAY_SOURCE_DIR) + "/docs/repairs.md").rdbuf();
  const std::string manual = text.str();
  ASSERT_FALSE(manual.empty());
  for (const Repair& repair : repairs()) {
    EXPECT_TRUE(names.insert(repair.name).second) << repair.name;
    EXPECT_FALSE(repair.summary.empty()) << repair.name;
    EXPECT_GE(repair.most, 1) << repair.name;
    EXPECT_NE(manual.find(fmt::format("| `{}` |", repair.name)), std::string::npos) << repair.name;
  }
}

TEST(Repairs, AStaleLockfileIsNotHeldTo) {
  struct Row {
    std::string manager, install, repaired;
  };
  for (const Row& row :
       {Row{"npm", "npm ci", "npm install"},
        {"npm", "cd .. && npm ci", "cd .. && npm install"},
        {"pnpm", "pnpm install --frozen-lockfile", "pnpm install --no-frozen-lockfile"},
        {"yarn", "yarn install --immutable", "yarn install --no-immutable"},
        {"bun", "bun install --frozen-lockfile", "bun install "}}) {
    const Service service = service_of(row.manager, row.install);
    const auto planned = plan(service, error_of("install", "lockfile_mismatch"), "");
    ASSERT_TRUE(planned) << row.install;
    EXPECT_EQ(planned->repair->name, "unfrozen_install");
    EXPECT_EQ(planned->change.install, row.repaired);
    EXPECT_FALSE(planned->change.fix.empty());
    EXPECT_EQ(planned->repair->keep, Keep::from_now_on);
  }
}

TEST(Repairs, EachIsBoundedAndSoAreAllTogether) {
  const Service service = service_of("npm", "npm ci");
  const Error error = error_of("install", "lockfile_mismatch");
  EXPECT_FALSE(plan(service, error, "", {{"unfrozen_install", 1}}));
  EXPECT_FALSE(plan(service, error, "", {{"flaky_registry", most_repairs}}));
  const Error network = error_of("install", "network");
  const auto first = plan(service, network, "npm error ECONNRESET");
  const auto second = plan(service, network, "npm error ECONNRESET", {{"flaky_registry", 1}});
  ASSERT_TRUE(first && second);
  EXPECT_LT(first->change.pause_seconds, second->change.pause_seconds);  // it backs off
  EXPECT_EQ(first->repair->keep, Keep::this_time);
}

TEST(Repairs, CodeThatIsWrongIsNobodysToRepair) {
  const Service service = service_of("npm", "npm ci");
  for (const char* cause : {"type_error", "compile_error", "missing_env", "missing_file", "unknown",
                            "missing_script", "timeout", "output_limit", "disk_full"})
    EXPECT_FALSE(plan(service, error_of("build", cause), "error TS2322: Type 'string'")) << cause;
}

TEST(Repairs, PrismasClientIsMadeWhereNobodyDid) {
  const Service service = service_of("npm", "npm ci");
  const std::string_view log =
      "Error: @prisma/client did not initialize yet. Please run \"prisma generate\"";
  const auto planned = plan(service, error_of("start", "crash"), log);
  ASSERT_TRUE(planned);
  EXPECT_EQ(planned->repair->name, "prisma_client");
  EXPECT_EQ(planned->change.install, "npm ci && npx --no-install prisma generate");
  EXPECT_FALSE(plan(service_of("npm", *planned->change.install), error_of("start", "crash"), log));
}

TEST(Repairs, WhatPython310TookAwayIsHadWithAnOlderOne) {
  Service service;
  service.provider = "python";
  service.runtime = {.name = "python", .source = "default"};
  const std::string_view log = "ImportError: cannot import name 'Iterator' from 'collections' (/x)";
  const auto planned = plan(service, error_of("release", "crash"), log);
  ASSERT_TRUE(planned);
  EXPECT_EQ(planned->repair->name, "older_python");
  EXPECT_EQ(planned->change.runtime_version, "<3.10");
  EXPECT_FALSE(plan(service, error_of("release", "crash"),
                    "ImportError: cannot import name 'Thing' from 'shop.collections'"));
  service.runtime = {.name = "python", .version = "3.12", .source = ".python-version"};
  EXPECT_FALSE(plan(service, error_of("release", "crash"), log));
}

TEST(Repairs, ABundlerThatTakesTypesAwayRunsWithoutTheirCheck) {
  const Error error = error_of("build", "type_error");
  const std::string_view wrong = "src/App.tsx(3,5): error TS7031: Binding element has any\n";
  const auto build = [&](std::string manager, std::string log) {
    const auto planned = plan(service_of(std::move(manager), "npm ci"), error, log);
    return planned && planned->repair->name == "type_check" ? *planned->change.build : "";
  };
  struct Row {
    std::string manager, header, left;
  };
  for (const Row& row :
       {Row{"npm", "> shop@0.0.0 build\n> tsc -b && vite build\n", "vite build"},
        {"npm", "> shop@1 build\n> prisma generate && tsc && vite build && node copy.js\n",
         "prisma generate && vite build && node copy.js"},
        {"yarn", "yarn run v1.22.22\n$ tsc && vite build\n", "vite build"},
        {"bun", "$ vue-tsc --noEmit && vite build\n", "vite build"}})
    EXPECT_TRUE(build(row.manager, row.header + std::string(wrong)).ends_with("&& " + row.left))
        << row.header;
  for (const char* header :
       {"> tsc -p server && node dist/copy.js\n", "> vite build && tsc -p server\n",
        "> tsc $(id) && vite build\n", "> shop prebuild\n> x\n> shop build\n> tsc && vite build\n"})
    EXPECT_EQ(build("npm", header + std::string(wrong)), "") << header;
  EXPECT_EQ(build("npm", "> tsc && vite build\nsrc/a.ts(1,1): error TS2307: Cannot find module\n"),
            "");
}

TEST(Repairs, AnImportedPackageIsAddedButNoneThatOnlyLooksLikeAKnownOne) {
  const Service service = service_of("npm", "npm ci");
  const auto add = [&](std::string_view package) {
    return plan(service,
                error_of("build", "missing_dependency",
                         "the package " + std::string(package) + " is imported but not installed"),
                "");
  };
  const auto planned = add("canvas-confetti");
  ASSERT_TRUE(planned);
  EXPECT_NE(planned->change.install->find("npm install --no-save"), std::string::npos);
  EXPECT_NE(planned->change.install->find(" canvas-confetti"), std::string::npos);
  EXPECT_TRUE(planned->change.install->starts_with("npm ci && "));
  EXPECT_EQ(planned->change.fix, "npm install canvas-confetti");
  EXPECT_TRUE(add("@radix-ui/react-dialog"));
  for (const char* name : {"raect", "expres", "lodashh", "axois", "@/components", "$(id)", "a;b",
                           "-g", "fs", "utils", "models.user"})
    EXPECT_FALSE(add(name)) << name;
  // A package that the registry does not have is not imported code but a wrong manifest.
  EXPECT_FALSE(plan(service,
                    error_of("install", "missing_dependency",
                             "the package left-padd does not exist in the registry"),
                    ""));
}

// A registry that leaves `created` out tells the age by its oldest version.
TEST(Repairs, APackageIsAddedByTheAgeOfItsOldestVersion) {
  const auto planned = plan(service_of("npm", "true"),
                            error_of("start", "missing_dependency",
                                     "the package canvas-confetti is used but not installed"),
                            "");
  ASSERT_TRUE(planned);
  const auto ends_with = [&](std::string_view times) {
    return std::system(fmt::format("npm() {{ [ \"$1\" = install ] || printf '%s' '{}'; }}\n"
                                   "{{ {}; }} >/dev/null 2>&1",
                                   times, *planned->change.install)
                           .c_str());
  };
  EXPECT_EQ(ends_with(R"({"2.0.0": "2999-01-01T00:00:00+00:00", "1.0.0": "2019-05-05T01:02:03"})"),
            0);
  EXPECT_EQ(ends_with(R"({"created":"2019-05-05T01:02:03Z","1.0.0":"2019-05-05T01:02:03Z"})"), 0);
  EXPECT_NE(ends_with(R"({"1.0.0": "2999-01-01T00:00:00+00:00"})"), 0);
  EXPECT_NE(ends_with(""), 0);
}

TEST(Repairs, ALockfileOfAVersionThatWasTakenBackIsMadeAnewAndATamperedOneIsNot) {
  const Service service = service_of("pnpm", "pnpm install --frozen-lockfile");
  const auto planned = plan(service, error_of("install", "missing_download"),
                            " ERR_PNPM_FETCH_404  GET https://registry/a/-/a-1.0.0.tgz: Not Found");
  ASSERT_TRUE(planned);
  EXPECT_EQ(planned->repair->name, "without_lockfile");
  EXPECT_EQ(planned->change.install, "rm -f pnpm-lock.yaml && pnpm install --no-frozen-lockfile");
  EXPECT_FALSE(plan(service, error_of("install", "integrity"),
                    " ERR_PNPM_TARBALL_INTEGRITY  Got unexpected checksum"));
}

TEST(Repairs, ASecondUndeclaredPackageDoesNotTakeTheFirstAway) {
  const auto failing = [](std::string_view package) {
    return error_of("build", "missing_dependency",
                    "the package " + std::string(package) + " is imported but not installed");
  };
  const auto first = plan(service_of("npm", "npm ci"), failing("framer-motion"), "");
  ASSERT_TRUE(first);
  const auto second = plan(service_of("npm", *first->change.install), failing("date-fns"), "",
                           {{"undeclared_dependency", 1}});
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->change.install->ends_with(" framer-motion date-fns"));
  EXPECT_EQ(second->change.install->find("npm install"),
            second->change.install->rfind("npm install"));
  EXPECT_NE(second->change.install->find("npm view date-fns"), std::string::npos);
}

TEST(Repairs, APackageThatCannotSetItselfUpDoesNotStopTheOthers) {
  const Service service = service_of("npm", "npm ci");
  const auto planned = plan(service, error_of("install", "network"),
                            "npm error code 1\nnpm error path /app/node_modules/supabase\n"
                            "npm error command failed\nnpm error command sh -c node install.js\n");
  ASSERT_TRUE(planned);
  EXPECT_EQ(planned->repair->name, "failed_install_script");
  EXPECT_TRUE(planned->change.install->starts_with("npm ci --ignore-scripts && "));
  EXPECT_NE(planned->change.message.find("supabase"), std::string::npos);
  // The project's own script is its own.
  EXPECT_FALSE(plan(service, error_of("install", "unknown"),
                    "npm error code 1\nnpm error path /app\nnpm error command failed\n"));
  const auto browser =
      plan(service, error_of("install", "unknown"),
           "ERROR: Failed to set up chrome v1! Set \"PUPPETEER_SKIP_DOWNLOAD\" env");
  ASSERT_TRUE(browser);
  EXPECT_EQ(browser->change.install_env.at("PUPPETEER_SKIP_DOWNLOAD"), "1");
}

TEST(Repairs, AnAppThatSaysNothingOfItsNodeGetsTheOneItsPackagesWant) {
  Service service = service_of("npm", "npm install");
  service.runtime = {.name = "node", .version = "", .source = "default"};
  constexpr std::string_view log =
      "Nuxt build error: TypeError: names.difference is not a function";
  const auto planned = plan(service, error_of("build", "unknown"), log);
  ASSERT_TRUE(planned);
  EXPECT_EQ(planned->repair->name, "newer_node");
  EXPECT_EQ(planned->change.runtime_version, ">=22.12");
  EXPECT_FALSE(plan(service, error_of("build", "unknown"), "TypeError: a.b is not a function"));
  EXPECT_EQ(plan(service, error_of("build", "unknown"),
                 "npm warn EBADENGINE   required: { node: '^22.19.0 || ^24.11.0 || >=26.0.0' },\n"
                 "npm warn EBADENGINE   required: { node: '^22.11.0 || ^24.11.0 || >=26.0' },\n")
                ->change.runtime_version,
            ">=22.19 <23");
  EXPECT_EQ(plan(service, error_of("install", "unsupported_runtime"),
                 "error x@8.0.0: The engine \"node\" is incompatible with this module. Expected "
                 "version \">=22\". Got \"20.20.2\"\n")
                ->change.runtime_version,
            ">=22.0 <23");
  EXPECT_FALSE(plan(service, error_of("build", "type_error"),
                    "npm warn EBADENGINE   required: { node: '>=22' },\n"));
  service.runtime = {.name = "node", .version = "20", .source = ".nvmrc"};
  EXPECT_FALSE(plan(service, error_of("build", "unknown"), log));
}

TEST(Repairs, OldHabitsGetWhatTheyWant) {
  const Service node = service_of("npm", "npm ci");
  const auto openssl = plan(node, error_of("build", "crash"),
                            "Error: error:0308010C:digital envelope routines::unsupported");
  ASSERT_TRUE(openssl);
  EXPECT_EQ(openssl->change.build_env.at("NODE_OPTIONS"), "--openssl-legacy-provider");
  EXPECT_TRUE(openssl->change.install_env.empty());
  Service python = service_of("pip", "uv pip install -r requirements.txt");
  python.provider = "python";
  const auto setuptools = plan(python, error_of("start", "missing_dependency"),
                               "ModuleNotFoundError: No module named 'pkg_resources'");
  ASSERT_TRUE(setuptools);
  EXPECT_EQ(setuptools->change.install,
            "uv pip install -r requirements.txt && uv pip install 'setuptools<81'");
  const auto peers = plan(node, error_of("install", "dependency_conflict"),
                          "npm error code ERESOLVE\nnpm error ERESOLVE could not resolve");
  ASSERT_TRUE(peers);
  EXPECT_EQ(peers->change.install_env.at("npm_config_legacy_peer_deps"), "true");
  const auto memory = plan(node, error_of("build", "out_of_memory"),
                           "FATAL ERROR: Reached heap limit JavaScript heap out of memory");
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->change.memory_percent, 150);
}

constexpr std::string_view default_registry = "https://registry.example/";

TEST(LockfileHosts, ANpmLockfileAsksTheRegistryForWhatSomebodysCacheHad) {
  const std::string lock =
      "{\n  \"packages\": {\n    \"node_modules/a\": {\n      \"version\": \"1.0.0\",\n"
      "      \"resolved\": \"https://npm.cache.example/team/cache/a/-/a-1.0.0.tgz\",\n"
      "      \"integrity\": \"sha512-x\"\n    },\n    \"node_modules/@s/b\": {\n"
      "      \"version\": \"2.0.0\",\n"
      "      \"resolved\": \"https://registry.npmjs.org/@s/b/-/b-2.0.0.tgz\",\n"
      "      \"integrity\": \"sha512-y\"\n    }\n  }\n}\n";
  const auto out = rehost_lockfile("package-lock.json", lock, "", default_registry);
  ASSERT_TRUE(out);
  EXPECT_EQ(out->entries, 1u);
  EXPECT_EQ(out->hosts, std::vector<std::string>{"npm.cache.example"});
  EXPECT_EQ(out->text.find("npm.cache.example"), std::string::npos);
  EXPECT_NE(out->text.find("sha512-x"), std::string::npos);
  EXPECT_NE(out->text.find("registry.npmjs.org"), std::string::npos);
  // A host that .npmrc names is the owner's own registry.
  EXPECT_FALSE(rehost_lockfile("package-lock.json", lock,
                               "@team:registry=https://npm.cache.example/team/", default_registry));
}

TEST(LockfileHosts, NothingWithoutAHashAndNoArchiveOfAGitHostIsTouched) {
  EXPECT_FALSE(rehost_lockfile("package-lock.json",
                               "      \"resolved\": \"https://h.example/a/-/a-1.0.0.tgz\",\n"
                               "      \"license\": \"MIT\"\n",
                               "", default_registry));
  EXPECT_FALSE(
      rehost_lockfile("package-lock.json",
                      "      \"resolved\": \"https://git.example/o/r/archive/v1.tar.gz\",\n"
                      "      \"integrity\": \"sha512-x\"\n",
                      "", default_registry));
}

TEST(LockfileHosts, EveryFormatIsKnown) {
  const auto bun =
      rehost_lockfile("bun.lock",
                      "    \"@a/b\": [\"@a/b@1.0.0\", \"https://c.example/x/@a/b/-/b-1.0.0.tgz\", "
                      "{ }, \"sha512-q==\"],\n",
                      "", default_registry);
  ASSERT_TRUE(bun);
  EXPECT_EQ(bun->text, "    \"@a/b\": [\"@a/b@1.0.0\", \"\", { }, \"sha512-q==\"],\n");
  const auto pnpm = rehost_lockfile(
      "pnpm-lock.yaml",
      "    resolution: {integrity: sha512-q==, tarball: https://c.example/a/-/a-1.0.0.tgz}\n", "",
      default_registry);
  ASSERT_TRUE(pnpm);
  EXPECT_EQ(pnpm->text, "    resolution: {integrity: sha512-q==}\n");
  const auto yarn = rehost_lockfile(
      "yarn.lock",
      "  resolved \"https://c.example/x/a/-/a-1.0.0.tgz#ff\"\n  integrity sha512-q==\n", "",
      default_registry);
  ASSERT_TRUE(yarn);
  EXPECT_EQ(yarn->text,
            "  resolved \"https://registry.example/a/-/a-1.0.0.tgz#ff\"\n  integrity sha512-q==\n");
}

}  // namespace
}  // namespace slipway::repair
