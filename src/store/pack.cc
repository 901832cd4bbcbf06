#include "store/pack.h"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <string>
#include <vector>

#include "base/text.h"
#include "store/blob_store.h"

namespace slipway {
namespace {

constexpr int window_log = 21;      // written; 2 MiB
constexpr int max_window_log = 23;  // accepted; 8 MiB
constexpr std::size_t max_header_bytes = 64 + 1 + 20 + 1;
constexpr unsigned char frame_magic[] = {0x28, 0xb5, 0x2f, 0xfd};

struct FreeContext {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

std::unexpected<Error> corrupt(std::string message) {
  return fail(Errc::corrupt, "the uploaded pack " + std::move(message), "upload it again");
}

// The records inside the frame, fed with decompressed bytes in pieces of any size.
class RecordParser {
 public:
  RecordParser(PackVisitor& visitor, std::uint64_t limit) : visitor_(visitor), left_(limit) {}

  Status feed(std::string_view bytes) {
    while (!bytes.empty()) {
      if (!in_record_) {
        const std::size_t end = bytes.find('\n');
        header_ += bytes.substr(0, end);
        if (header_.size() > max_header_bytes) return corrupt("has too long a record header");
        if (end == std::string_view::npos) return {};
        bytes.remove_prefix(end + 1);
        SLIPWAY_CHECK(begin());
      }
      const auto part = bytes.substr(
          0, static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), expected_)));
      if (!part.empty()) {
        hash_.update(part);
        SLIPWAY_CHECK(visitor_.bytes(part));
        expected_ -= part.size();
        bytes.remove_prefix(part.size());
      }
      if (expected_ == 0) SLIPWAY_CHECK(end_record());
    }
    return {};
  }

  Status finish() const {
    if (in_record_ || !header_.empty()) return corrupt("ends inside a record");
    return {};
  }

 private:
  // "<64 hex> <size>"
  Status begin() {
    const std::string_view header = header_;
    const auto digest = Digest::parse(header.substr(0, 64));
    if (!digest || header.size() < 66 || header[64] != ' ')
      return corrupt("has a malformed record header");
    const std::string_view digits = header.substr(65);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), expected_);
    if (error != std::errc{} || end != digits.data() + digits.size() ||
        (digits.size() > 1 && digits[0] == '0'))
      return corrupt("has a malformed record size");
    if (expected_ > left_)
      return fail(Errc::too_large,
                  fmt::format("the uploaded pack is larger than the {} expected of it",
                              format_bytes(left_ + taken_)));
    left_ -= expected_;
    taken_ += expected_;
    digest_ = *digest;
    header_.clear();
    hash_ = Sha256{};
    in_record_ = true;
    return visitor_.begin(digest_, expected_);
  }

  Status end_record() {
    in_record_ = false;
    if (hash_.finish() != digest_)
      return corrupt(fmt::format("has other bytes than {} says", digest_.str()));
    return visitor_.end();
  }

  PackVisitor& visitor_;
  std::uint64_t left_, taken_ = 0;
  std::string header_;
  bool in_record_ = false;
  std::uint64_t expected_ = 0;  // bytes of the record still to come
  Digest digest_;
  Sha256 hash_;
};

}  // namespace

Status read_pack(const std::function<Result<std::size_t>(std::span<char>)>& read,
                 PackVisitor& visitor, std::uint64_t limit_bytes) {
  const std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  if (context == nullptr) return fail(Errc::unavailable, "out of memory for an upload");
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, max_window_log);
  std::vector<char> in(ZSTD_DStreamInSize()), out(ZSTD_DStreamOutSize());
  RecordParser records(visitor, limit_bytes);
  std::uint64_t seen = 0;
  bool ended = false;
  for (;;) {
    SLIPWAY_TRY(const std::size_t got, read(in));
    if (got == 0) break;
    // Skippable frames, which the library would pass over in silence, are not part of the format.
    for (std::size_t i = 0; seen + i < 4 && i < got; ++i)
      if (static_cast<unsigned char>(in[i]) != frame_magic[seen + i])
        return corrupt("is not a zstd frame");
    seen += got;
    ZSTD_inBuffer input{in.data(), got, 0};
    bool more = true;
    while (input.pos < input.size || more) {
      if (ended) {
        if (input.pos < input.size) return corrupt("has bytes behind its end");
        break;
      }
      ZSTD_outBuffer output{out.data(), out.size(), 0};
      const std::size_t left = ZSTD_decompressStream(context.get(), &output, &input);
      if (ZSTD_isError(left) != 0)
        return corrupt(fmt::format("is damaged: {}", ZSTD_getErrorName(left)));
      SLIPWAY_CHECK(records.feed({out.data(), output.pos}));
      ended = left == 0;
      more = output.pos == output.size;
    }
  }
  if (!ended) return corrupt("is cut off");
  return records.finish();
}

namespace {

class PackWriter {
 public:
  explicit PackWriter(const ByteSink& write)
      : write_(write), context_(ZSTD_createCCtx()), out_(ZSTD_CStreamOutSize()) {
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, 1);
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_windowLog, window_log);
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
  }

  Status add(std::string_view bytes, ZSTD_EndDirective directive = ZSTD_e_continue) {
    ZSTD_inBuffer input{bytes.data(), bytes.size(), 0};
    for (;;) {
      ZSTD_outBuffer output{out_.data(), out_.size(), 0};
      const std::size_t left = ZSTD_compressStream2(context_.get(), &output, &input, directive);
      if (ZSTD_isError(left) != 0)
        return fail(Errc::internal, fmt::format("compress: {}", ZSTD_getErrorName(left)));
      if (output.pos > 0) SLIPWAY_CHECK(write_({out_.data(), output.pos}));
      if (directive == ZSTD_e_end ? left == 0 : input.pos == input.size) return {};
    }
  }

 private:
  const ByteSink& write_;
  std::unique_ptr<ZSTD_CCtx, FreeContext> context_;
  std::vector<char> out_;
};

}  // namespace

Status write_pack(std::span<PackItem> items, const ByteSink& write) {
  PackWriter writer(write);
  std::vector<char> buffer(128 * 1024);
  for (PackItem& item : items) {
    SLIPWAY_CHECK(writer.add(fmt::format("{} {}\n", item.digest.hex(), item.size)));
    Sha256 hash;
    std::uint64_t left = item.size;
    const auto changed = [&] {
      return fail(Errc::conflict,
                  fmt::format("the file of {} changed since it was read", item.digest.str()),
                  "deploy again");
    };
    for (;;) {
      SLIPWAY_TRY(const std::size_t got, item.read(buffer));
      if (got == 0) break;
      if (got > left) return changed();
      left -= got;
      const std::string_view bytes(buffer.data(), got);
      hash.update(bytes);
      SLIPWAY_CHECK(writer.add(bytes));
    }
    if (left != 0 || hash.finish() != item.digest) return changed();
  }
  return writer.add({}, ZSTD_e_end);
}

}  // namespace slipway
