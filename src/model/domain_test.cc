#include "model/domain.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

TEST(DomainName, IsOneFormForEverySpelling) {
  for (const char* text :
       {"shop.example.com", "SHOP.Example.COM", "shop.example.com.", "Shop.Example.com."})
    EXPECT_EQ(domain_name(text), "shop.example.com") << text;
  EXPECT_EQ(domain_name("xn--bcher-kva.example"), "xn--bcher-kva.example");
  EXPECT_EQ(domain_name("7.example"), "7.example");
}

TEST(DomainName, RefusesWhatIsNone) {
  for (const char* text : {"",
                           ".",
                           "..",
                           "localhost",
                           "a..b",
                           ".example.com",
                           "example.com..",
                           "-a.example.com",
                           "a-.example.com",
                           "a_b.example.com",
                           "*.example.com",
                           "shop.example.com:8080",
                           "http://shop.example.com",
                           "shop.example.com/",
                           "127.0.0.1",
                           "1.2.3.4.",
                           "[::1]",
                           "::1",
                           "a b.example.com",
                           "a\nb.example.com",
                           "a.example.com\r\nHost: b",
                           "a%.example.com",
                           "a@b.example.com"})
    EXPECT_FALSE(domain_name(text)) << text;
  EXPECT_FALSE(domain_name(std::string_view("a\0b.example.com", 15)));
  EXPECT_FALSE(domain_name(std::string(64, 'a') + ".example.com"));
  EXPECT_FALSE(domain_name(std::string(300, 'a')));
}

TEST(DomainName, AsksForPunycode) {
  for (const char* text : {"bücher.example", "ехample.com", "shop。example.com"}) {
    const auto refused = domain_name(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_NE(refused.error().hint.find("xn--"), std::string::npos);
  }
}

TEST(DomainName, KnowsWhatIsBelowAnother) {
  EXPECT_TRUE(is_at_or_below("apps.test", "apps.test"));
  EXPECT_TRUE(is_at_or_below("shop.apps.test", "apps.test"));
  EXPECT_TRUE(is_at_or_below("a.b.apps.test", "apps.test"));
  EXPECT_FALSE(is_at_or_below("myapps.test", "apps.test"));
  EXPECT_FALSE(is_at_or_below("test", "apps.test"));
  EXPECT_FALSE(is_at_or_below("apps.test", ""));
}

}  // namespace
}  // namespace slipway
