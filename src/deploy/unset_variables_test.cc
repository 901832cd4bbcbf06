#include "deploy/unset_variables.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

TEST(UnsetVariables, SayWhereAndWhatBreaksAndNothingOfWhatIsSet) {
  Service service{.name = "web", .provider = "node"};
  service.env = {{.name = "VITE_URL", .required = true, .kind = "public", .evidence = "src/a.ts:3"},
                 {.name = "VITE_KEY", .required = true, .kind = "public", .evidence = "src/a.ts:4"},
                 {.name = "DB", .required = true, .kind = "secret", .evidence = "src/db.ts:1"},
                 {.name = "API", .required = true, .evidence = "src/api.ts:1"},
                 {.name = "MAYBE", .required = false, .evidence = "src/x.ts:1"},
                 {.name = "HAS", .required = true, .default_value = "1", .evidence = "src/x.ts:2"}};
  service.wires = {{.env = "API", .service = "api"}};
  Artifact artifact;
  const std::vector<Unit> units = {
      {.label = "", .service = &service, .artifact = &artifact, .runs = true}};
  std::set<std::string> known;
  add_names_of("# x\nVITE_KEY=abc\n", known);
  const auto found = unset_variables(units, known);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].code, "variable_unset");
  EXPECT_TRUE(found[0].message.starts_with("VITE_URL is not set")) << found[0].message;
  EXPECT_EQ(found[0].file, "src/a.ts");
  EXPECT_EQ(found[0].line, 3);
  EXPECT_EQ(found[0].fix, "slipway deploy -b VITE_URL=VALUE");
  EXPECT_TRUE(found[1].message.starts_with("DB "));
  EXPECT_EQ(found[1].fix, "slipway deploy -e DB=VALUE");
}

TEST(UnsetVariables, OfAPageAreThosePublicAndOfNoOtherHostsFunctions) {
  Service page{.name = "web", .provider = "node"};
  page.is_static = true;
  page.env = {
      {.name = "VITE_URL", .required = true, .kind = "public", .evidence = "src/a.ts:3"},
      {.name = "API_KEY", .required = true, .kind = "secret", .evidence = "scripts/x.ts:4"}};
  Service server{.name = "api", .provider = "node"};
  server.env = {{.name = "MAIL_KEY",
                 .required = true,
                 .kind = "secret",
                 .evidence = "supabase/functions/mail/index.ts:4"}};
  Artifact artifact;
  const auto found =
      unset_variables({{.label = "", .service = &page, .artifact = &artifact, .runs = true},
                       {.label = "api", .service = &server, .artifact = &artifact, .runs = true}},
                      {});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].file, "src/a.ts");
}

TEST(UnsetVariables, AreSummedUpWhenThereAreMany) {
  Service service{.name = "web", .provider = "node"};
  for (int i = 0; i < 40; ++i)
    service.env.push_back({.name = fmt::format("V{}", i), .required = true, .evidence = "a.js:1"});
  Artifact artifact;
  const auto found = unset_variables(
      {{.label = "", .service = &service, .artifact = &artifact, .runs = true}}, {});
  EXPECT_EQ(found.size(), 13u);
  EXPECT_NE(found.back().message.find("27 more"), std::string::npos) << found.back().message;
}

}  // namespace
}  // namespace slipway
