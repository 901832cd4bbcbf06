#include "repair/lockfile_hosts.h"

#include <re2/re2.h>

#include <set>

#include "base/text.h"

namespace slipway::repair {
namespace {

// What package managers take for the registry that is configured, whatever that is.
constexpr std::string_view default_hosts[] = {"registry.npmjs.org", "registry.yarnpkg.com"};

// The tarball of a registry: https://host/…/name/-/name-1.0.0.tgz, not a git host's archive.
struct Tarball {
  std::string host, path;  // path: "name/-/name-1.0.0.tgz"
};
std::optional<Tarball> tarball_of(std::string_view url) {
  static const RE2 shape(
      R"(https?://([^/\s"]+)/(?:[^\s"#]*/)?((?:@[^/\s"#]+/|%40[^/\s"#]+/)?[^/\s"#@]+/-/[^\s"#]+\.tgz)(?:#.*)?)");
  Tarball out;
  if (!RE2::FullMatch(url, shape, &out.host, &out.path)) return std::nullopt;
  return out;
}

class Rewriter {
 public:
  Rewriter(std::string_view settings, std::string_view registry)
      : settings_(settings), registry_(registry) {}

  std::optional<Rehosted> finish(std::string text) && {
    if (out_.entries == 0) return std::nullopt;
    out_.text = std::move(text);
    out_.hosts.assign(hosts_.begin(), hosts_.end());
    return std::move(out_);
  }

  // The tarball behind `url` when its host is nobody's that was asked for.
  std::optional<Tarball> foreign(std::string_view url) {
    auto tarball = tarball_of(url);
    if (!tarball) return std::nullopt;
    for (const std::string_view host : default_hosts)
      if (tarball->host == host) return std::nullopt;
    if (settings_.find(tarball->host) != std::string_view::npos) return std::nullopt;
    if (registry_.find("//" + tarball->host + "/") != std::string_view::npos) return std::nullopt;
    return tarball;
  }
  void count(const Tarball& tarball) {
    ++out_.entries;
    hosts_.insert(tarball.host);
  }

  // `"resolved": "<url>",` on a line of its own, with the hash on the next: npm asks the registry.
  std::string npm(std::string_view text) {
    static const RE2 resolved(R"re(\s*"resolved":\s*"([^"]+)",\s*)re");
    std::string out;
    out.reserve(text.size());
    const std::vector<std::string_view> all = lines(text);
    for (std::size_t i = 0; i < all.size(); ++i) {
      std::string url;
      if (i + 1 < all.size() && trim(all[i + 1]).starts_with("\"integrity\"") &&
          RE2::FullMatch(all[i], resolved, &url)) {
        if (const auto tarball = foreign(url)) {
          count(*tarball);
          continue;
        }
      }
      add_line(out, all[i]);
    }
    return out;
  }

  // ["name@1.0.0", "<url>", {…}, "sha512-…"]: an empty URL stands for the registry.
  std::string bun(std::string_view text) {
    static const RE2 entry(
        R"re(^(\s*"[^"]+": \["[^"]+", )"(https?://[^"]+)"(, .*"sha\d+-[^"]*"\],?\s*)$)re");
    std::string out;
    out.reserve(text.size());
    for (const std::string_view line : lines(text)) {
      std::string head, url, tail;
      if (RE2::FullMatch(line, entry, &head, &url, &tail)) {
        if (const auto tarball = foreign(url)) {
          count(*tarball);
          add_line(out, head + "\"\"" + tail);
          continue;
        }
      }
      add_line(out, line);
    }
    return out;
  }

  // resolution: {integrity: sha512-…, tarball: <url>}
  std::string pnpm(std::string_view text) {
    static const RE2 resolution(
        R"re(^(\s*resolution: \{integrity: [^,}]+)(?:, tarball: ([^,}\s]+))(.*\}\s*)$)re");
    std::string out;
    out.reserve(text.size());
    for (const std::string_view line : lines(text)) {
      std::string head, url, tail;
      if (RE2::FullMatch(line, resolution, &head, &url, &tail)) {
        if (const auto tarball = foreign(url)) {
          count(*tarball);
          add_line(out, head + tail);
          continue;
        }
      }
      add_line(out, line);
    }
    return out;
  }

  // resolved "<url>#hash" with integrity on the next line.
  std::string yarn(std::string_view text) {
    static const RE2 resolved(R"re(^(\s+resolved )"([^"#]+)(#[^"]*)?"\s*$)re");
    std::string out;
    out.reserve(text.size());
    const std::vector<std::string_view> all = lines(text);
    for (std::size_t i = 0; i < all.size(); ++i) {
      std::string head, url, hash;
      if (i + 1 < all.size() && trim(all[i + 1]).starts_with("integrity ") &&
          RE2::FullMatch(all[i], resolved, &head, &url, &hash)) {
        if (const auto tarball = foreign(url)) {
          count(*tarball);
          add_line(out, head + "\"" + std::string(registry_) + tarball->path + hash + "\"");
          continue;
        }
      }
      add_line(out, all[i]);
    }
    return out;
  }

 private:
  static void add_line(std::string& out, std::string_view line) {
    out += line;
    out += '\n';
  }

  std::string_view settings_, registry_;
  Rehosted out_;
  std::set<std::string> hosts_;
};

}  // namespace

std::optional<Rehosted> rehost_lockfile(std::string_view file_name, std::string_view text,
                                        std::string_view settings, std::string_view registry) {
  Rewriter rewriter(settings, registry);
  std::string changed;
  if (file_name == "package-lock.json" || file_name == "npm-shrinkwrap.json")
    changed = rewriter.npm(text);
  else if (file_name == "bun.lock")
    changed = rewriter.bun(text);
  else if (file_name == "pnpm-lock.yaml")
    changed = rewriter.pnpm(text);
  else if (file_name == "yarn.lock" && text.find("__metadata:") == std::string_view::npos)
    changed = rewriter.yarn(text);
  return std::move(rewriter).finish(std::move(changed));
}

}  // namespace slipway::repair
