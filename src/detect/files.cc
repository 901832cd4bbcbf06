#include "detect/files.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace slipway::detection {
namespace {

// Folders that hold what tools fetched or made; never a project's own sources.
constexpr std::array skipped{std::string_view("node_modules"),
                             std::string_view(".git"),
                             std::string_view(".hg"),
                             std::string_view(".svn"),
                             std::string_view(".venv"),
                             std::string_view("venv"),
                             std::string_view("__pycache__"),
                             std::string_view("site-packages"),
                             std::string_view("bower_components"),
                             std::string_view(".next"),
                             std::string_view(".nuxt"),
                             std::string_view(".output"),
                             std::string_view(".svelte-kit"),
                             std::string_view(".astro"),
                             std::string_view(".turbo"),
                             std::string_view(".cache"),
                             std::string_view(".tox"),
                             std::string_view(".nox"),
                             std::string_view(".mypy_cache"),
                             std::string_view(".pytest_cache"),
                             std::string_view(".ruff_cache"),
                             std::string_view(".gradle"),
                             std::string_view(".idea"),
                             std::string_view(".vscode"),
                             std::string_view(".terraform"),
                             std::string_view(".yarn"),
                             std::string_view(".pnpm-store"),
                             std::string_view(".bundle"),
                             std::string_view("_build"),
                             std::string_view("jspm_packages"),
                             std::string_view(".angular"),
                             std::string_view(".parcel-cache"),
                             std::string_view(".dart_tool"),
                             std::string_view(".eggs"),
                             std::string_view("__MACOSX"),
                             std::string_view(".github"),
                             std::string_view(".claude"),
                             std::string_view(".cursor")};

bool is_skipped(std::string_view component) {
  if (component.size() < 4 || component.size() > 16) return false;
  const char first = component.front();
  if (first != '.' && first != '_' && first != 'n' && first != 'v' && first != 's' &&
      first != 'b' && first != 'j')
    return false;
  return std::ranges::find(skipped, component) != skipped.end();
}

// The end of the first skipped directory in `path` (its '/'), npos when there is none. Directories
// up to `known` are known to be fine.
std::size_t skipped_directory(std::string_view path, std::size_t known) {
  for (std::size_t from = known, slash = path.find('/', known); slash != std::string_view::npos;
       from = slash + 1, slash = path.find('/', from))
    if (is_skipped(path.substr(from, slash - from))) return slash;
  return std::string_view::npos;
}

}  // namespace

Files::Files(const Tree& tree) : tree_(tree) {
  const std::vector<Tree::File>& all = tree.files();
  own_.reserve(std::min(all.size(), max_entries));
  std::string_view good;  // the directory of the last file kept, with its '/'
  for (auto at = all.begin(); at != all.end();) {
    const std::string_view path = at->path;
    const std::size_t known = !good.empty() && path.starts_with(good) ? good.size() : 0;
    const std::size_t end = skipped_directory(path, known);
    if (end != std::string_view::npos) {
      std::string past(path.substr(0, end));
      past += static_cast<char>('/' + 1);  // the first path after everything in that directory
      at = std::lower_bound(
          at, all.end(), past,
          [](const Tree::File& file, const std::string& bound) { return file.path < bound; });
      continue;
    }
    if (own_.size() == max_entries) {
      truncated_ = true;
      break;
    }
    own_.push_back(&*at);
    const std::size_t slash = path.rfind('/');
    good = slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash + 1);
    ++at;
  }
}

const Tree::File* Files::find(std::string_view path) const {
  const std::vector<Tree::File>& all = tree_.files();
  const auto at = std::ranges::lower_bound(
      all, path, {}, [](const Tree::File& file) -> std::string_view { return file.path; });
  return at != all.end() && at->path == path ? &*at : nullptr;
}

bool Files::has_directory(std::string_view path) const {
  const std::vector<Tree::File>& all = tree_.files();
  const std::string prefix = std::string(path) + "/";
  const auto at = std::ranges::lower_bound(all, prefix, {}, &Tree::File::path);
  return at != all.end() && at->path.starts_with(prefix);
}

namespace {

// Without the mark of a byte order; UTF-16, which editors of Windows write, as UTF-8.
std::string decoded(std::string text) {
  if (text.starts_with("\xEF\xBB\xBF")) return text.substr(3);
  const bool little = text.starts_with("\xFF\xFE"), big = text.starts_with("\xFE\xFF");
  if (!little && !big) return text;
  std::string out;
  const auto unit = [&](std::size_t at) {
    const auto first = static_cast<unsigned char>(text[at]);
    const auto second = static_cast<unsigned char>(text[at + 1]);
    return static_cast<std::uint32_t>(little ? first | second << 8 : first << 8 | second);
  };
  for (std::size_t i = 2; i + 1 < text.size(); i += 2) {
    std::uint32_t code = unit(i);
    if (code >= 0xD800 && code < 0xDC00 && i + 3 < text.size()) {
      const std::uint32_t low = unit(i + 2);
      if (low >= 0xDC00 && low < 0xE000) {
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        i += 2;
      }
    }
    const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
    if (code < 0x80) {
      put(code);
    } else if (code < 0x800) {
      put(0xC0 | code >> 6);
      put(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
      put(0xE0 | code >> 12);
      put(0x80 | (code >> 6 & 0x3F));
      put(0x80 | (code & 0x3F));
    } else {
      put(0xF0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3F));
      put(0x80 | (code >> 6 & 0x3F));
      put(0x80 | (code & 0x3F));
    }
  }
  return out;
}

}  // namespace

