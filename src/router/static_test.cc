// Static sites served from a real store, over real sockets.

#include <gmock/gmock.h>

#include "router/media_type.h"
#include "router/static_negotiation.h"
#include "router/testing.h"
#include "router/variants.h"

namespace slipway {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace slipway::testing;

class Site : public ::testing::Test {
 protected:
  void SetUp() override {
    auto directory = TempDir::create("/tmp", "router-site-");
    ASSERT_TRUE(directory.has_value());
    directory_.emplace(*std::move(directory));
    auto blobs = BlobStore::open(directory_->path());
    ASSERT_TRUE(blobs.has_value()) << blobs.error().message;
    blobs_.emplace(*std::move(blobs));
  }

  void publish(std::map<std::string, std::string> files,
               StaticFallback fallback = StaticFallback::not_found_page) {
    Manifest manifest;
    for (const auto& [path, content] : files) {
      const bool link = content.starts_with("->");
      const std::string bytes = link ? content.substr(2) : content;
      const auto digest = blobs_->put(bytes);
      ASSERT_TRUE(digest.has_value());
      manifest.entries.push_back({.path = path,
                                  .mode = link ? FileMode::symlink : FileMode::regular,
                                  .size = bytes.size(),
                                  .digest = *digest});
    }
    const auto stored = blobs_->put(manifest.to_text());
    ASSERT_TRUE(stored.has_value());
    site_ = StaticSite::create(DeploymentId::random(), *stored, fallback, *blobs_,
                               world_.clock.monotonic());
    world_.routes.publish({{"site.localhost", RouteTarget(site_)}});
  }
  std::string get(std::string_view path, std::string_view headers = "") {
    return world_.get(path, "site.localhost", headers);
  }

