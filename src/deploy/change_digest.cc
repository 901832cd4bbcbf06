#include "deploy/change_digest.h"

#include <fmt/format.h>

#include "base/digest.h"

namespace slipway {

ChangeDigest::ChangeDigest(const Actor& requester, std::string_view what) {
  add("what", what);
  add("kind", requester.kind);
  add("name", requester.name);
  add("for", requester.on_behalf_of);
}

ChangeDigest& ChangeDigest::add(std::string_view name, std::string_view value) {
  parts_ += fmt::format("{}:{}{}:{}", name.size(), name, value.size(), value);
  return *this;
}

ChangeDigest& ChangeDigest::add(std::string_view name, std::int64_t value) {
  return add(name, std::string_view(std::to_string(value)));
}

std::string ChangeDigest::str() const { return sha256(parts_).str(); }

}  // namespace slipway
