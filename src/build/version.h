#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway {

// The version of a tool. Plain value; missing parts are zero.
struct Version {
  int major = 0, minor = 0, patch = 0;
  std::string prerelease;  // "rc.1"; "" for a release

  bool operator==(const Version&) const = default;
  // Semver precedence, except that prereleases of one release compare as text.
  std::strong_ordering operator<=>(const Version& other) const;
  [[nodiscard]] std::string str() const;  // "20.11.1", "23.0.0-rc.1"
  // Finds the version in "v20.11.1", "go1.22", "3.13.0rc1", "openjdk 17.0.15+6". Nothing when
  // `text` does not begin with one (a leading "v", "go", "=" or "python-" is passed over).
  [[nodiscard]] static std::optional<Version> parse(std::string_view text);
};

// How a bare "20.1" and the operators are read: as npm does, as Composer does ("~8.1" lets 8.2 in),
// as Python's tools do (PEP 440 and Poetry's ^ and ~), or as the least version that will do (Go,
// Rust's MSRV, Java). "~>" is Ruby's and Elixir's everywhere: "~> 3.1" lets 3.2 in.
enum class RangeStyle { npm, composer, python, minimum };

// A set of versions as its source wrote it: ">=18 <21 || ^22", "3.11.*", ">=3.9,<4", "1.22".
class VersionRange {
 public:
  // "" and "*" allow everything. Nothing for text that is no range.
  [[nodiscard]] static std::optional<VersionRange> parse(std::string_view text, RangeStyle style);
  // A prerelease is allowed only where a bound names a prerelease of the same release.
  [[nodiscard]] bool allows(const Version& version) const;
  [[nodiscard]] bool allows_everything() const;
  // The same set in npm's words (">=18.0.0 <21.0.0"); "*" for all. Made of digits, dots, spaces and
  // operators alone.
  [[nodiscard]] std::string npm_text() const;
  // The first alternative in PEP 440's words (">=3.9.0,<4.0.0"); "" for all.
  [[nodiscard]] std::string python_text() const;
  // The same range with each exact "x.y.z" widened to "x.y.*": what to settle for when that patch
  // release cannot be had.
  [[nodiscard]] VersionRange without_patch() const;

  enum class Op { lt, le, gt, ge, eq, ne };
  struct Bound {
    Op op = Op::ge;
    Version version;
  };

 private:
  std::vector<std::vector<Bound>> any_of_;  // each: all of
};

}  // namespace slipway
