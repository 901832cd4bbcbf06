#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace slipway {

// What a file called .env or the like is.
enum class EnvFile {
  none,      // not one of them; or an example, or code: .env.example, .env.js, .env.json
  values,    // NAME=VALUE lines
  settings,  // .envrc: a script of the developer's machine
};
[[nodiscard]] EnvFile env_file_of(std::string_view name);

// Of a file of values, those that are public by their names (model/public_variables.h), as the
// lines that set them; and the names of the others. A value in quotes may span lines. Total.
struct PublicValues {
  std::string text;
  std::vector<std::string> kept, left;  // names, as first seen
};
[[nodiscard]] PublicValues public_values(std::string_view text);

}  // namespace slipway
