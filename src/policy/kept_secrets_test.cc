#include "policy/kept_secrets.h"

#include <gtest/gtest.h>

#include <string>

namespace slipway {
namespace {

constexpr std::string_view private_pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n";
constexpr std::string_view certificate = "-----BEGIN CERTIFICATE-----\nMIID\n";

struct Case {
  std::string_view path, head, what;
};

TEST(KeptSecrets, AreToldByNameAndWhereThatIsNotEnoughByContent) {
  const Case cases[] = {
      {"key.pem", private_pem, "private key"},
      {"certs/Server.KEY", "-----BEGIN EC PRIVATE KEY-----\n", "private key"},
      {"ca.pem", certificate, ""},
      {"chain.pem", "-----BEGIN CERTIFICATE-----\nx\n-----BEGIN PRIVATE KEY-----\n", "private key"},
      {"public.pem", "-----BEGIN PUBLIC KEY-----\n", ""},
      {"talk.key", std::string_view("PK\x03\x04", 4), "private key"},  // short: rather asked once
      {"config/master.key", "0123456789abcdef", "login"},
      {".ssh/id_ed25519", "", "private key"},
      {".ssh/id_ed25519.pub", "", ""},
      {"store/release.p12", "", "key store"},
      {"android/debug.keystore", "", ""},
      {".npmrc", "//registry.npmjs.org/:_authToken=npm_abc\n", "login"},
      {".npmrc", "//registry.npmjs.org/:_authToken=${NPM_TOKEN}\nlegacy-peer-deps=true\n", ""},
      {".env", "DATABASE_URL=postgres://u:p@h/d\n", "variables"},
      {".env.production", "VITE_API=https://api\n# SECRET=x\n", ""},
      {".env.local", "export TOKEN=abc\n", "variables"},
      {".env.example", "TOKEN=abc\n", ""},
      {"config/.env.js", "module.exports = {api: process.env.API};\n", ""},
      {"www/.htpasswd", "", "login"},
      {".git-credentials", "", "login"},
      {"firebase-adminsdk.json", "{\"private_key\": \"-----BEGIN PRIVATE KEY-----\"}",
       "private key"},
      {"data/credentials.json", "{\"a\": 1}", ""},
      {"keys.js", private_pem, ""},  // contents are for a scanner
      {"index.html", "", ""},
  };
  for (const Case& each : cases)
    EXPECT_EQ(kept_secret(each.path, each.head).what, each.what) << each.path;
}

TEST(KeptSecrets, WithoutTheContentTheCarefulAnswerHolds) {
  EXPECT_EQ(kept_secret("a.pem").what, "private key");
  EXPECT_TRUE(kept_secret("a.pem").looks);
  EXPECT_EQ(kept_secret(".env").what, "variables");
  EXPECT_EQ(kept_secret(".npmrc").what, "");
  EXPECT_TRUE(kept_secret(".npmrc").looks);
  EXPECT_FALSE(kept_secret("id_rsa").looks);
}

}  // namespace
}  // namespace slipway
