#include "deploy/names.h"

#include "base/digest.h"
#include "base/text.h"
#include "model/release.h"

namespace slipway {
namespace {

constexpr std::size_t tail_length = 10;

bool is_tail(std::string_view text) {
  return text.size() == tail_length &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567") == std::string_view::npos;
}

constexpr std::size_t longest_label = 63, mark_length = 6;  // octets of a DNS label; of a digest

// `text`, or its beginning and a digest of it.
std::string shortened(std::string_view text, std::size_t room) {
  if (text.size() <= room) return std::string(text);
  std::string_view kept = text.substr(0, room - mark_length - 1);
  while (kept.ends_with('-')) kept.remove_suffix(1);
  return fmt::format("{}-{}", kept, sha256(text).hex().substr(0, mark_length));
}

// "<label>--<rest>", within one DNS label.
std::string prefixed(std::string_view label, std::string_view rest) {
  constexpr std::size_t least = mark_length + 2;
  if (label.size() + 2 + rest.size() <= longest_label) return fmt::format("{}--{}", label, rest);
  if (rest.size() + 2 + least <= longest_label)
    return fmt::format("{}--{}", shortened(label, longest_label - 2 - rest.size()), rest);
  // The project's name does not fit whole. Four parts: no other name looks so, whatever a project
  // is called.
  const std::string text = fmt::format("{}--{}", label, rest), digest = sha256(text).hex();
  return fmt::format("{}--{}--x--{}", shortened(label, least), shortened(slug(rest), 30),
                     digest.substr(0, 12));
}

}  // namespace

std::string Names::unit_host(const Deployment& deployment, std::string_view label) const {
  const std::string host = deployment_host(deployment);
  if (label.empty()) return host;
  const std::string_view below = std::string_view(host).substr(0, host.size() - domain_.size() - 1);
  return fmt::format("{}.{}", prefixed(label, below), domain_);
}

std::string Names::unit_alias_host(std::string_view project, std::string_view alias,
                                   std::string_view label) const {
  if (label.empty()) return alias_host(project, alias);
  return fmt::format("{}.{}", prefixed(label, fmt::format("{}--{}", alias, project)), domain_);
}

std::string Names::deployment_host(const Deployment& deployment) const {
  return fmt::format("{}-{}.{}", deployment.project, deployment.id.tail(), domain_);
}

std::string Names::alias_host(std::string_view project, std::string_view alias) const {
  return fmt::format("{}--{}.{}", alias, project, domain_);
}

std::string Names::release_host(std::string_view project, std::string_view environment,
                                std::string_view label) const {
  if (label.empty() && environment == production_environment)
    return fmt::format("{}.{}", project, domain_);
  const std::string below = prefixed(environment, project);
  return fmt::format("{}.{}", label.empty() ? below : prefixed(label, below), domain_);
}

std::string Names::url(std::string_view host) const {
  return port_ == (scheme_ == "https" ? 443 : 80) ? fmt::format("{}://{}", scheme_, host)
                                                  : fmt::format("{}://{}:{}", scheme_, host, port_);
}

std::string_view Names::tail_of_host(std::string_view label) {
  if (label.size() <= tail_length + 1 || label[label.size() - tail_length - 1] != '-') return {};
  const std::string_view tail = label.substr(label.size() - tail_length);
  return is_tail(tail) ? tail : std::string_view{};
}

std::optional<std::string> Names::label_of(std::string_view text) const {
  for (const std::string_view scheme : {"http://", "https://"})
    if (text.starts_with(scheme)) text.remove_prefix(scheme.size());
  text = text.substr(0, text.find_first_of("/?#"));
  text = text.substr(0, text.find(':'));
  const std::string host = to_lower(text), suffix = "." + domain_;
  if (!host.ends_with(suffix)) return std::nullopt;
  return host.substr(0, host.size() - suffix.size());
}

Status check_names(std::string_view project, std::string_view alias) {
  if (!is_slug(project))
    return fail(Errc::invalid_argument,
                fmt::format("'{}' cannot name a project", sanitize_line(project)),
                fmt::format("use letters, digits and single dashes, such as {}", slug(project)));
  if (!is_slug(alias))
    return fail(Errc::invalid_argument,
                fmt::format("'{}' cannot name an alias", sanitize_line(alias)),
                fmt::format("use letters, digits and single dashes, such as {}", slug(alias)));
  if (alias == production_environment || alias == staging_environment)
    return fail(
        Errc::invalid_argument,
        fmt::format("'{}' is an environment; an alias of previews cannot be called so", alias),
        fmt::format("deploy without it, then: slipway promote ID{}",
                    alias == production_environment ? "" : " --to staging"));
  if (alias.size() + project.size() + 2 > 63)
    return fail(Errc::invalid_argument,
                "the project's and the alias's names are too long for one host name",
                "together they may have 61 characters");
  return {};
}

}  // namespace slipway
