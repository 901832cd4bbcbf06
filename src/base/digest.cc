#include "base/digest.h"

#include <openssl/evp.h>

#include <cstdlib>

namespace slipway {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() {
    if (context == nullptr || EVP_DigestInit_ex(context, EVP_sha256(), nullptr) != 1) std::abort();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

Sha256& Sha256::update(std::string_view bytes) {
  EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
  return *this;
}

Sha256& Sha256::update(std::span<const std::byte> bytes) {
  EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
  return *this;
}

Sha256& Sha256::field(std::string_view bytes) {
  return update(std::to_string(bytes.size())).update(":").update(bytes);
}

Digest Sha256::finish() {
  Digest digest;
  EVP_DigestFinal_ex(state_->context, digest.bytes.data(), nullptr);
  return digest;
}

Digest sha256(std::string_view bytes) { return Sha256{}.update(bytes).finish(); }

std::string to_hex(std::span<const std::uint8_t> bytes) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string out(bytes.size() * 2, '\0');
  char* to = out.data();
  for (const std::uint8_t byte : bytes) {
    *to++ = hex[byte >> 4];
    *to++ = hex[byte & 15];
  }
  return out;
}

std::string base32(std::span<const std::uint8_t> bytes) {
  static constexpr char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
  std::string out;
  unsigned buffer = 0, bits = 0;
  for (std::uint8_t byte : bytes) {
    buffer = (buffer << 8 | byte) & 0xffff;
    for (bits += 8; bits >= 5; bits -= 5) out += alphabet[buffer >> (bits - 5) & 31];
  }
  if (bits > 0) out += alphabet[buffer << (5 - bits) & 31];
  return out;
}

std::string Digest::hex() const { return to_hex(bytes); }
std::string Digest::str() const { return "sha256:" + hex(); }

std::optional<Digest> Digest::parse(std::string_view text) {
  if (text.starts_with("sha256:")) text.remove_prefix(7);
  if (text.size() != 64) return std::nullopt;
  // By table and without a branch for each digit: manifests hold thousands of digests.
  constexpr unsigned wrong = 0x100;
  static constexpr auto digits = [] {
    std::array<std::uint16_t, 256> table{};
    table.fill(wrong);
    for (unsigned i = 0; i < 16; ++i)
      table[static_cast<unsigned char>("0123456789abcdef"[i])] = static_cast<std::uint16_t>(i);
    return table;
  }();
  Digest digest;
  unsigned seen = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    const unsigned high = digits[static_cast<unsigned char>(text[2 * i])];
    const unsigned low = digits[static_cast<unsigned char>(text[2 * i + 1])];
    seen |= high | low;
    digest.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  if ((seen & wrong) != 0) return std::nullopt;
  return digest;
}

}  // namespace slipway
