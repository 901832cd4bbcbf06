#include "build/image_reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/text.h"

namespace slipway {
namespace {

bool is_lower_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return std::islower(static_cast<unsigned char>(c)) != 0 ||
           std::isdigit(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("._-").find(c) != std::string_view::npos;
  }) && std::isalnum(static_cast<unsigned char>(text.front())) != 0;
}

bool is_tag(std::string_view text) {
  return !text.empty() && text.size() <= 128 && text.front() != '.' && text.front() != '-' &&
         std::ranges::all_of(text, [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                  std::string_view("._-").find(c) != std::string_view::npos;
         });
}

bool is_registry(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view port =
      colon == std::string_view::npos ? std::string_view{"1"} : text.substr(colon + 1);
  return is_lower_name(text.substr(0, colon)) && !port.empty() && port.size() <= 5 &&
         std::ranges::all_of(
             port, [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; });
}

}  // namespace

std::string ImageReference::str() const {
  return fmt::format("{}/{}{}{}{}{}", registry, repository, tag.empty() ? "" : ":", tag,
                     digest.empty() ? "" : "@", digest);
}

Result<ImageReference> ImageReference::parse(std::string_view text) {
  const auto bad = [shown = sanitize_line(text.substr(0, 200))] {
    return fail(Errc::invalid_argument, fmt::format("'{}' is no name of an image", shown));
  };
  ImageReference out;
  if (text.size() > 400) return bad();
  if (text.starts_with("docker://")) text.remove_prefix(9);
  if (const std::size_t at = text.find('@'); at != std::string_view::npos) {
    out.digest = text.substr(at + 1);
    text = text.substr(0, at);
    const std::string_view hex =
        std::string_view(out.digest).substr(std::min<std::size_t>(7, out.digest.size()));
    if (!out.digest.starts_with("sha256:") || hex.size() != 64 ||
        hex.find_first_not_of("0123456789abcdef") != std::string_view::npos)
      return bad();
  }
  const std::size_t slash = text.find('/');
  const std::string_view first = text.substr(0, slash);
  if (slash != std::string_view::npos &&
      (first.find_first_of(".:") != std::string_view::npos || first == "localhost")) {
    out.registry = first;
    text.remove_prefix(slash + 1);
  } else {
    out.registry = "docker.io";
  }
  if (out.registry == "index.docker.io") out.registry = "docker.io";
  if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    out.tag = text.substr(colon + 1);
    text = text.substr(0, colon);
    if (!is_tag(out.tag)) return bad();
  }
  if (out.tag.empty() && out.digest.empty()) out.tag = "latest";
  out.repository = text;
  if (out.registry == "docker.io" && out.repository.find('/') == std::string::npos)
    out.repository = "library/" + out.repository;
  if (!is_registry(out.registry)) return bad();
  for (const std::string_view part : split(out.repository, '/'))
    if (!is_lower_name(part)) return bad();
  return out;
}

}  // namespace slipway
