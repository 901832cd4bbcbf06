#pragma once

#include <compare>
#include <cstdint>

namespace slipway {

// Money in integer micro-units of the account's currency (1'000'000 = one unit). Never a float.
struct Money {
  std::int64_t micros = 0;
  auto operator<=>(const Money&) const = default;
  constexpr Money& operator+=(Money other) {
    micros += other.micros;
    return *this;
  }
  constexpr Money& operator-=(Money other) {
    micros -= other.micros;
    return *this;
  }
  friend constexpr Money operator+(Money a, Money b) { return a += b; }
  friend constexpr Money operator-(Money a, Money b) { return a -= b; }
};

}  // namespace slipway
