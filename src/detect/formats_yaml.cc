#include <cctype>
#include <map>
#include <utility>

#include "base/text.h"
#include "detect/formats.h"

namespace slipway::detection {
namespace {

constexpr int max_depth = 32;
constexpr std::size_t max_lines = 20'000;

struct Line {
  std::size_t indent = 0;
  std::string_view text;  // without indentation and comment
};

// Removes a comment: '#' at the start or after a blank, outside quotes.
std::string_view without_comment(std::string_view text) {
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      if (i == 0 || std::string_view(" [{:,-").find(text[i - 1]) != std::string_view::npos)
        quote = c;
    } else if (c == '#' && (i == 0 || text[i - 1] == ' ' || text[i - 1] == '\t')) {
      return text.substr(0, i);
    }
  }
  return text;
}

std::string unquote(std::string_view text) {
  text = trim(text);
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
      text.back() == text.front())
    return std::string(text.substr(1, text.size() - 2));
  return std::string(text);
}

// The ':' that ends a key, outside quotes and followed by a blank or the end.
std::size_t key_end(std::string_view text) {
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if ((c == '"' || c == '\'') && i == 0) {
      quote = c;
    } else if (c == ':' && (i + 1 == text.size() || text[i + 1] == ' ' || text[i + 1] == '\t')) {
      return i;
    }
  }
  return std::string_view::npos;
}

class Flow {
 public:
  explicit Flow(std::string_view text) : text_(text) {}
  json::value value(int depth) {
    blanks();
    if (depth > max_depth || at_ >= text_.size()) return nullptr;
    if (text_[at_] == '[') return list(depth);
    if (text_[at_] == '{') return map(depth);
    return json::value(scalar(",]}"));
  }

 private:
  void blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  std::string scalar(std::string_view stops) {
    const std::size_t from = at_;
    char quote = 0;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (quote != 0) {
        if (c == quote) quote = 0;
      } else if (c == '"' || c == '\'') {
        quote = c;
      } else if (stops.find(c) != std::string_view::npos) {
        break;
      }
    }
    return unquote(text_.substr(from, at_ - from));
  }
  json::value list(int depth) {
    json::array items;
    ++at_;
    while (at_ < text_.size()) {
      blanks();
      if (at_ >= text_.size() || text_[at_] == ']') break;
      const std::size_t before = at_;
      items.push_back(value(depth + 1));
      blanks();
      if (at_ < text_.size() && (text_[at_] == ',' || at_ == before)) ++at_;
    }
    if (at_ < text_.size()) ++at_;
    return items;
  }
  json::value map(int depth) {
    json::object members;
    ++at_;
    while (at_ < text_.size()) {
      blanks();
      if (at_ >= text_.size() || text_[at_] == '}') break;
      const std::size_t before = at_;
      std::string key = scalar(":,}");
      json::value item;
      if (at_ < text_.size() && text_[at_] == ':') {
        ++at_;
        item = value(depth + 1);
      }
      members[key] = std::move(item);
      blanks();
      if (at_ < text_.size() && (text_[at_] == ',' || at_ == before)) ++at_;
    }
    if (at_ < text_.size()) ++at_;
    return members;
  }
  std::string_view text_;
  std::size_t at_ = 0;
};

class Blocks {
 public:
  explicit Blocks(std::vector<Line> lines) : lines_(std::move(lines)) {}

  json::value block(std::size_t indent, int depth) {
    if (at_ >= lines_.size() || depth > max_depth) return nullptr;
    return is_item(lines_[at_].text) ? list(indent, depth) : map(indent, depth);
  }

 private:
  static bool is_item(std::string_view text) { return text == "-" || text.starts_with("- "); }

  json::value list(std::size_t indent, int depth) {
    json::array items;
    while (at_ < lines_.size() && lines_[at_].indent == indent && is_item(lines_[at_].text)) {
      const std::string_view rest = trim(lines_[at_].text.substr(1));
      if (rest.empty()) {
        ++at_;
        items.push_back(child(indent, depth));
      } else if (key_end(rest) != std::string_view::npos && rest.front() != '{' &&
                 rest.front() != '[') {
        // "- key: value": the rest of the line is the first line of a map, further in.
        const std::size_t inner =
            indent + static_cast<std::size_t>(rest.data() - lines_[at_].text.data());
        lines_[at_] = Line{.indent = inner, .text = rest};
        const std::size_t before = at_;
        items.push_back(block(inner, depth + 1));
        if (at_ == before) ++at_;  // too deep: skip it
      } else {
        ++at_;
        items.push_back(scalar(rest, indent));
      }
    }
    return items;
  }

