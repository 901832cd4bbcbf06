// Packs from the network: whatever the bytes, nothing is handed on but whole records that have the
// digest they claim, within the limit.
#include <zstd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <tuple>

#include "store/pack.h"

namespace {

using namespace slipway;

constexpr std::uint64_t limit = 1 << 20;

class Checker final : public PackVisitor {
 public:
  Status begin(const Digest& digest, std::uint64_t size) override {
    if (open_ || size > limit - total_) std::abort();
    open_ = true;
    digest_ = digest;
    size_ = size;
    total_ += size;
    content_.clear();
    return {};
  }
  Status bytes(std::string_view part) override {
    content_ += part;
    if (!open_ || content_.size() > size_) std::abort();
    return {};
  }
  Status end() override {
    if (!open_ || content_.size() != size_ || sha256(content_) != digest_) std::abort();
    open_ = false;
    return {};
  }

 private:
  bool open_ = false;
  Digest digest_;
  std::uint64_t size_ = 0, total_ = 0;
  std::string content_;
};

void read_all(std::string_view pack, std::size_t piece) {
  Checker checker;
  std::ignore = read_pack(
      [&](std::span<char> into) -> Result<std::size_t> {
        const std::size_t size = std::min({pack.size(), piece, into.size()});
        std::copy_n(pack.begin(), size, into.begin());
        pack.remove_prefix(size);
        return size;
      },
      checker, limit);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t piece = 1 + data[0] / 2;
  if (data[0] % 2 == 0) {
    read_all(input, piece);
    return 0;
  }
  // As the content of a well-formed frame: to get at the records.
  std::string pack(ZSTD_compressBound(input.size()), '\0');
  pack.resize(ZSTD_compress(pack.data(), pack.size(), input.data(), input.size(), 1));
  read_all(pack, piece);
  return 0;
}
