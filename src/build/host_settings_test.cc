#include "build/host_settings.h"

#include <gtest/gtest.h>

#include <fstream>

#include "sys/files.h"

namespace slipway {
namespace {

TEST(HostSettings, NpmrcGivesRegistriesAndNoTokens) {
  const EnvVars env = npm_settings(
      "registry=https://npm.corp.example/\n@acme:registry = https://acme.example/npm/\n"
      "//npm.corp.example/:_authToken=s3cret\n_auth=czNj\n_password=x\nstrict-ssl=false\n"
      "https-proxy=http://proxy:3128\n; comment\ncafile=${HOME}/ca.pem\nfund=false\n");
  EXPECT_EQ(env, (EnvVars{{"npm_config_registry", "https://npm.corp.example/"},
                          {"npm_config_@acme:registry", "https://acme.example/npm/"},
                          {"npm_config_strict_ssl", "false"},
                          {"npm_config_https_proxy", "http://proxy:3128"}}));
}

TEST(HostSettings, PipConfCountsInItsSections) {
  const EnvVars env = pip_settings(
      "[global]\nindex-url = "
      "https://pypi.corp.example/simple\n[list]\nindex-url=https://no.example\n");
  EXPECT_EQ(env, (EnvVars{{"PIP_INDEX_URL", "https://pypi.corp.example/simple"}}));
}

TEST(HostSettings, CargoConfigKeepsSourcesWithoutTokens) {
  EXPECT_EQ(cargo_settings("[build]\njobs = 3\n[source.crates-io]\nreplace-with = \"mirror\"\n"
                           "[source.mirror]\nregistry = \"sparse+https://m.example/\"\n"
                           "[registries.corp]\nindex = \"https://c.example\"\ntoken = \"s3cret\"\n"
                           "[alias]\nb = \"build\"\n"),
            "[source.crates-io]\nreplace-with = \"mirror\"\n[source.mirror]\n"
            "registry = \"sparse+https://m.example/\"\n[registries.corp]\n"
            "index = \"https://c.example\"\n");
}

TEST(HostSettings, MavenSettingsLoseTheirServers) {
  EXPECT_EQ(
      maven_settings("<settings><servers><server><password>s3cret</password></server></servers>"
                     "<mirrors/></settings>"),
      "<settings><mirrors/></settings>");
  EXPECT_EQ(maven_settings("<settings><servers><password>s3cret"), "");
}

TEST(HostSettings, EveryToolTrustsTheHostsBundleAndTokensStay) {
  auto dir = TempDir::create("/tmp", "slipway-settings-");
  ASSERT_TRUE(dir);
  std::ofstream(dir->path() / "ca.pem") << "pem";
  std::ofstream(dir->path() / ".npmrc") << "cafile=" << (dir->path() / "ca.pem").string() << "\n";
  const HostSettings settings =
      read_host_settings({{"HOME", dir->path().string()},
                          {"HTTPS_PROXY", "http://user:pw@proxy.example:3128"},
                          {"NPM_TOKEN", "s3cret"},
                          {"CARGO_REGISTRIES_CORP_TOKEN", "s3cret"},
                          {"AWS_SECRET_ACCESS_KEY", "s3cret"}},
                         dir->path());
  ASSERT_EQ(settings.binds.size(), 1u);
  EXPECT_EQ(settings.binds[0].access, BindMount::Access::read_only);
  for (const char* name : {"SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "PIP_CERT", "CARGO_HTTP_CAINFO",
                           "npm_config_cafile", "GIT_SSL_CAINFO"})
    EXPECT_EQ(settings.env.at(name), settings.binds[0].target) << name;
  for (const auto& [name, value] : settings.env)
    EXPECT_EQ(value.find("s3cret"), std::string::npos) << name;
  EXPECT_NE(settings.java_flags.find("-Dhttps.proxyHost=proxy.example -Dhttps.proxyPort=3128"),
            std::string::npos);
}

TEST(HostSettings, NoAccountOfARegistryReachesABuild) {
  EXPECT_EQ(without_accounts("https://me:pw@pypi.example/simple"), "https://pypi.example/simple");
  EXPECT_EQ(without_accounts("http://u:p@ss@10.0.0.7:3128"), "http://10.0.0.7:3128");
  EXPECT_EQ(without_accounts("http://u:a/b@proxy:3128/x"), "http://proxy:3128/x");
  EXPECT_EQ(without_accounts("https://a:1@x.example,https://y.example/@scope/z direct"),
            "https://x.example,https://y.example/@scope/z direct");
  EXPECT_EQ(without_accounts("registry = \"sparse+https://t0ken@c.example/\"\nnet = true\n"),
            "registry = \"sparse+https://c.example/\"\nnet = true\n");
  for (const char* untouched : {"https://x.example:8443/@acme/thing@1.0", "direct", "", "a@b"})
    EXPECT_EQ(without_accounts(untouched), untouched);
  auto dir = TempDir::create("/tmp", "slipway-settings-");
  ASSERT_TRUE(dir);
  std::ofstream(dir->path() / ".npmrc") << "registry=https://bot:s3cret@npm.example/\n";
  const HostSettings settings =
      read_host_settings({{"HOME", dir->path().string()},
                          {"PIP_INDEX_URL", "https://bot:s3cret@pypi.example/simple"},
                          {"https_proxy", "bot:s3cret@proxy.example:3128"},
                          {"GOPROXY", "https://bot:s3cret@go.example|direct"}},
                         dir->path());
  for (const auto& [name, value] : settings.env)
    EXPECT_EQ(value.find("s3cret"), std::string::npos) << name << "=" << value;
  EXPECT_EQ(settings.env.at("UV_DEFAULT_INDEX"), "https://pypi.example/simple");
  EXPECT_EQ(settings.env.at("https_proxy"), "proxy.example:3128");
  EXPECT_EQ(settings.env.at("npm_config_registry"), "https://npm.example/");
  EXPECT_EQ(settings.cut.size(), 4u);
}

TEST(HostSettings, NamesTheHostsThatBuildsAreSentTo) {
  HostSettings settings;
  settings.env = {{"GOPROXY", "https://go.corp.example:8443/x,https://b.example,direct"},
                  {"HTTPS_PROXY", "http://user:p@ss@10.0.0.7:3128"},
                  {"GOFLAGS", "-mod=mod"}};
  settings.cargo_config = "registry = \"sparse+https://crates.corp.example/\"\n";
  settings.maven_settings = "<mirror><url>https://mvn.corp.example/m2</url></mirror>";
  EXPECT_EQ(registry_hosts(settings),
            (std::vector<std::string>{"go.corp.example:8443", "b.example:443", "10.0.0.7:3128",
                                      "crates.corp.example:443", "mvn.corp.example:443"}));
}

TEST(HostSettings, NothingSetGivesNothing) {
  const HostSettings settings = read_host_settings({}, "/nonexistent");
  EXPECT_TRUE(settings.env.empty());
  EXPECT_TRUE(settings.binds.empty());
}

}  // namespace
}  // namespace slipway
