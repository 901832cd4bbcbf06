#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace slipway {

// A SHA-256 digest (FIPS 180-4), the one that OCI speaks. A plain value.
struct Digest {
  std::array<std::uint8_t, 32> bytes{};

  auto operator<=>(const Digest&) const = default;

  // 64 lower-case hex digits.
  [[nodiscard]] std::string hex() const;
  // "sha256:" + hex().
  [[nodiscard]] std::string str() const;
  // Accepts both forms above and nothing else.
  [[nodiscard]] static std::optional<Digest> parse(std::string_view text);
};

// Feeds bytes, then finish() once. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  Sha256& update(std::string_view bytes);
  Sha256& update(std::span<const std::byte> bytes);
  // update() of the length, then of the bytes: so that a list of fields has one reading only.
  Sha256& field(std::string_view bytes);
  [[nodiscard]] Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

[[nodiscard]] Digest sha256(std::string_view bytes);

// RFC 4648 lower-case base32 alphabet without padding; for ids.
[[nodiscard]] std::string base32(std::span<const std::uint8_t> bytes);
[[nodiscard]] std::string to_hex(std::span<const std::uint8_t> bytes);

}  // namespace slipway

template <>
struct std::hash<slipway::Digest> {
  std::size_t operator()(const slipway::Digest& digest) const noexcept {
    std::size_t value = 0;
    for (std::size_t i = 0; i < sizeof value; ++i) value = value << 8 | digest.bytes[i];
    return value;
  }
};
