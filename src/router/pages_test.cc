#include "router/pages.h"

#include <gmock/gmock.h>

#include "json/json.h"
#include "router/testing.h"

namespace slipway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace slipway::testing;

StatusPage failed() {
  Error error{.code = Errc::build_failed, .message = "The build <failed>"};
  error.hint = "Add \"left-pad\" & retry";
  error.phase = "build";
  error.command = "npm run build";
  error.exit_code = 1;
  error.file = "src/app.js";
  error.line = 7;
  error.excerpt = {"<script>alert(1)</script>", "\x1b[31mred\x1b[0m \x1b]0;title\x07"};
  error.next = {{"npm i left-pad", "to add it"}};
  return {
      .kind = "failed", .project = "shop", .deployment = "dpl_x", .step = "build", .error = error};
}

TEST(Pages, AFailureSaysWhatWhereAndWhatNextAndEscapesIt) {
  const Page page = status_page(failed(), PageForm::html);
  EXPECT_EQ(page.status, 502);
  for (const char* text : {"The build &lt;failed&gt;", "npm run build", "src/app.js:7",
                           "left-pad&quot; &amp;", "npm i left-pad", "dpl_x"})
    EXPECT_THAT(page.body, HasSubstr(text));
  // What the app printed is for who may read its logs.
  EXPECT_THAT(page.body, Not(HasSubstr("alert(1)")));
  EXPECT_THAT(page.body, Not(HasSubstr("<script")));
  EXPECT_THAT(page.body, Not(HasSubstr("\x1b")));
}

TEST(Pages, LoadNothingFromElsewhere) {
  for (const Page& page :
       {status_page(failed(), PageForm::html), unknown_host_page("x", PageForm::html),
        status_page({.kind = "building"}, PageForm::html)}) {
    EXPECT_THAT(page.body, Not(HasSubstr("http://")));
    EXPECT_THAT(page.body, Not(HasSubstr("https://")));
    EXPECT_THAT(page.body, Not(HasSubstr("src=")));
    EXPECT_THAT(page.body, HasSubstr("<html lang=\"en\">"));
  }
}

TEST(Pages, AsJsonTheyAreTheError) {
  const Page page = status_page(failed(), PageForm::json);
  EXPECT_EQ(page.content_type, "application/problem+json");
  const auto parsed = parse_json(page.body);
  ASSERT_TRUE(parsed.has_value());
  const auto& object = parsed->as_object();
  EXPECT_EQ(object.at("code").as_string(), "build_failed");
  EXPECT_EQ(object.at("command").as_string(), "npm run build");
  EXPECT_EQ(object.at("status").as_int64(), 502);
  const auto error = error_from_json(*parsed);
  ASSERT_TRUE(error.has_value());
  Error shown = *failed().error;
  shown.excerpt.clear();
  EXPECT_EQ(*error, shown);
}

TEST(Pages, HaveTheStatusOfTheirKind) {
  const std::map<std::string, int> expected{{"building", 503}, {"failed", 502},  {"canceled", 410},
                                            {"expired", 410},  {"deleted", 410}, {"stopped", 503}};
  for (const auto& [kind, status] : expected)
    for (const PageForm form : {PageForm::html, PageForm::json})
      EXPECT_EQ(status_page({.kind = kind, .project = "shop"}, form).status, status) << kind;
  EXPECT_GT(status_page({.kind = "building"}, PageForm::html).retry_after, 0);
  EXPECT_THAT(status_page({.kind = "building"}, PageForm::html).body,
              HasSubstr("http-equiv=\"refresh\""));
}

TEST(Pages, AreServedInTheFormTheClientAsksFor) {
  RouterWorld world;
  world.routes.publish({{"shop.localhost", RouteTarget(std::make_shared<const StatusPage>(
                                               StatusPage{.kind = "building"}))}});
  const std::string html =
      world.get("/", "shop.localhost", "Accept: text/html,application/json;q=0.9\r\n");
  EXPECT_EQ(status_of(html), 503);
  EXPECT_NE(header_of(html, "Retry-After"), "");
  EXPECT_EQ(header_of(html, "Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(header_of(html, "Cache-Control"), "no-store");
  const std::string json = world.get("/", "shop.localhost", "Accept: application/json\r\n");
  EXPECT_EQ(header_of(json, "Content-Type"), "application/problem+json");
  const std::string unknown = world.get("/", "<b>.localhost");
  EXPECT_EQ(status_of(unknown), 400);
  EXPECT_EQ(status_of(world.get("/", "nobody.localhost")), 404);
}

}  // namespace
}  // namespace slipway
