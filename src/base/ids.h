#pragma once

#include <compare>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace slipway {

// 50 random bits from the kernel as 10 base32 letters; fit for a DNS label.
[[nodiscard]] std::string random_id();
// 256 random bits from the kernel as base32; for bearer tokens and keys.
[[nodiscard]] std::string random_secret();

// A strong id: the same text with another Tag is another type. "<prefix>_<10 letters>".
template <class Tag>
class Id {
 public:
  Id() = default;
  [[nodiscard]] static Id random() { return Id(std::string(Tag::prefix) + "_" + random_id()); }
  // Nothing when the text is not of this kind of id.
  [[nodiscard]] static std::optional<Id> parse(std::string_view text) {
    if (text.size() != Tag::prefix.size() + 11 || !text.starts_with(Tag::prefix) ||
        text[Tag::prefix.size()] != '_')
      return std::nullopt;
    for (char c : text.substr(Tag::prefix.size() + 1))
      if (!((c >= 'a' && c <= 'z') || (c >= '2' && c <= '7'))) return std::nullopt;
    return Id(std::string(text));
  }

  [[nodiscard]] const std::string& str() const { return text_; }
  // The part behind the prefix, as it stands in host names.
  [[nodiscard]] std::string_view tail() const {
    return text_.empty() ? std::string_view{}
                         : std::string_view(text_).substr(Tag::prefix.size() + 1);
  }
  [[nodiscard]] bool empty() const { return text_.empty(); }
  auto operator<=>(const Id&) const = default;

 private:
  explicit Id(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

struct DeploymentTag {
  static constexpr std::string_view prefix = "dpl";
};
struct ApprovalTag {
  static constexpr std::string_view prefix = "apr";
};
struct UploadTag {
  static constexpr std::string_view prefix = "upl";
};
struct InstanceTag {
  static constexpr std::string_view prefix = "ins";
};
struct TokenTag {
  static constexpr std::string_view prefix = "tok";
};
struct RolloutTag {
  static constexpr std::string_view prefix = "rol";
};

using DeploymentId = Id<DeploymentTag>;
using ApprovalId = Id<ApprovalTag>;
using UploadId = Id<UploadTag>;
using InstanceId = Id<InstanceTag>;
using TokenId = Id<TokenTag>;
using RolloutId = Id<RolloutTag>;

}  // namespace slipway

template <class Tag>
struct std::hash<slipway::Id<Tag>> {
  std::size_t operator()(const slipway::Id<Tag>& id) const noexcept {
    return std::hash<std::string>{}(id.str());
  }
};
