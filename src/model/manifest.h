#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

namespace slipway {

enum class FileMode { regular, executable, symlink };

// One file of a tree. `path` is relative, '/'-separated, normalized: no empty, "." or ".."
// component, no leading slash, valid UTF-8 without control characters. A symlink's blob is its
// target text, which check_link_target() judges wherever the text is at hand (scan, materialize).
struct ManifestEntry {
  std::string path;
  FileMode mode = FileMode::regular;
  std::uint64_t size = 0;
  Digest digest;
  bool operator==(const ManifestEntry&) const = default;
};

// The limits of a tree. A client may set lower ones (ScanLimits), never higher.
inline constexpr std::size_t max_manifest_entries = 200'000;
inline constexpr std::uint64_t max_manifest_bytes = 16ull << 30;
inline constexpr std::size_t max_path_bytes = 4095, max_path_component_bytes = 255;
inline constexpr std::size_t max_path_depth = 128;  // components
inline constexpr std::size_t max_link_target_bytes = 4095;

// A tree of files as a value: entries sorted by path (bytewise), no path twice, no path that is
// also a directory of another. Its digest identifies the source of a deployment.
struct Manifest {
  std::vector<ManifestEntry> entries;

  [[nodiscard]] const ManifestEntry* find(std::string_view path) const;
  [[nodiscard]] std::uint64_t total_bytes() const;
  // Canonical text, one line an entry: "<f|x|l> <hex digest> <size> <path>\n". docs/formats.md.
  [[nodiscard]] std::string to_text() const;
  // SHA-256 of to_text().
  [[nodiscard]] Digest digest() const;
  // Rejects anything that to_text() would not have written, and trees beyond the limits.
  [[nodiscard]] static Result<Manifest> parse(std::string_view text);
  // The same checks for entries made in memory: sorts them first.
  [[nodiscard]] static Result<Manifest> from_entries(std::vector<ManifestEntry> entries);

  bool operator==(const Manifest&) const = default;
};

// Whether `path` may stand in a manifest (see ManifestEntry). The error says what is wrong with it.
[[nodiscard]] Status check_manifest_path(std::string_view path);

// Whether a symlink at `path` may point to `target`: relative, ".." only as leading components and
// never above the tree's root. As no path of a manifest leads through a symlink, chains of such
// links cannot leave the tree either.
[[nodiscard]] Status check_link_target(std::string_view path, std::string_view target);

// What changed between two trees, sorted paths.
struct ManifestDiff {
  std::vector<std::string> added, modified, removed;
  bool operator==(const ManifestDiff&) const = default;
};
[[nodiscard]] ManifestDiff diff(const Manifest& before, const Manifest& after);

// A change relative to a base manifest; so that bytes on the wire are proportional to the change.
struct ManifestDelta {
  Digest base;
  std::vector<ManifestEntry> changed;  // added or modified
  std::vector<std::string> removed;
  bool operator==(const ManifestDelta&) const = default;
};
[[nodiscard]] ManifestDelta delta(const Manifest& before, const Manifest& after);
// The same checks as Manifest::parse on the outcome. Errors: conflict when `base` is not the
// delta's base; invalid_argument.
[[nodiscard]] Result<Manifest> apply(const Manifest& base, const ManifestDelta& delta);

}  // namespace slipway
