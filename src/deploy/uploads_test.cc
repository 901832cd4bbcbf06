#include "deploy/uploads.h"

#include <gtest/gtest.h>

#include "deploy/testing/world.h"

namespace slipway {
namespace {

using testing::Files;
using testing::World;

Manifest manifest_of(const Files& files) {
  Manifest manifest;
  for (const auto& [path, content] : files)
    manifest.entries.push_back({.path = path, .size = content.size(), .digest = sha256(content)});
  std::ranges::sort(manifest.entries, {}, &ManifestEntry::path);
  return manifest;
}

struct UploadsTest : ::testing::Test {
  Uploads::Opened open(const std::string& project, const Files& files) {
    return world.service.open_upload({}, project, manifest_of(files)).value();
  }
  Errc deploy(const std::string& project, const UploadId& upload) {
    const auto made = world.service.deploy({}, {.project = project, .upload = upload}, "");
    return made ? Errc::internal : made.error().code;
  }
  World world;
};

// A digest is no key to another project's file, and tells nothing about it.
TEST_F(UploadsTest, WhatAnotherProjectHasMustBeSentAllTheSame) {
  const Files secret{{"index.html", "TOP SECRET SOURCE"}};
  const Deployment theirs = world.deploy("bank", secret);
  const Uploads::Opened opened = open("shop", secret);
  EXPECT_EQ(opened.missing, std::vector{sha256("TOP SECRET SOURCE")});
  EXPECT_EQ(deploy("shop", opened.id), Errc::failed_precondition);
  // Not by a second upload that names the first one's files either.
  EXPECT_EQ(open("shop", secret).missing.size(), 1u);
  // Nor as the base of a difference.
  const auto delta = world.service.open_upload(
      {}, "shop", ManifestDelta{.base = theirs.source, .changed = {}, .removed = {}});
  EXPECT_EQ(delta.error().code, Errc::conflict);
  ASSERT_TRUE(world.send(opened, secret));
  EXPECT_EQ(deploy("shop", opened.id), Errc::internal) << "who has the file may send it";
}

TEST_F(UploadsTest, WhatTheProjectSentBeforeIsNotSentAgain) {
  const Deployment before = world.deploy("shop", {{"index.html", "one"}, {"a.css", "a"}});
  EXPECT_TRUE(open("shop", {{"index.html", "one"}, {"b.css", "a"}}).missing.empty());
  const Manifest next = manifest_of({{"index.html", "two"}, {"a.css", "a"}});
  const auto opened = world.service.open_upload(
      {}, "shop", delta(manifest_of({{"index.html", "one"}, {"a.css", "a"}}), next));
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ(opened->missing, std::vector{sha256("two")});
  // A complete upload is a base, too, before anything of it is deployed.
  ASSERT_TRUE(world.send(*opened, {{"index.html", "two"}}));
  EXPECT_TRUE(
      world.service
          .open_upload({}, "shop",
                       ManifestDelta{.base = next.digest(), .changed = {}, .removed = {"a.css"}})
          .has_value());
}

// Any blob was read whole as a manifest: a large file became gigabytes of memory.
TEST_F(UploadsTest, AFileIsNoManifest) {
  const std::string file = manifest_of({{"x", "y"}}).to_text();
  world.deploy("shop", {{"index.html", "<p>"}, {"looks-like-one", file}});
  const auto opened = world.service.open_upload(
      {}, "shop", ManifestDelta{.base = sha256(file), .changed = {}, .removed = {}});
  EXPECT_EQ(opened.error().code, Errc::conflict);
}

TEST_F(UploadsTest, ASizeThatIsNotTheFilesIsRefused) {
  const std::string page = "<p>as long as it is</p>";
  // Of what is sent.
  Manifest lying = manifest_of({{"index.html", page}});
  lying.entries[0].size = 3000;
  const auto opened = world.service.open_upload({}, "shop", lying).value();
  EXPECT_EQ(world.send(opened, {{"index.html", page}}).error().code, Errc::invalid_argument);
  EXPECT_EQ(deploy("shop", opened.id), Errc::failed_precondition);
  // Of what was sent before.
  world.deploy("shop", {{"index.html", page}});
  EXPECT_EQ(world.service.open_upload({}, "shop", lying).error().code, Errc::invalid_argument);
}

TEST_F(UploadsTest, APackIsNoLargerThanWhatTheUploadLacks) {
  const Uploads::Opened opened = open("shop", {{"index.html", "small"}});
  int reads = 0;
  const BlobStore::Reader never = [&](std::span<char>) {
    ++reads;
    return Result<std::size_t>(0);
  };
  EXPECT_EQ(world.service.receive_pack({}, opened.id, 100u << 20, never).error().code,
            Errc::too_large);
  EXPECT_EQ(reads, 0) << "refused by its announced length";
  EXPECT_EQ(world.send(opened, {{"other.html", "never asked for"}})->files, 0u);
}

TEST_F(UploadsTest, AnUploadThatWouldFillTheDiskIsRefused) {
  const Uploads::Opened opened = open("shop", {{"index.html", "small"}});
  world.settings.gc.min_free_disk = 1ull << 60;
  EXPECT_EQ(world.send(opened, {{"index.html", "small"}}).error().code, Errc::disk_full);
  EXPECT_EQ(world.service.open_upload({}, "shop", manifest_of({{"a", "b"}})).error().code,
            Errc::disk_full);
  world.settings.gc.min_free_disk = 0;
  EXPECT_TRUE(world.send(opened, {{"index.html", "small"}}));
}

}  // namespace
}  // namespace slipway
