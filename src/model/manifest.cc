#include "model/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/text.h"

namespace slipway {
namespace {

constexpr std::string_view mode_letters = "fxl";  // in the order of FileMode

// The length of the UTF-8 sequence at the start of `text`, 0 when it is not valid (RFC 3629) or
// encodes a C1 control character.
std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((at(i) & 0xc0) != 0x80) return 0;
  if ((lead == 0xe0 && at(1) < 0xa0) || (lead == 0xed && at(1) > 0x9f) ||
      (lead == 0xf0 && at(1) < 0x90) || (lead == 0xf4 && at(1) > 0x8f) ||
      (lead == 0xc2 && at(1) < 0xa0))
    return 0;
  return length;
}

bool is_clean_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    if (first < 0x20 || first == 0x7f) return false;
    const std::size_t length = first < 0x80 ? 1 : utf8_length(text.substr(i));
    if (length == 0) return false;
    i += length;
  }
  return true;
}

std::unexpected<Error> refuse(std::string_view path, std::string_view why) {
  return fail(Errc::invalid_argument,
              fmt::format("path \"{}\" {}", sanitize_line(path.substr(0, 200)), why));
}

Status check_component(std::string_view path, std::string_view component) {
  if (component.empty()) return refuse(path, "has an empty component");
  if (component == "." || component == "..") return refuse(path, "has a \".\" or \"..\" component");
  if (component.size() > max_path_component_bytes) return refuse(path, "has too long a component");
  return {};
}

const ManifestEntry* find_in(const std::vector<ManifestEntry>& entries, std::string_view path) {
  const auto at = std::ranges::lower_bound(
      entries, path, {}, [](const ManifestEntry& entry) { return std::string_view(entry.path); });
  return at != entries.end() && at->path == path ? &*at : nullptr;
}

// What holds between sorted entries: no path twice, none below another.
Status check_neighbours(const std::vector<ManifestEntry>& entries) {
  std::string_view before;
  for (const ManifestEntry& entry : entries) {
    const std::string_view path = entry.path;
    if (!before.empty() && path <= before)
      return refuse(path, path == before ? "is there twice" : "is not in order");
    // Directories shared with the previous path were looked up with that one.
    const auto differ = std::ranges::mismatch(before, path).in2 - path.begin();
    for (auto slash = path.find('/', static_cast<std::size_t>(differ));
         slash != std::string_view::npos; slash = path.find('/', slash + 1))
      if (find_in(entries, path.substr(0, slash)) != nullptr)
        return refuse(path.substr(0, slash), "is both a file and a directory");
    before = path;
  }
  return {};
}

Status check_entry(const ManifestEntry& entry) {
  SLIPWAY_CHECK(check_manifest_path(entry.path));
  if (entry.mode == FileMode::symlink && (entry.size == 0 || entry.size > max_link_target_bytes))
    return refuse(entry.path, "is a link whose target is empty or too long");
  return {};
}

Status check_totals(const std::vector<ManifestEntry>& entries) {
  if (entries.size() > max_manifest_entries)
    return fail(Errc::too_large, fmt::format("{} files; at most {} are allowed", entries.size(),
                                             max_manifest_entries));
  std::uint64_t total = 0;
  for (const ManifestEntry& entry : entries) {
    if (entry.size > max_manifest_bytes - total)
      return fail(Errc::too_large, fmt::format("the files are larger than {} together",
                                               format_bytes(max_manifest_bytes)));
    total += entry.size;
  }
  return {};
}

// "<f|x|l> <64 hex> <size> <path>"
Result<ManifestEntry> parse_line(std::string_view line, std::size_t number) {
  const auto wrong = [&](std::string_view what) {
    return fail(Errc::invalid_argument, fmt::format("manifest line {}: {}", number, what));
  };
  constexpr std::size_t size_at = 2 + 64 + 1;
  if (line.size() < size_at + 3 || line[1] != ' ' || line[size_at - 1] != ' ')
    return wrong("is not \"<mode> <digest> <size> <path>\"");
  ManifestEntry entry;
  const auto mode = mode_letters.find(line[0]);
  if (mode == std::string_view::npos) return wrong("has an unknown mode");
  entry.mode = static_cast<FileMode>(mode);
  const auto digest = Digest::parse(line.substr(2, 64));
  if (!digest) return wrong("has no digest of 64 lower-case hex digits");
  entry.digest = *digest;
  const std::string_view rest = line.substr(size_at);
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), entry.size);
  const auto digits = static_cast<std::size_t>(end - rest.data());
  if (error != std::errc{} || digits == 0 || (rest[0] == '0' && digits > 1) ||
      digits == rest.size() || rest[digits] != ' ')
    return wrong("has no plain decimal size");
  entry.path = rest.substr(digits + 1);
  return entry;
}

}  // namespace

Status check_manifest_path(std::string_view path) {
  if (path.empty()) return fail(Errc::invalid_argument, "an empty path");
  if (path.size() > max_path_bytes) return refuse(path, "is too long");
  if (path.front() == '/') return refuse(path, "is absolute");
  if (!is_clean_utf8(path)) return refuse(path, "is not UTF-8 or has control characters");
  std::size_t depth = 0;
  for (std::size_t start = 0, end = 0; end != path.size(); start = end + 1) {
    end = std::min(path.find('/', start), path.size());
    SLIPWAY_CHECK(check_component(path, path.substr(start, end - start)));
    if (++depth > max_path_depth) return refuse(path, "is too deep");
  }
  if (path.back() == '/') return refuse(path, "has an empty component");
  return {};
}

