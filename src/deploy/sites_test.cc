#include "deploy/sites.h"

#include <gtest/gtest.h>

#include "sys/files.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

class SitesTest : public ::testing::Test {
 protected:
  Digest site_with(std::string_view path) {
    Manifest manifest;
    const Digest file = blobs.put("content").value();
    manifest.entries.push_back({.path = std::string(path), .size = 7, .digest = file});
    return blobs.put(manifest.to_text()).value();
  }

  TempDir directory =
      TempDir::create(std::filesystem::temp_directory_path(), "slipway-sites-").value();
  BlobStore blobs = BlobStore::open(directory.path()).value();
  ManualClock clock;
  Sites sites{blobs, clock};
  const DeploymentId id = DeploymentId::random();
};

TEST_F(SitesTest, AreOneObjectForEveryRoute) {
  const Digest manifest = site_with("index.html");
  const auto site = sites.get(id, "", manifest, StaticFallback::not_found_page);
  EXPECT_EQ(site, sites.get(id, "", manifest, StaticFallback::not_found_page));
  EXPECT_NE(site, sites.get(id, "docs", manifest, StaticFallback::not_found_page));
  sites.forget(id);
  EXPECT_NE(site, sites.get(id, "", manifest, StaticFallback::not_found_page));
}

TEST_F(SitesTest, AreUsedWhenTheyAreAskedFor) {
  EXPECT_FALSE(sites.last_used(id));
  clock.advance(1min);
  const auto site = sites.get(id, "", site_with("a"), StaticFallback::not_found_page);
  EXPECT_EQ(sites.last_used(id), clock.monotonic()) << "when it became known";
  clock.advance(1min);
  site->touch(clock.monotonic());
  EXPECT_EQ(sites.last_used(id), clock.monotonic());
}

TEST_F(SitesTest, ReadTheirFileListAtTheFirstRequestAndDropItWhenUnused) {
  const auto site = sites.get(id, "", site_with("a"), StaticFallback::not_found_page);
  EXPECT_EQ(sites.drop_unused_since(clock.monotonic() + 1s), 0u) << "nothing was read yet";
  const auto first = site->index().value();
  EXPECT_EQ(first->find("/a").status, 200);
  EXPECT_EQ(first, site->index().value()) << "read once";
  site->touch(clock.monotonic());
  EXPECT_EQ(sites.drop_unused_since(clock.monotonic()), 0u) << "used just now";
  EXPECT_EQ(sites.drop_unused_since(clock.monotonic() + 1s), 1u);
  EXPECT_EQ(first->find("/a").status, 200) << "a request under way keeps its list";
  EXPECT_EQ(site->index().value()->find("/a").status, 200);
}

TEST_F(SitesTest, SayThatTheStoreLostTheirFiles) {
  const auto site = sites.get(id, "", sha256("never stored"), StaticFallback::not_found_page);
  EXPECT_EQ(site->index().error().code, Errc::not_found);
}

}  // namespace
}  // namespace slipway
