#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/tree.h"

namespace slipway::detection {

// What detection sees of a tree: every question is answered from the sorted list of paths, every
// file is read at most once and only up to `max_read`, and what cannot be read is remembered as
// absent. Not thread-safe; `tree` must outlive it.
class Files {
 public:
  static constexpr std::size_t max_read = 512ull * 1024;
  static constexpr std::size_t max_source_bytes = 6ull * 1024 * 1024;  // of one plan, all sources
  static constexpr std::size_t max_entries = 250'000;

  explicit Files(const Tree& tree);

  // Files of the tree that are the project's own: dependency folders, build output, version
  // control and editors' folders are left out. Sorted by path.
  [[nodiscard]] const std::vector<const Tree::File*>& own() const { return own_; }
  [[nodiscard]] bool truncated() const { return truncated_; }

  // By path from the project's root. Sees everything, also what own() leaves out.
  [[nodiscard]] bool has(std::string_view path) const { return find(path) != nullptr; }
  [[nodiscard]] const Tree::File* find(std::string_view path) const;
  [[nodiscard]] bool has_directory(std::string_view path) const;
  // The text (its first max_read bytes); empty when absent, unreadable or binary. Stable for the
  // life of this object.
  [[nodiscard]] std::string_view text(std::string_view path) const;

  // Every path that starts with `prefix`, also of folders that own() leaves out; at most 200.
  [[nodiscard]] std::vector<std::string> all_below(std::string_view prefix) const;

  // Own files below a directory ("" for all), as a range of own().
  struct Range {
    std::size_t first = 0, last = 0;
  };
  [[nodiscard]] Range below(std::string_view directory) const;

 private:
  const Tree& tree_;
  std::vector<const Tree::File*> own_;
  bool truncated_ = false;
  mutable std::map<std::string, std::string, std::less<>> texts_;
};

// "a/b" + "c" -> "a/b/c"; "" + "c" -> "c". Resolves "." and ".." in `name`; nothing when it leaves
// the tree.
[[nodiscard]] std::string join_path(std::string_view directory, std::string_view name);
[[nodiscard]] std::optional<std::string> resolve_path(std::string_view directory,
                                                      std::string_view name);
[[nodiscard]] std::string_view base_name(std::string_view path);
[[nodiscard]] std::string_view directory_of(std::string_view path);
[[nodiscard]] std::string_view extension_of(std::string_view path);  // ".py"; "" when none
[[nodiscard]] std::string_view without_extension(std::string_view path);
// `path` as seen from `root`; `path` must lie in it.
[[nodiscard]] std::string_view relative_to(std::string_view path, std::string_view root);
[[nodiscard]] bool is_within(std::string_view path, std::string_view root);
[[nodiscard]] std::size_t depth_of(std::string_view path);
// As one word of a shell; plain names stay as they are.
[[nodiscard]] std::string shell_word(std::string_view text);
// A stable sort for the short lists that detection orders.
template <class Items, class Key>
void stable_order(Items& items, Key key) {
  for (std::size_t i = 1; i < items.size(); ++i)
    for (std::size_t k = i; k > 0 && key(items[k]) < key(items[k - 1]); --k)
      std::swap(items[k], items[k - 1]);
}
// '*' (not '/'), '**' and '?' as workspaces and tools use them.
[[nodiscard]] bool glob_matches(std::string_view pattern, std::string_view path);

}  // namespace slipway::detection
