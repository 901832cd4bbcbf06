#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway {

// How many things tokens may have remembered, so that nobody can use up another's room: what is
// remembered for a token counts as that token's own, and as below each one that it came from. A
// token's own room is nobody else's; what all that came of a token may have together is less at
// each step down, so that one agent leaves room for the next. A plain value.
class PathQuota {
 public:
  struct Limits {
    std::size_t own = 1024;
    // Below a root, below its first narrowing, and so on; the last for all that are deeper.
    std::array<std::size_t, 4> below{8192, 2048, 512, 128};
  };
  explicit PathQuota(Limits limits) : limits_(limits) {}

  // Whose room is used up when one more is remembered for `path`, and which.
  struct Full {
    std::string path;
    enum class Room { own, below } room = Room::own;
  };
  [[nodiscard]] std::optional<Full> full(std::string_view path) const;
  void add(std::string_view path);
  void remove(std::string_view path);
  [[nodiscard]] std::size_t own(std::string_view path) const;

 private:
  struct Count {
    std::size_t own = 0, below = 0;
  };
  void change(std::string_view path, std::ptrdiff_t by);

  Limits limits_;
  std::map<std::string, Count, std::less<>> counts_;
};

// "tok_a/tok_b": the token that it came from, "" for a root; and its own id. Parts of `path`: not
// of one that is gone at the end of the expression.
[[nodiscard]] std::string_view parent_path(std::string_view path);
[[nodiscard]] std::string_view last_id(std::string_view path);
template <std::same_as<std::string> Gone>
std::string_view parent_path(Gone&& path) = delete;
template <std::same_as<std::string> Gone>
std::string_view last_id(Gone&& path) = delete;
// Each beginning of a path: "a", "a/b", "a/b/c".
[[nodiscard]] std::vector<std::string> path_prefixes(std::string_view path);
// Whether it is `within` or came of it.
[[nodiscard]] bool is_within(std::string_view path, std::string_view within);

}  // namespace slipway
