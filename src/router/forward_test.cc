#include "router/forward.h"

#include <gtest/gtest.h>

#include "router/exchange.h"

namespace slipway {
namespace {

TEST(ConfineCookie, RemovesADomainThatReachesBeyondTheApp) {
  const auto confined = [](std::string_view cookie, std::string_view host = "app.example.com") {
    return confine_cookie(cookie, host, "example.com");
  };
  EXPECT_EQ(confined("a=b; Domain=example.com; Path=/"), "a=b; Path=/");
  EXPECT_EQ(confined("a=b;DOMAIN = .Example.COM"), "a=b");
  EXPECT_EQ(confined("a=b; Domain=com"), "a=b");
  EXPECT_EQ(confined("a=b; Domain=other.example.com"), "a=b");
  EXPECT_EQ(confined("a=b; Domain"), "a=b");
  EXPECT_EQ(confined("a=b; Domain=app.example.com"), "a=b; Domain=app.example.com");
  EXPECT_EQ(confined("a=b; Domain=x; domain=example.com."), "a=b");
  EXPECT_EQ(confined("domain=example.com; Secure"), "domain=example.com; Secure") << "its name";
  EXPECT_EQ(confined("a=b; Domain=shop.test", "www.shop.test"), "a=b; Domain=shop.test")
      << "a host that is not the platform's";
}

TEST(RequestId, IsShortAndPlain) {
  EXPECT_TRUE(is_request_id("0f-A_b.9"));
  for (const std::string& text :
       {std::string(), std::string("a b"), std::string("a\"b"), std::string(65, 'a')})
    EXPECT_FALSE(is_request_id(text)) << text;
}

TEST(Accept, JsonIsForThoseWhoAskForItAndNotForBrowsers) {
  EXPECT_TRUE(prefers_json("application/json"));
  EXPECT_TRUE(prefers_json("text/plain, application/problem+json;q=0.9"));
  EXPECT_FALSE(prefers_json("text/html, application/json"));
  EXPECT_FALSE(prefers_json("*/*"));
  EXPECT_FALSE(prefers_json(""));
}

TEST(HttpDate, HasTheFormOfTheStandard) {
  const std::string date(http_date(SystemClock{}));
  ASSERT_EQ(date.size(), 29u);
  EXPECT_EQ(date.substr(3, 2), ", ");
  EXPECT_EQ(date.substr(25), " GMT");
}

}  // namespace
}  // namespace slipway
