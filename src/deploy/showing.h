#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/plan.h"

namespace slipway {

// Ready means that it shows something: a cheap look at the first page, without a browser. Pure;
// what the look sees is untrusted.

struct SeenPage {
  int status = 0;
  std::string type;  // "text/html"; "" when it was not said
  std::string body;  // the beginning
  std::string location{};
};
// Asks for a path of the deployment's own, beginning with "/"; nothing when there was no answer in
// time.
using Look = std::function<std::optional<SeenPage>(const std::string& path)>;

// What is wrong with what people would see: page_error, page_missing, page_empty, asset_missing. At
// most a few; none when all is well, or when nothing can be said.
[[nodiscard]] std::vector<Warning> judge_showing(const Look& look);

// Scripts and styles of a page's own host, as absolute paths, in order, at most `most`.
[[nodiscard]] std::vector<std::string> own_assets(std::string_view html, std::size_t most);

}  // namespace slipway
