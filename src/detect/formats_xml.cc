#include <array>
#include <cctype>
#include <utility>

#include "detect/formats.h"

namespace slipway::detection {
namespace {

constexpr std::size_t max_depth = 64;
constexpr std::size_t max_nodes = 50'000;

std::string decode(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, char>, 5> entities{
      {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}}};
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    bool decoded = false;
    if (text[i] == '&')
      for (const auto& [entity, character] : entities)
        if (text.substr(i).starts_with(entity)) {
          out += character;
          i += entity.size();
          decoded = true;
          break;
        }
    if (!decoded) out += text[i++];
  }
  return out;
}

std::string_view strip(std::string_view text) {
  const auto blank = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

// Skips a comment, declaration or CDATA section that starts at `at`; the CDATA's text is added.
bool skip_special(std::string_view text, std::size_t& at, std::string* into) {
  const std::string_view rest = text.substr(at);
  std::string_view open, close;
  if (rest.starts_with("<!--"))
    open = "<!--", close = "-->";
  else if (rest.starts_with("<![CDATA["))
    open = "<![CDATA[", close = "]]>";
  else if (rest.starts_with("<?"))
    open = "<?", close = "?>";
  else if (rest.starts_with("<!"))
    open = "<!", close = ">";
  else
    return false;
  const std::size_t end = text.find(close, at + open.size());
  const std::size_t stop = end == std::string_view::npos ? text.size() : end;
  if (close == "]]>" && into != nullptr)
    *into += text.substr(at + open.size(), stop - at - open.size());
  at = stop == text.size() ? stop : stop + close.size();
  return true;
}

}  // namespace

const XmlNode* XmlNode::find(std::string_view child) const {
  for (const XmlNode& node : children)
    if (node.name == child) return &node;
  return nullptr;
}

std::string_view XmlNode::text_at(std::initializer_list<std::string_view> path) const {
  const XmlNode* node = this;
  for (const std::string_view step : path) {
    node = node->find(step);
    if (node == nullptr) return {};
  }
  return node->text;
}

std::optional<XmlNode> parse_xml(std::string_view text) {
  std::vector<XmlNode> open;  // the path from the document down to the element being read
  open.emplace_back();
  std::size_t nodes = 0;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] != '<') {
      const std::size_t next = std::min(text.find('<', at), text.size());
      open.back().text += decode(strip(text.substr(at, next - at)));
      at = next;
      continue;
    }
    if (skip_special(text, at, &open.back().text)) continue;
    const std::size_t end = text.find('>', at);
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view tag = text.substr(at + 1, end - at - 1);
    at = end + 1;
    if (tag.starts_with('/')) {
      if (open.size() < 2) return std::nullopt;
      XmlNode done = std::move(open.back());
      open.pop_back();
      open.back().children.push_back(std::move(done));
      continue;
    }
    if (++nodes > max_nodes || open.size() > max_depth) return std::nullopt;
    const bool empty = tag.ends_with('/');
    XmlNode node;
    node.name = tag.substr(0, tag.find_first_of(" \t\r\n/"));
    // Attributes become children named "@name": enough for `<Project Sdk="...">`.
    for (std::size_t i = node.name.size(); i < tag.size();) {
      const std::size_t equals = tag.find('=', i);
      if (equals == std::string_view::npos) break;
      const std::size_t quote = tag.find_first_of("\"'", equals);
      if (quote == std::string_view::npos) break;
      const std::size_t close = tag.find(tag[quote], quote + 1);
      if (close == std::string_view::npos) break;
      XmlNode attribute;
      attribute.name = "@" + std::string(strip(tag.substr(i, equals - i)));
      attribute.text = decode(tag.substr(quote + 1, close - quote - 1));
      node.children.push_back(std::move(attribute));
      i = close + 1;
    }
    if (empty)
      open.back().children.push_back(std::move(node));
    else
      open.push_back(std::move(node));
  }
  if (open.size() != 1) return std::nullopt;
  return std::move(open.front());
}

}  // namespace slipway::detection
