#include "router/static_negotiation.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "http/message.h"

namespace slipway {
namespace {

// "q=0", "q=0.0", ... refuse.
bool is_refused(std::string_view parameters) {
  for (const std::string_view parameter : split(parameters, ';')) {
    const std::string_view text = trim(parameter);
    if (text.size() < 3 || (text[0] != 'q' && text[0] != 'Q') || text[1] != '=') continue;
    return std::ranges::all_of(text.substr(2), [](char c) { return c == '0' || c == '.'; });
  }
  return false;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::vector<Coding> accepted_codings(std::string_view accept_encoding) {
  std::array<bool, coding_count> allowed{}, named{};
  bool rest = false;
  for (const std::string_view item : split(accept_encoding, ',')) {
    const std::size_t semicolon = item.find(';');
    const std::string_view name = trim(item.substr(0, semicolon));
    const bool ok = semicolon == std::string_view::npos || !is_refused(item.substr(semicolon + 1));
    if (name == "*") rest = ok;
    for (std::size_t i = 0; i < coding_count; ++i)
      if (same_name(name, to_string(static_cast<Coding>(i)))) {
        named[i] = true;
        allowed[i] = ok;
      }
  }
  std::vector<Coding> codings;
  for (std::size_t i = 0; i < coding_count; ++i)
    if (named[i] ? allowed[i] : rest) codings.push_back(static_cast<Coding>(i));
  return codings;
}

std::string entity_tag(const Digest& digest, std::optional<Coding> coding) {
  std::string tag = "\"" + digest.hex().substr(0, 32);
  if (coding) {
    tag += '-';
    tag += to_string(*coding);
  }
  return tag + "\"";
}

bool none_match_hits(std::string_view if_none_match, const Digest& digest) {
  const std::string stem = digest.hex().substr(0, 32);
  for (std::string_view item : split(if_none_match, ',')) {
    item = trim(item);
    if (item == "*") return true;
    if (item.starts_with("W/")) item.remove_prefix(2);
    if (item.size() < 2 || !item.starts_with('"') || !item.ends_with('"')) continue;
    item = item.substr(1, item.size() - 2);
    if (!item.starts_with(stem)) continue;
    const std::string_view rest = item.substr(stem.size());
    if (rest.empty()) return true;
    for (std::size_t i = 0; i < coding_count; ++i)
      if (rest.substr(1) == to_string(static_cast<Coding>(i)) && rest.front() == '-') return true;
  }
  return false;
}

RangeAnswer choose_range(std::string_view range, std::uint64_t size) {
  constexpr std::string_view unit = "bytes=";
  if (range.size() <= unit.size() || !same_name(range.substr(0, unit.size()), unit)) return {};
  const std::string_view spec = trim(range.substr(unit.size()));
  const std::size_t dash = spec.find('-');
  if (dash == std::string_view::npos || spec.find(',') != std::string_view::npos) return {};
  const std::string_view from = trim(spec.substr(0, dash)), to = trim(spec.substr(dash + 1));
  if (from.empty()) {  // the last n bytes
    const auto count = number(to);
    if (!count) return {};
    if (*count == 0 || size == 0) return {.verdict = RangeVerdict::unsatisfiable};
    return {RangeVerdict::part, {size - std::min(*count, size), size - 1}};
  }
  const auto first = number(from);
  const auto last = to.empty() ? std::optional<std::uint64_t>(size - 1) : number(to);
  if (!first || !last || (!to.empty() && *last < *first)) return {};
  if (*first >= size) return {.verdict = RangeVerdict::unsatisfiable};
  return {RangeVerdict::part, {*first, std::min(*last, size - 1)}};
}

}  // namespace slipway