  json::value map(std::size_t indent, int depth) {
    json::object members;
    while (at_ < lines_.size() && lines_[at_].indent == indent && !is_item(lines_[at_].text)) {
      const std::string_view text = lines_[at_].text;
      const std::size_t colon = key_end(text);
      ++at_;
      if (colon == std::string_view::npos) continue;  // not a map's line: skip it
      const std::string key = unquote(text.substr(0, colon));
      std::string_view rest = trim(text.substr(colon + 1));
      const std::string anchor = take_anchor(rest);
      json::value item = rest.empty() ? child(indent, depth) : scalar(rest, indent);
      if (!anchor.empty()) remember(anchor, item);
      if (key == "<<")
        merge(members, item);
      else
        members[key] = std::move(item);
    }
    // A line further in than its map belongs to nothing we know; step over it.
    while (at_ < lines_.size() && lines_[at_].indent > indent) ++at_;
    return members;
  }

  // `&name` before a value.
  static std::string take_anchor(std::string_view& text) {
    if (!text.starts_with('&')) return {};
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    std::string name(text.substr(1, end - 1));
    text = trim(text.substr(end));
    return name;
  }

  // Copies are bounded in number and size, so that anchors of anchors stay small.
  void remember(const std::string& name, const json::value& item) {
    constexpr std::size_t max_anchors = 64;
    std::size_t left = max_copied;
    if (anchors_.size() < max_anchors && fits(item, left)) anchors_[name] = item;
  }
  static bool fits(const json::value& item, std::size_t& left) {
    if (left == 0) return false;
    --left;
    if (const json::object* object = item.if_object())
      for (const auto& [key, member] : *object)
        if (!fits(member, left)) return false;
    if (const json::array* array = item.if_array())
      for (const json::value& member : *array)
        if (!fits(member, left)) return false;
    return true;
  }

  // `<<: *name`: members that the map does not have itself.
  static void merge(json::object& into, const json::value& from) {
    if (const json::object* object = from.if_object())
      for (const auto& [key, member] : *object) into.emplace(key, member);
    if (const json::array* array = from.if_array())
      for (const json::value& item : *array)
        if (const json::object* object = item.if_object())
          for (const auto& [key, member] : *object) into.emplace(key, member);
  }

  json::value child(std::size_t indent, int depth) {
    if (at_ >= lines_.size()) return nullptr;
    const Line& next = lines_[at_];
    if (next.indent > indent) return block(next.indent, depth + 1);
    if (next.indent == indent && is_item(next.text)) return list(indent, depth + 1);
    return nullptr;
  }

  json::value scalar(std::string_view text, std::size_t indent) {
    if (text.front() == '[' || text.front() == '{') return Flow(text).value(0);
    if (text.front() == '|' || text.front() == '>') {
      std::string block;
      while (at_ < lines_.size() && lines_[at_].indent > indent) {
        if (!block.empty()) block += '\n';
        block += lines_[at_++].text;
      }
      return json::value(block);
    }
    if (text.front() == '*' && copies_ < max_copies)
      if (const auto at = anchors_.find(text.substr(1)); at != anchors_.end()) {
        ++copies_;
        return at->second;
      }
    return json::value(unquote(text));
  }

  static constexpr std::size_t max_copied = 500;  // values under one anchor
  static constexpr int max_copies = 100;
  std::vector<Line> lines_;
  std::size_t at_ = 0;
  std::map<std::string, json::value, std::less<>> anchors_;
  int copies_ = 0;
};

}  // namespace

std::optional<json::value> parse_yaml(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<Line> kept;
  for (const std::string_view raw : lines(text)) {
    if (raw.starts_with("---") && kept.empty()) continue;
    if (raw.starts_with("---") || raw.starts_with("...")) break;
    const std::size_t indent = std::min(raw.find_first_not_of(' '), raw.size());
    const std::string_view body = trim(without_comment(raw.substr(indent)));
    if (body.empty()) continue;
    if (kept.size() == max_lines) return std::nullopt;
    kept.push_back({.indent = indent, .text = body});
  }
  if (kept.empty()) return json::value(json::object{});
  const std::size_t indent = kept.front().indent;
  return Blocks(std::move(kept)).block(indent, 0);
}

}  // namespace slipway::detection
