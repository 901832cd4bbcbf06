#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/deployment.h"

namespace slipway {

// Of a deployment that names none.
inline constexpr std::string_view default_alias = "preview";

// Host names and URLs, DESIGN.md §5. A value; thread-safe.
class Names {
 public:
  // `scheme` and `port` are those of URLs: where people reach the server, through a proxy perhaps.
  // A port that the scheme implies is left out.
  Names(std::string domain, int port, std::string scheme = "http")
      : domain_(std::move(domain)), port_(port), scheme_(std::move(scheme)) {}

  [[nodiscard]] const std::string& domain() const { return domain_; }
  [[nodiscard]] int port() const { return port_; }
  // "<project>-<tail of id>.<domain>"
  [[nodiscard]] std::string deployment_host(const Deployment& deployment) const;
  // "<alias>--<project>.<domain>"
  [[nodiscard]] std::string alias_host(std::string_view project, std::string_view alias) const;
  // The same of one service of it: "<service>--" before them. `label` "" is the first service. A
  // service whose name makes the label too long for DNS gets a shorter one.
  [[nodiscard]] std::string unit_host(const Deployment& deployment, std::string_view label) const;
  [[nodiscard]] std::string unit_alias_host(std::string_view project, std::string_view alias,
                                            std::string_view label) const;
  // An environment's: "<project>.<domain>" for production, "<environment>--<project>.<domain>" for
  // the others; a service's is "<label>--<environment>--<project>.<domain>" in all of them. Names
  // that are too long for DNS get shorter ones.
  [[nodiscard]] std::string release_host(std::string_view project, std::string_view environment,
                                         std::string_view label = {}) const;
  [[nodiscard]] std::string url(std::string_view host) const;
  // The tail of a deployment's id at the end of a deployment host ("shop-abcdefghij").
  [[nodiscard]] static std::string_view tail_of_host(std::string_view host);
  // The first label of a host or URL below our domain; nothing for anything else.
  [[nodiscard]] std::optional<std::string> label_of(std::string_view host_or_url) const;

 private:
  std::string domain_;
  int port_;
  std::string scheme_;
};

// Whether the names may be used: both are slugs, the alias is not called like an environment that
// every project has, and both fit into one DNS label (RFC 1035: 63 octets). That no two things have
// one host is asked where they are recorded (db/host_names.h): "shop-basketball" is a project
// unless there is such a deployment of "shop".
[[nodiscard]] Status check_names(std::string_view project, std::string_view alias);

}  // namespace slipway
