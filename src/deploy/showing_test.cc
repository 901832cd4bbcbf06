#include "deploy/showing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace slipway {
namespace {

using ::testing::ElementsAre;

using Site = std::map<std::string, SeenPage>;

std::vector<std::string> codes(const Site& site) {
  std::vector<std::string> out;
  for (const Warning& warning :
       judge_showing([&](const std::string& path) -> std::optional<SeenPage> {
         const auto at = site.find(path);
         if (at == site.end()) return SeenPage{.status = 404, .type = "text/html", .body = "no"};
         return at->second;
       }))
    out.push_back(warning.code);
  return out;
}
SeenPage html(std::string body) {
  return {.status = 200, .type = "text/html", .body = std::move(body)};
}

TEST(Showing, APageWithWhatItLoadsIsFine) {
  EXPECT_TRUE(codes({{"/", html("<div id=root></div><script src=\"/a.js\"></script>"
                                "<link rel=stylesheet href=./b.css>")},
                     {"/a.js", {.status = 200, .type = "text/javascript", .body = "1"}},
                     {"/b.css", {.status = 200, .type = "text/css", .body = "x"}}})
                  .empty());
}

TEST(Showing, AnAnswerThatIsNoPageIsFineToo) {
  EXPECT_TRUE(codes({{"/", {.status = 200, .type = "application/json", .body = "{}"}}}).empty());
  EXPECT_TRUE(codes({{"/", {.status = 401, .type = "text/html", .body = "log in"}}}).empty());
}

TEST(Showing, ErrorsAreToldWhateverTheStatus) {
  EXPECT_THAT(codes({{"/", {.status = 500, .type = "text/html", .body = "x"}}}),
              ElementsAre("page_error"));
  EXPECT_THAT(codes({{"/", html("<html id=\"__next_error__\"><body></body></html>")}}),
              ElementsAre("page_error"));
  EXPECT_THAT(codes({{"/", {.status = 400, .type = "text/html", .body = "Bad Request (400)"}}}),
              ElementsAre("page_error"));
  EXPECT_THAT(codes({}), ElementsAre("page_missing"));
}

TEST(Showing, NothingAtAllIsTold) {
  EXPECT_THAT(codes({{"/", {.status = 200, .type = "text/html", .body = ""}}}),
              ElementsAre("page_empty"));
  EXPECT_THAT(codes({{"/", html("<html><head><title>x</title></head><body> </body></html>")}}),
              ElementsAre("page_empty"));
}

TEST(Showing, AScriptThatIsMissingOrIsThePageItselfIsTold) {
  const std::string page = "<div></div><script type=module src=/assets/a.js></script>";
  EXPECT_THAT(codes({{"/", html(page)}}), ElementsAre("asset_missing"));
  EXPECT_THAT(codes({{"/", html(page)}, {"/assets/a.js", html(page)}}),
              ElementsAre("asset_missing"));
}

TEST(Showing, ARedirectOfItsOwnIsFollowedAndOneToItselfIsTold) {
  EXPECT_TRUE(codes({{"/", {.status = 302, .type = "", .body = "", .location = "/login"}},
                     {"/login", html("hello")}})
                  .empty());
  EXPECT_TRUE(
      codes({{"/", {.status = 302, .type = "", .body = "", .location = "https://auth.example/"}}})
          .empty());
  EXPECT_THAT(codes({{"/", {.status = 301, .type = "", .body = "", .location = "/"}}}),
              ElementsAre("page_error"));
}

TEST(Showing, OnlyAssetsOfItsOwnHostAreLookedAt) {
  EXPECT_THAT(own_assets("<base href='/app/'><script src='https://cdn.example/x.js'></script>"
                         "<script src=//cdn.example/y.js></script><script src='z.js?v=1'></script>"
                         "<script>let a = 1</script><link rel=icon href=/favicon.ico>",
                         5),
              ElementsAre("/app/z.js?v=1"));
}

}  // namespace
}  // namespace slipway