Status check_link_target(std::string_view path, std::string_view target) {
  if (target.empty() || target.size() > max_link_target_bytes)
    return refuse(path, "is a link whose target is empty or too long");
  if (target.find('\0') != std::string_view::npos)
    return refuse(path, "is a link whose target has a zero byte");
  if (target.front() == '/') return refuse(path, "is a link to an absolute path");
  auto depth = std::ranges::count(path, '/');
  bool leading = true;
  for (const std::string_view component : split(target, '/')) {
    if (component.empty() || component == ".") continue;
    if (component != "..") {
      leading = false;
    } else if (!leading || depth-- == 0) {
      return refuse(path, leading ? "is a link that leaves the folder"
                                  : "is a link with \"..\" behind a name");
    }
  }
  return {};
}

const ManifestEntry* Manifest::find(std::string_view path) const { return find_in(entries, path); }

std::uint64_t Manifest::total_bytes() const {
  std::uint64_t total = 0;
  for (const ManifestEntry& entry : entries) total += entry.size;
  return total;
}

std::string Manifest::to_text() const {
  std::size_t bytes = 0;
  for (const ManifestEntry& entry : entries) bytes += entry.path.size() + 90;
  std::string text;
  text.reserve(bytes);
  for (const ManifestEntry& entry : entries) {
    text += mode_letters[static_cast<std::size_t>(entry.mode)];
    text += ' ';
    text += entry.digest.hex();
    text += ' ';
    text += std::to_string(entry.size);
    text += ' ';
    text += entry.path;
    text += '\n';
  }
  return text;
}

Digest Manifest::digest() const { return sha256(to_text()); }

Result<Manifest> Manifest::parse(std::string_view text) {
  Manifest manifest;
  const auto lines = static_cast<std::size_t>(std::ranges::count(text, '\n'));
  manifest.entries.reserve(std::min(lines, max_manifest_entries));
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos)
      return fail(Errc::invalid_argument, fmt::format("manifest line {} has no end", number));
    if (number > max_manifest_entries)
      return fail(Errc::too_large, fmt::format("more than {} files", max_manifest_entries));
    SLIPWAY_TRY(ManifestEntry entry, parse_line(text.substr(0, end), number));
    SLIPWAY_CHECK(check_entry(entry));
    manifest.entries.push_back(std::move(entry));
    text.remove_prefix(end + 1);
  }
  SLIPWAY_CHECK(check_totals(manifest.entries));
  SLIPWAY_CHECK(check_neighbours(manifest.entries));
  return manifest;
}

Result<Manifest> Manifest::from_entries(std::vector<ManifestEntry> entries) {
  std::ranges::sort(entries, {}, &ManifestEntry::path);
  for (const ManifestEntry& entry : entries) SLIPWAY_CHECK(check_entry(entry));
  SLIPWAY_CHECK(check_totals(entries));
  SLIPWAY_CHECK(check_neighbours(entries));
  return Manifest{std::move(entries)};
}

namespace {

// Walks both sorted trees at once: visit(before or null, after or null) for each path.
template <class Visit>
void walk_both(const Manifest& before, const Manifest& after, Visit visit) {
  auto b = before.entries.begin();
  auto a = after.entries.begin();
  while (b != before.entries.end() || a != after.entries.end()) {
    if (a == after.entries.end() || (b != before.entries.end() && b->path < a->path))
      visit(&*b++, nullptr);
    else if (b == before.entries.end() || a->path < b->path)
      visit(nullptr, &*a++);
    else
      visit(&*b++, &*a++);
  }
}

}  // namespace

ManifestDiff diff(const Manifest& before, const Manifest& after) {
  ManifestDiff out;
  walk_both(before, after, [&](const ManifestEntry* b, const ManifestEntry* a) {
    if (b == nullptr)
      out.added.push_back(a->path);
    else if (a == nullptr)
      out.removed.push_back(b->path);
    else if (*a != *b)
      out.modified.push_back(a->path);
  });
  return out;
}

ManifestDelta delta(const Manifest& before, const Manifest& after) {
  ManifestDelta out{.base = before.digest(), .changed = {}, .removed = {}};
  walk_both(before, after, [&](const ManifestEntry* b, const ManifestEntry* a) {
    if (a == nullptr)
      out.removed.push_back(b->path);
    else if (b == nullptr || *a != *b)
      out.changed.push_back(*a);
  });
  return out;
}

Result<Manifest> apply(const Manifest& base, const ManifestDelta& delta) {
  if (base.digest() != delta.base)
    return fail(Errc::conflict, "the change is relative to another tree", "send the full manifest");
  if (delta.changed.size() > max_manifest_entries)
    return fail(Errc::too_large, fmt::format("more than {} files", max_manifest_entries));
  std::vector<std::string_view> removed(delta.removed.begin(), delta.removed.end());
  std::ranges::sort(removed);
  std::vector<ManifestEntry> changed = delta.changed;
  std::ranges::sort(changed, {}, &ManifestEntry::path);
  for (const std::string_view path : removed) {
    if (base.find(path) == nullptr) return refuse(path, "is removed but was not there");
    if (find_in(changed, path) != nullptr) return refuse(path, "is both changed and removed");
  }
  if (std::ranges::adjacent_find(removed) != removed.end())
    return fail(Errc::invalid_argument, "a path is removed twice");
  std::vector<ManifestEntry> kept;
  kept.reserve(base.entries.size() + changed.size());
  for (const ManifestEntry& entry : base.entries)
    if (!std::ranges::binary_search(removed, std::string_view(entry.path)) &&
        find_in(changed, entry.path) == nullptr)
      kept.push_back(entry);
  std::ranges::move(changed, std::back_inserter(kept));
  return Manifest::from_entries(std::move(kept));
}

}  // namespace slipway