  std::optional<TempDir> directory_;
  std::optional<BlobStore> blobs_;
  RouterWorld world_;
  std::shared_ptr<const StaticSite> site_;
};

TEST_F(Site, ServesFilesWithTheirTypeTagAndCachePolicy) {
  publish({{"index.html", "<h1>hi</h1>"},
           {"assets/index-DiwrgTda.js", "x()"},
           {"logo.png", "png"},
           {"empty.txt", ""}});
  const std::string page = get("/");
  EXPECT_EQ(status_of(page), 200);
  EXPECT_EQ(body_of(page), "<h1>hi</h1>");
  EXPECT_EQ(header_of(page, "Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(header_of(page, "Cache-Control"), "no-cache");
  EXPECT_EQ(header_of(page, "ETag"), entity_tag(sha256("<h1>hi</h1>"), std::nullopt));
  EXPECT_EQ(header_of(page, "Vary"), "Accept-Encoding");
  const std::string script = get("/assets/index-DiwrgTda.js");
  EXPECT_EQ(header_of(script, "Cache-Control"), "public, max-age=31536000, immutable");
  EXPECT_EQ(header_of(get("/logo.png"), "Content-Type"), "image/png");
  EXPECT_EQ(header_of(get("/empty.txt"), "Content-Length"), "0");
}

TEST_F(Site, AnswersConditionalRequests) {
  publish({{"a.txt", "content"}});
  const std::string tag = header_of(get("/a.txt"), "ETag");
  for (const std::string& given : {tag, "W/" + tag, "\"x\", " + tag, std::string("*")}) {
    const std::string answer = get("/a.txt", "If-None-Match: " + given + "\r\n");
    EXPECT_EQ(status_of(answer), 304) << given;
    EXPECT_EQ(header_of(answer, "ETag"), tag);
    EXPECT_EQ(body_of(answer), "");
  }
  EXPECT_EQ(status_of(get("/a.txt", "If-None-Match: \"other\"\r\n")), 200);
}

TEST_F(Site, AnswersRanges) {
  publish({{"a.bin", "0123456789"}});
  const std::string tag = header_of(get("/a.bin"), "ETag");
  const std::string part = get("/a.bin", "Range: bytes=2-4\r\n");
  EXPECT_EQ(status_of(part), 206);
  EXPECT_EQ(body_of(part), "234");
  EXPECT_EQ(header_of(part, "Content-Range"), "bytes 2-4/10");
  EXPECT_EQ(body_of(get("/a.bin", "Range: bytes=-3\r\n")), "789");
  EXPECT_EQ(body_of(get("/a.bin", "Range: bytes=8-100\r\n")), "89");
  const std::string beyond = get("/a.bin", "Range: bytes=10-\r\n");
  EXPECT_EQ(status_of(beyond), 416);
  EXPECT_EQ(header_of(beyond, "Content-Range"), "bytes */10");
  EXPECT_EQ(status_of(get("/a.bin", "Range: bytes=1-2,4-5\r\n")), 200);
  EXPECT_EQ(status_of(get("/a.bin", "Range: bytes=1-2\r\nIf-Range: " + tag + "\r\n")), 206);
  EXPECT_EQ(status_of(get("/a.bin", "Range: bytes=1-2\r\nIf-Range: \"old\"\r\n")), 200);
}

TEST_F(Site, HasCleanUrls) {
  publish({{"index.html", "root"}, {"about.html", "about"}, {"docs/index.html", "docs"}});
  EXPECT_EQ(body_of(get("/about")), "about");
  EXPECT_EQ(body_of(get("/about.html")), "about");
  EXPECT_EQ(body_of(get("/docs/")), "docs");
  const std::string redirect = get("/docs?a=b");
  EXPECT_EQ(status_of(redirect), 307);
  EXPECT_EQ(header_of(redirect, "Location"), "/docs/?a=b");
  EXPECT_EQ(header_of(get("/about/"), "Location"), "/about");
  EXPECT_EQ(body_of(get("/%61bout?x")), "about");
}

TEST_F(Site, NeverLeavesItsFiles) {
  publish({{"index.html", "root"}, {"a/b.txt", "b"}});
  for (const char* path : {"/../index.html", "/a/../../etc/passwd", "/a/%2e%2e/index.html",
                           "//a/b.txt", "/./index.html", "/a//b.txt", "/blobs"})
    EXPECT_EQ(status_of(get(path)), 404) << path;
  EXPECT_EQ(status_of(get("/%00")), 400);
}

TEST_F(Site, Shows404PagesOfTheSiteOrItsOwn) {
  publish({{"index.html", "root"}});
  EXPECT_EQ(status_of(get("/missing")), 404);
  EXPECT_THAT(get("/missing"), HasSubstr("Page not found"));
  publish({{"index.html", "root"}, {"404.html", "own"}});
  const std::string answer = get("/missing");
  EXPECT_EQ(status_of(answer), 404);
  EXPECT_EQ(body_of(answer), "own");
  EXPECT_EQ(header_of(answer, "Cache-Control"), "no-cache");
}

TEST_F(Site, AnApplicationAnswersItsOwnPathsButNotMissingAssets) {
  publish({{"index.html", "app"}, {"app.js", "js"}}, StaticFallback::single_page_app);
  EXPECT_EQ(body_of(get("/orders/7")), "app");
  EXPECT_EQ(body_of(get("/v1.2/intro")), "app");
  EXPECT_EQ(status_of(get("/old-chunk.js")), 404);
}

TEST_F(Site, AnswersOnlyGetAndHead) {
  publish({{"index.html", "root"}});
  const std::string head =
      world_.ask("HEAD / HTTP/1.1\r\nHost: site.localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(header_of(head, "Content-Length"), "4");
  EXPECT_EQ(body_of(head), "");
  const std::string post = world_.ask(
      "POST / HTTP/1.1\r\nHost: site.localhost\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx");
  EXPECT_EQ(status_of(post), 405);
  EXPECT_EQ(header_of(post, "Allow"), "GET, HEAD");
}

TEST_F(Site, FollowsLinksInsideTheTree) {
  publish(
      {{"real.txt", "real"}, {"dir/link.txt", "->../real.txt"}, {"out.txt", "->../../etc/passwd"}});
  EXPECT_EQ(body_of(get("/dir/link.txt")), "real");
  EXPECT_EQ(status_of(get("/out.txt")), 404);
}

TEST_F(Site, LargeFilesArriveWhole) {
  std::string content;
  while (content.size() < (5u << 20)) content += std::to_string(content.size()) + ",";
  publish({{"big.bin", content}});
  EXPECT_EQ(body_of(get("/big.bin")), content);
  EXPECT_EQ(body_of(get("/big.bin", "Range: bytes=1000000-3000000\r\n")),
            content.substr(1'000'000, 2'000'001));
}

TEST_F(Site, CompressesInTheBackgroundOnceAndKeepsItBesideTheBlob) {
  std::string text;
  while (text.size() < 50'000) text += "compress me " + std::to_string(text.size() % 97) + "\n";
  publish({{"a.css", text}});
  for (const auto& [coding, suffix] :
       {std::pair{Coding::gzip, ".gz"}, {Coding::zstd, ".zst"}, {Coding::brotli, ".br"}}) {
    if (!can_make(coding)) continue;
    const std::string accept = "Accept-Encoding: " + std::string(to_string(coding)) + "\r\n";
    const std::string first = get("/a.css", accept);
    EXPECT_EQ(header_of(first, "Content-Encoding"), "") << "the first one does not wait";
    EXPECT_EQ(body_of(first), text);
    std::string later;
    do later = get("/a.css", accept);
    while (header_of(later, "Content-Encoding").empty());
    EXPECT_EQ(header_of(later, "Content-Encoding"), to_string(coding));
    EXPECT_EQ(header_of(later, "ETag"), entity_tag(sha256(text), coding));
    EXPECT_EQ(body_of(later), *compress(coding, text));
    EXPECT_LT(body_of(later).size(), text.size() / 4);
    auto beside = blobs_->path_of(sha256(text));
    beside += suffix;
    EXPECT_TRUE(std::filesystem::exists(beside));
    EXPECT_EQ(
        status_of(get("/a.css", accept + "If-None-Match: " + header_of(later, "ETag") + "\r\n")),
        304);
    EXPECT_EQ(body_of(get("/a.css", accept + "Range: bytes=0-3\r\n")), "comp");
  }
  EXPECT_EQ(body_of(get("/a.css", "Accept-Encoding: gzip;q=0, *;q=0\r\n")), text);
}

TEST(Negotiation, ReadsAcceptEncoding) {
  EXPECT_THAT(accepted_codings("gzip, deflate, br, zstd"),
              ElementsAre(Coding::brotli, Coding::zstd, Coding::gzip));
  EXPECT_THAT(accepted_codings("br;q=0, gzip;q=0.5"), ElementsAre(Coding::gzip));
  EXPECT_THAT(accepted_codings("*, br;q=0.0"), ElementsAre(Coding::zstd, Coding::gzip));
  EXPECT_THAT(accepted_codings(""), IsEmpty());
  EXPECT_THAT(accepted_codings("identity"), IsEmpty());
}

TEST(Negotiation, ChoosesRanges) {
  const auto part = [](std::string_view text) {
    const RangeAnswer answer = choose_range(text, 10);
    EXPECT_EQ(answer.verdict, RangeVerdict::part) << text;
    return answer.part;
  };
  EXPECT_EQ(part("bytes=0-0"), (ByteRange{0, 0}));
  EXPECT_EQ(part("Bytes=5-"), (ByteRange{5, 9}));
  EXPECT_EQ(part("bytes=-99"), (ByteRange{0, 9}));
  for (const char* text : {"", "bytes=", "bytes=x-", "bytes=4-2", "items=0-1", "bytes=1",
                           "bytes=--1", "bytes=99999999999999999999-"})
    EXPECT_EQ(choose_range(text, 10).verdict, RangeVerdict::whole) << text;
  EXPECT_EQ(choose_range("bytes=-0", 10).verdict, RangeVerdict::unsatisfiable);
  EXPECT_EQ(choose_range("bytes=0-", 0).verdict, RangeVerdict::unsatisfiable);
}

TEST(MediaType, KnowsNamesAndHashes) {
  EXPECT_EQ(media_type("a/B.JS"), "text/javascript; charset=utf-8");
  EXPECT_EQ(media_type("app.wasm"), "application/wasm");
  EXPECT_EQ(media_type("README"), "text/plain; charset=utf-8");
  EXPECT_EQ(media_type("x.unknown"), "application/octet-stream");
  for (const char* path :
       {"assets/index-DiwrgTda.js", "assets/a-B2x_9aQe.css", "static/js/main.3f2a1b9c.js",
        "_next/static/chunks/x.js", "_astro/hoisted.B1x.js", "a/main.3f2a1b9c.js.map"})
    EXPECT_TRUE(has_content_hash(path)) << path;
  for (const char* path :
       {"bootstrap.min.css", "photo-Christmas.jpg", "IMG-20240101.jpg", "a-facade.js",
        "jquery-slideshow.js", "assets/my-component.js", "assets/plain.js", "index"})
    EXPECT_FALSE(has_content_hash(path)) << path;
}

}  // namespace
}  // namespace slipway
