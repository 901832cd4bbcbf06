#include "build/version.h"

#include <fmt/format.h>

#include <charconv>

#include "base/text.h"

namespace slipway {
namespace {

using Op = VersionRange::Op;
using Bound = VersionRange::Bound;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A version with parts left out: "20", "20.x", "*".
struct Partial {
  Version version;
  int parts = 0;  // how many numbers were given
};

std::optional<int> take_number(std::string_view& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end == text.data() || value < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

bool starts_wild(std::string_view text) {
  return !text.empty() && (text.front() == '*' || text.front() == 'x' || text.front() == 'X');
}

// Reads a partial version from the front of `text`; leaves what follows.
std::optional<Partial> take_partial(std::string_view& text) {
  for (std::string_view prefix : {"python-", "go", "v", "="})
    if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  Partial out;
  int* const slots[] = {&out.version.major, &out.version.minor, &out.version.patch};
  bool wild = false;
  for (int* slot : slots) {
    if (starts_wild(text)) {
      text.remove_prefix(1);
      wild = true;
    } else if (!wild) {
      const auto number = take_number(text);
      if (!number) return std::nullopt;
      *slot = *number;
      ++out.parts;
    } else {
      if (!take_number(text)) return std::nullopt;  // "1.x.3": what follows the wildcard is moot
    }
    const bool more =
        text.size() >= 2 && text[0] == '.' && (is_digit(text[1]) || starts_wild(text.substr(1)));
    if (!more) break;
    text.remove_prefix(1);
  }
  while (text.size() >= 2 && text[0] == '.' && is_digit(text[1])) {  // a fourth part: JDKs have it
    text.remove_prefix(1);
    if (!take_number(text)) return std::nullopt;
  }
  const auto tag_end = [](std::string_view rest) {
    std::size_t at = 0;
    while (at < rest.size() && (std::isalnum(static_cast<unsigned char>(rest[at])) ||
                                rest[at] == '.' || rest[at] == '-'))
      ++at;
    return at;
  };
  if (!text.empty() &&
      (text[0] == '-' || (out.parts > 0 && std::isalpha(static_cast<unsigned char>(text[0]))))) {
    if (text[0] == '-') text.remove_prefix(1);
    const auto length = tag_end(text);
    out.version.prerelease = std::string(text.substr(0, length));
    text.remove_prefix(length);
  }
  if (!text.empty() && text[0] == '+') {  // build metadata does not count
    text.remove_prefix(1);
    text.remove_prefix(tag_end(text));
  }
  return out;
}

// The first version above all those that `partial` stands for.
Version after(const Partial& partial) {
  const Version& v = partial.version;
  if (partial.parts <= 1) return {v.major + 1, 0, 0, {}};
  if (partial.parts == 2) return {v.major, v.minor + 1, 0, {}};
  return {v.major, v.minor, v.patch + 1, {}};
}

void add_span(std::vector<Bound>& bounds, const Version& from, const Version& below) {
  bounds.push_back({Op::ge, from});
  bounds.push_back({Op::lt, below});
}

// "^1.2.3": up to the next change of the left-most non-zero part.
Version caret_end(const Partial& p) {
  const Version& v = p.version;
  if (v.major > 0 || p.parts <= 1) return {v.major + 1, 0, 0, {}};
  if (v.minor > 0 || p.parts == 2) return {0, v.minor + 1, 0, {}};
  return {0, 0, v.patch + 1, {}};
}

Version tilde_end(const Partial& p) {
  return p.parts <= 1 ? Version{p.version.major + 1, 0, 0, {}}
                      : Version{p.version.major, p.version.minor + 1, 0, {}};
}

void add_exact(std::vector<Bound>& bounds, const Partial& p) {
  if (p.parts == 0) return;
  if (p.parts == 3)
    bounds.push_back({Op::eq, p.version});
  else
    add_span(bounds, p.version, after(p));
}

std::string_view take_operator(std::string_view& text) {
  for (std::string_view op : {"===", "~=", "~>", "==", "!=", ">=", "<=", ">", "<", "^", "~", "="})
    if (text.starts_with(op)) {
      const auto taken = text.substr(0, op.size());
      text.remove_prefix(op.size());
      text = text.substr(std::min(text.find_first_not_of(" \t"), text.size()));
      return taken;
    }
  return {};
}

// One comparator from the front of `text` into `bounds`.
bool take_comparator(std::string_view& text, RangeStyle style, std::vector<Bound>& bounds) {
  const std::string_view op = take_operator(text);
  const auto partial = take_partial(text);
  if (!partial) return false;
  const Version& v = partial->version;
  if (op == ">=" || (op.empty() && style == RangeStyle::minimum)) {
    bounds.push_back({Op::ge, v});
  } else if (op == "<=") {
    if (partial->parts == 3 || partial->parts == 0 || style == RangeStyle::python)
      bounds.push_back({Op::le, v});
    else
      bounds.push_back({Op::lt, after(*partial)});
  } else if (op == ">") {
    if (partial->parts == 3 || style == RangeStyle::python)
      bounds.push_back({Op::gt, v});
    else
      bounds.push_back({Op::ge, after(*partial)});
  } else if (op == "<") {
    bounds.push_back({Op::lt, v});
  } else if (op == "!=") {
    if (partial->parts == 3) bounds.push_back({Op::ne, v});  // a "!=3.9.*" never decides here
  } else if (op == "^") {
    if (partial->parts > 0) add_span(bounds, v, caret_end(*partial));
  } else if (op == "~>" || (op == "~" && style == RangeStyle::composer)) {
    // The last part that is written may rise.
    if (partial->parts > 0)
      add_span(bounds, v,
               partial->parts == 2 ? Version{v.major + 1, 0, 0, {}} : tilde_end(*partial));
  } else if (op == "~") {
    if (partial->parts > 0) add_span(bounds, v, tilde_end(*partial));
  } else if (op == "~=") {
    if (partial->parts < 2) return false;
    add_span(bounds, v, partial->parts == 2 ? Version{v.major + 1, 0, 0, {}} : tilde_end(*partial));
  } else {
    add_exact(bounds, *partial);
  }
  return true;
}

std::optional<std::vector<Bound>> parse_alternative(std::string_view text, RangeStyle style) {
  std::vector<Bound> bounds;
  if (const auto dash = text.find(" - "); dash != std::string_view::npos) {
    std::string_view low = trim(text.substr(0, dash)), high = trim(text.substr(dash + 3));
    const auto from = take_partial(low), to = take_partial(high);
    if (!from || !to || !low.empty() || !high.empty()) return std::nullopt;
    bounds.push_back({Op::ge, from->version});
    if (to->parts == 3)
      bounds.push_back({Op::le, to->version});
    else if (to->parts > 0)
      bounds.push_back({Op::lt, after(*to)});
    return bounds;
  }
  constexpr std::string_view separators = " \t,";
  for (;;) {
    const auto start = text.find_first_not_of(separators);
    if (start == std::string_view::npos) return bounds;
    text.remove_prefix(start);
    if (!take_comparator(text, style, bounds)) return std::nullopt;
    if (!text.empty() && separators.find(text.front()) == std::string_view::npos &&
        std::string_view("<>=!~^").find(text.front()) == std::string_view::npos)
      return std::nullopt;
  }
}

bool holds(const Bound& bound, const Version& version) {
  switch (bound.op) {
    case Op::lt:
      return version < bound.version;
    case Op::le:
      return version <= bound.version;
    case Op::gt:
      return version > bound.version;
    case Op::ge:
      return version >= bound.version;
    case Op::eq:
      return version == bound.version;
    case Op::ne:
      return version != bound.version;
  }
  return false;
}

bool same_release(const Version& a, const Version& b) {
  return a.major == b.major && a.minor == b.minor && a.patch == b.patch;
}

std::string_view npm_operator(Op op) {
  switch (op) {
    case Op::lt:
      return "<";
    case Op::le:
      return "<=";
    case Op::gt:
      return ">";
    case Op::ge:
      return ">=";
    case Op::eq:
      return "";
    case Op::ne:
      return "";
  }
  return "";
}

std::string numbers(const Version& v) { return fmt::format("{}.{}.{}", v.major, v.minor, v.patch); }

}  // namespace

std::strong_ordering Version::operator<=>(const Version& other) const {
  if (auto c = major <=> other.major; c != 0) return c;
  if (auto c = minor <=> other.minor; c != 0) return c;
  if (auto c = patch <=> other.patch; c != 0) return c;
  if (prerelease.empty() != other.prerelease.empty())
    return prerelease.empty() ? std::strong_ordering::greater : std::strong_ordering::less;
  return prerelease <=> other.prerelease;
}

std::string Version::str() const {
  std::string out = numbers(*this);
  if (!prerelease.empty()) out += "-" + prerelease;
  return out;
}

std::optional<Version> Version::parse(std::string_view text) {
  text = trim(text);
  const auto partial = take_partial(text);
  if (!partial || partial->parts == 0) return std::nullopt;
  return partial->version;
}

std::optional<VersionRange> VersionRange::parse(std::string_view text, RangeStyle style) {
  VersionRange range;
  text = trim(text);
  std::size_t from = 0;
  for (;;) {
    const auto bar = text.find('|', from);
    const auto alternative = parse_alternative(trim(text.substr(from, bar - from)), style);
    if (!alternative) return std::nullopt;
    range.any_of_.push_back(*alternative);
    if (bar == std::string_view::npos) return range;
    from = bar + 1;
    if (from < text.size() && text[from] == '|') ++from;
  }
}

bool VersionRange::allows(const Version& version) const {
  for (const auto& bounds : any_of_) {
    bool all = true, names_prerelease = version.prerelease.empty();
    for (const Bound& bound : bounds) {
      all = all && holds(bound, version);
      names_prerelease = names_prerelease || (!bound.version.prerelease.empty() &&
                                              same_release(bound.version, version));
    }
    if (all && names_prerelease) return true;
  }
  return false;
}

bool VersionRange::allows_everything() const {
  for (const auto& bounds : any_of_)
    if (bounds.empty()) return true;
  return any_of_.empty();
}

std::string VersionRange::npm_text() const {
  if (allows_everything()) return "*";
  std::vector<std::string> alternatives;
  for (const auto& bounds : any_of_) {
    std::vector<std::string> parts;
    for (const Bound& bound : bounds)
      if (bound.op != Op::ne)
        parts.push_back(std::string(npm_operator(bound.op)) + numbers(bound.version));
    alternatives.push_back(parts.empty() ? "*" : join(parts, " "));
  }
  return join(alternatives, " || ");
}

std::string VersionRange::python_text() const {
  if (allows_everything()) return {};
  std::vector<std::string> parts;
  for (const Bound& bound : any_of_.front()) {
    std::string_view op = npm_operator(bound.op);
    if (bound.op == Op::eq) op = "==";
    if (bound.op == Op::ne) op = "!=";
    parts.push_back(std::string(op) + numbers(bound.version));
  }
  return join(parts, ",");
}

VersionRange VersionRange::without_patch() const {
  VersionRange out = *this;
  for (auto& bounds : out.any_of_) {
    std::vector<Bound> widened;
    for (const Bound& bound : bounds) {
      if (bound.op == Op::eq)
        add_span(widened, {bound.version.major, bound.version.minor, 0, {}},
                 {bound.version.major, bound.version.minor + 1, 0, {}});
      else
        widened.push_back(bound);
    }
    bounds = std::move(widened);
  }
  return out;
}

}  // namespace slipway
