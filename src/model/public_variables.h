#pragma once

#include <string_view>

namespace slipway {

// Prefixes by which frameworks put a variable into what browsers load: whoever opens the page can
// read it, so it is no secret, and the build needs its value.
inline constexpr std::string_view public_prefixes[] = {
    "VITE_",      "NEXT_PUBLIC_", "PUBLIC_",          "NUXT_PUBLIC_",
    "REACT_APP_", "GATSBY_",      "EXPO_PUBLIC_",     "VUE_APP_",
    "NG_APP_",    "STORYBOOK_",   "SNOWPACK_PUBLIC_", "RSBUILD_PUBLIC_"};

[[nodiscard]] constexpr bool is_public_variable(std::string_view name) {
  for (const std::string_view prefix : public_prefixes)
    if (name.size() > prefix.size() && name.starts_with(prefix)) return true;
  return false;
}

}  // namespace slipway
