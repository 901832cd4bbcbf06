#include "store/pack.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <zstd.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "store/test_support.h"

namespace slipway {
namespace {

using test::digests_of;
using test::pack_of;
using test::reader_of;

constexpr std::uint64_t no_limit = 1ull << 40;

// A pack of any content, as only a malicious client would write it.
std::string frame_of(std::string_view content) {
  std::string out(ZSTD_compressBound(content.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), content.data(), content.size(), 1));
  return out;
}

std::string record_of(std::string_view content) {
  return sha256(content).hex() + " " + std::to_string(content.size()) + "\n" + std::string(content);
}

class Pack : public testing::Test {
 protected:
  TempDir root_ = test::temp_dir();
  BlobStore store_ = *BlobStore::open(root_.path());

  Result<BlobStore::PackStats> unpack(std::string pack, const std::vector<std::string>& wanted,
                                      std::uint64_t limit = no_limit) {
    const std::vector<Digest> digests = digests_of(wanted);
    return store_.unpack(reader_of(std::move(pack), 7), digests, limit);
  }
  void expect_refused(std::string pack, const std::vector<std::string>& wanted, Errc code,
                      std::uint64_t limit = no_limit) {
    const auto outcome = unpack(std::move(pack), wanted, limit);
    ASSERT_FALSE(outcome.has_value());
    EXPECT_EQ(outcome.error().code, code) << outcome.error().message;
    EXPECT_TRUE(test::verified_blobs(root_.path()).empty());
  }
};

TEST_F(Pack, CarriesFilesOfAnySize) {
  std::string large(3'000'000, '\0');
  std::iota(large.begin(), large.end(), '\0');
  const std::vector<std::string> contents = {"", "a", "hello\n", large, std::string(70'000, 'z')};
  const auto stats = unpack(pack_of(contents), contents);
  ASSERT_TRUE(stats.has_value()) << stats.error().message;
  EXPECT_EQ(stats->files, 5u);
  EXPECT_EQ(stats->bytes, 3'070'007u);
  for (const std::string& content : contents)
    EXPECT_EQ(store_.read(sha256(content)).value(), content);
}

TEST_F(Pack, MayHoldLessThanWanted) {
  ASSERT_TRUE(unpack(pack_of({"a"}), {"a", "b"}).has_value());
  const std::vector<Digest> wanted = digests_of({"a", "b"});
  EXPECT_EQ(store_.missing(wanted), digests_of({"b"}));
  EXPECT_TRUE(unpack(pack_of({}), {"b"}).has_value());
}

TEST_F(Pack, RefusesWhatWasNotAskedFor) {
  expect_refused(pack_of({"a", "b"}), {"a"}, Errc::invalid_argument);
  expect_refused(pack_of({"a", "a"}), {"a"}, Errc::invalid_argument);
}

TEST_F(Pack, RefusesOtherBytesThanTheDigestSays) {
  expect_refused(frame_of(sha256("a").hex() + " 1\nb"), {"a"}, Errc::corrupt);
  // The first record is fine; nothing of it stays.
  expect_refused(frame_of(record_of("ok") + sha256("a").hex() + " 1\nb"), {"a", "ok"},
                 Errc::corrupt);
}

TEST_F(Pack, RefusesWhatIsCutOffOrTooLong) {
  const std::string pack = pack_of({"hello", "world"});
  for (std::size_t size = 0; size < pack.size(); ++size)
    expect_refused(pack.substr(0, size), {"hello", "world"}, Errc::corrupt);
  expect_refused(pack + "x", {"hello", "world"}, Errc::corrupt);
  expect_refused(pack + pack, {"hello", "world"}, Errc::corrupt);
}

TEST_F(Pack, RefusesMalformedRecords) {
  const std::string hex = sha256("a").hex();
  for (const std::string& content :
       {hex + " 01\na", hex + "1\na", hex + " -1\na", hex + " 1", hex + " 2\na", hex + " \na",
        "A" + hex.substr(1) + " 1\na", std::string(1000, 'a'), std::string("\n"),
        hex + " 99999999999999999999999\na"})
    expect_refused(frame_of(content), {"a"}, Errc::corrupt);
  // A frame that decoders skip in silence.
  expect_refused(std::string("\x50\x2a\x4d\x18\x01\x00\x00\x00x", 9) + pack_of({"a"}), {"a"},
                 Errc::corrupt);
}

TEST_F(Pack, RefusesBombsFromTheirHeader) {
  const std::string zeros(50'000'000, '\0');
  expect_refused(pack_of({zeros}), {zeros}, Errc::too_large, 1'000'000);
  // Small records, together more than the limit.
  expect_refused(pack_of({std::string(600, 'a'), std::string(600, 'b')}),
                 {std::string(600, 'a'), std::string(600, 'b')}, Errc::too_large, 1000);
  expect_refused(frame_of(sha256("a").hex() + " 18446744073709551615\na"), {"a"}, Errc::too_large);
}

TEST_F(Pack, RefusesAWindowThatWouldTakeMuchMemory) {
  std::string content = record_of(std::string(100'000, 'q'));
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 27);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  std::string pack(ZSTD_compressBound(content.size()), '\0');
  ZSTD_inBuffer in{content.data(), content.size() / 2, 0};
  ZSTD_outBuffer out{pack.data(), pack.size(), 0};
  ZSTD_compressStream2(context, &out, &in, ZSTD_e_flush);  // so that the size is not known
  in.size = content.size();
  ZSTD_compressStream2(context, &out, &in, ZSTD_e_end);
  ZSTD_freeCCtx(context);
  pack.resize(out.pos);
  expect_refused(pack, {std::string(100'000, 'q')}, Errc::corrupt);
}

TEST_F(Pack, PassesOnTheReadersError) {
  const std::vector<Digest> wanted = digests_of({"a"});
  const auto outcome = store_.unpack(
      [](std::span<char>) -> Result<std::size_t> { return fail(Errc::canceled, "gone"); }, wanted,
      no_limit);
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, Errc::canceled);
}

TEST_F(Pack, NoFlippedBitLetsAnythingWrongIn) {
  EXPECT_TRUE(rc::check("one bit flipped", [&] {
    const auto contents =
        *rc::gen::unique<std::vector<std::string>>(rc::gen::arbitrary<std::string>());
    std::string pack = pack_of(contents);
    const auto at = *rc::gen::inRange<std::size_t>(0, pack.size());
    pack[at] = static_cast<char>(pack[at] ^ (1 << *rc::gen::inRange(0, 8)));
    const TempDir root = test::temp_dir();
    BlobStore store = *BlobStore::open(root.path());
    const std::vector<Digest> wanted = digests_of(contents);
    const auto outcome = store.unpack(reader_of(pack, 100), wanted, no_limit);
    // The frame's header has a bit without a meaning; whoever gets past the checksum has sent
    // exactly the right files.
    const std::vector<Digest> visible = test::verified_blobs(root.path());
    RC_ASSERT(visible.size() == (outcome ? contents.size() : 0));
    RC_ASSERT(!outcome || store.missing(wanted).empty());
  }));
}

TEST(WritePack, NoticesFilesThatChanged) {
  const auto ignore = [](std::string_view) -> Status { return {}; };
  for (const std::string& now : {"hell", "hello!", "jello"}) {
    std::vector<PackItem> items = {{.digest = sha256("hello"), .size = 5, .read = reader_of(now)}};
    const Status written = write_pack(items, ignore);
    ASSERT_FALSE(written.has_value()) << now;
    EXPECT_EQ(written.error().code, Errc::conflict);
  }
}

TEST(WritePack, StopsWhenTheSinkFails) {
  std::vector<PackItem> items;
  items.push_back(test::item_of("hello"));
  const Status written = write_pack(
      items, [](std::string_view) -> Status { return fail(Errc::unavailable, "server gone"); });
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code, Errc::unavailable);
}

}  // namespace
}  // namespace slipway
