#include "store/env_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway {
namespace {

using ::testing::ElementsAre;

TEST(EnvValues, OnlyWhatIsPublicByItsNameIsKept) {
  const PublicValues out = public_values(
      "# DB_URL=x\nDATABASE_URL=postgres://u:p@h/d\nexport VITE_URL=\"https://a\" # note\n"
      "\nNEXT_PUBLIC_KEY = abc\r\nVITE_=nothing\nSECRET=VITE_URL=https://b\n");
  EXPECT_EQ(out.text, "export VITE_URL=\"https://a\" # note\nNEXT_PUBLIC_KEY = abc\r\n");
  EXPECT_THAT(out.kept, ElementsAre("VITE_URL", "NEXT_PUBLIC_KEY"));
  EXPECT_THAT(out.left, ElementsAre("DATABASE_URL", "VITE_", "SECRET"));
}

// A line of a secret's value must not pass for a public variable of its own.
TEST(EnvValues, AValueMaySpanLines) {
  const PublicValues out =
      public_values("KEY=\"-----BEGIN\nVITE_X=secret\n-----END\"\nVITE_PEM='a\nb'\nLAST=1");
  EXPECT_EQ(out.text, "VITE_PEM='a\nb'\n");
  EXPECT_THAT(out.left, ElementsAre("KEY", "LAST"));
}

TEST(EnvValues, AQuoteThatIsNotClosedEndsWithItsLine) {
  const PublicValues out = public_values("A=\"open\nVITE_B=it's\nC=3\n");
  EXPECT_EQ(out.text, "VITE_B=it's\n");
  EXPECT_THAT(out.left, ElementsAre("A", "C"));
}

TEST(EnvValues, CodeAndExamplesAreNoFilesOfValues) {
  for (const char* name : {".env", ".env.local", ".env.production", ".env.production.local"})
    EXPECT_EQ(env_file_of(name), EnvFile::values) << name;
  for (const char* name : {".env.js", ".env.json", ".env.ts", ".env.example", ".env.dist", "env",
                           ".environment", ".env.production.example"})
    EXPECT_EQ(env_file_of(name), EnvFile::none) << name;
  EXPECT_EQ(env_file_of(".envrc"), EnvFile::settings);
}

}  // namespace
}  // namespace slipway