std::string_view Files::text(std::string_view path) const {
  if (const auto cached = texts_.find(path); cached != texts_.end()) return cached->second;
  std::string content;
  if (find(path) != nullptr)
    if (Result<std::string> read = tree_.read(path, max_read)) content = *std::move(read);
  if (content.size() > max_read) content.resize(max_read);
  content = decoded(std::move(content));
  if (std::string_view(content).substr(0, 1024).find('\0') != std::string_view::npos)
    content.clear();
  return texts_.emplace(std::string(path), std::move(content)).first->second;
}

std::vector<std::string> Files::all_below(std::string_view prefix) const {
  constexpr std::size_t max_paths = 200;
  const std::vector<Tree::File>& all = tree_.files();
  std::vector<std::string> found;
  for (auto at = std::ranges::lower_bound(
           all, prefix, {}, [](const Tree::File& file) -> std::string_view { return file.path; });
       at != all.end() && at->path.starts_with(prefix) && found.size() < max_paths; ++at)
    found.push_back(at->path);
  return found;
}

Files::Range Files::below(std::string_view directory) const {
  if (directory.empty()) return {.first = 0, .last = own_.size()};
  const std::string from = std::string(directory) + "/";
  const std::string to = std::string(directory) + static_cast<char>('/' + 1);
  const auto path = [](const Tree::File* file) -> std::string_view { return file->path; };
  const auto first = std::ranges::lower_bound(own_, std::string_view(from), {}, path);
  const auto last = std::ranges::lower_bound(own_, std::string_view(to), {}, path);
  return {.first = static_cast<std::size_t>(first - own_.begin()),
          .last = static_cast<std::size_t>(last - own_.begin())};
}

std::string shell_word(std::string_view text) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+=,-";
  const bool safe = !text.empty() && text.find_first_not_of(plain) == std::string_view::npos;
  return safe ? std::string(text) : shell_quote(text);
}

std::string join_path(std::string_view directory, std::string_view name) {
  return resolve_path(directory, name).value_or(std::string(name));
}

std::optional<std::string> resolve_path(std::string_view directory, std::string_view name) {
  std::vector<std::string_view> parts;
  for (const std::string_view text : {directory, name})
    for (const std::string_view part : split(text, '/')) {
      if (part.empty() || part == ".") continue;
      if (part == "..") {
        if (parts.empty()) return std::nullopt;
        parts.pop_back();
      } else {
        parts.push_back(part);
      }
    }
  std::string joined;
  for (const std::string_view part : parts) {
    if (!joined.empty()) joined += '/';
    joined += part;
  }
  return joined;
}

std::string_view base_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string_view directory_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
}

std::string_view extension_of(std::string_view path) {
  const std::string_view name = base_name(path);
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? std::string_view{} : name.substr(dot);
}

std::string_view without_extension(std::string_view path) {
  return path.substr(0, path.size() - extension_of(path).size());
}

std::string_view relative_to(std::string_view path, std::string_view root) {
  if (root.empty()) return path;
  return path.size() > root.size() ? path.substr(root.size() + 1) : std::string_view{};
}

bool is_within(std::string_view path, std::string_view root) {
  if (root.empty() || path == root) return true;
  return path.size() > root.size() && path.starts_with(root) && path[root.size()] == '/';
}

std::size_t depth_of(std::string_view path) {
  return static_cast<std::size_t>(std::ranges::count(path, '/'));
}

bool glob_matches(std::string_view pattern, std::string_view path) {
  // Iterative with one point to go back to for '*' and one for '**'.
  constexpr std::size_t none = std::string_view::npos;
  std::size_t p = 0, s = 0, star = none, star_at = 0, deep = none, deep_at = 0;
  while (s < path.size()) {
    if (pattern.substr(p).starts_with("**")) {
      deep = p;
      deep_at = s;
      star = none;
      p += 2;
      if (p < pattern.size() && pattern[p] == '/') ++p;
      continue;
    }
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_at = s;
      continue;
    }
    if (p < pattern.size() && (pattern[p] == path[s] || (pattern[p] == '?' && path[s] != '/'))) {
      ++p;
      ++s;
      continue;
    }
    if (star != none && path[star_at] != '/') {
      p = star + 1;
      s = ++star_at;
      continue;
    }
    if (deep != none) {
      star = none;
      p = deep + 2;
      if (p < pattern.size() && pattern[p] == '/') ++p;
      s = ++deep_at;
      continue;
    }
    return false;
  }
  while (p < pattern.size() && (pattern[p] == '*' || pattern[p] == '/')) ++p;
  return p == pattern.size();
}

}  // namespace slipway::detection
