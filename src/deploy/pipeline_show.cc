// What people would see of a deployment that is ready, without a browser.
#include "base/text.h"
#include "deploy/pipeline.h"
#include "deploy/showing.h"
#include "deploy/unset_variables.h"
#include "http/probe.h"
#include "store/env_values.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

// The URL waits for the look: it must be quick where the app is, and short where it is not.
constexpr Duration look_time = 3s;
constexpr std::size_t page_limit = 256u << 10;
constexpr std::uint64_t env_file_limit = 1u << 20;

std::string_view without_query(std::string_view path) { return path.substr(0, path.find('?')); }

std::string_view media_type_of(std::string_view path) {
  return path.ends_with(".html") ? "text/html" : path.ends_with(".css") ? "text/css" : "";
}

// A site's files, as the router serves them.
Look look_at_site(const Manifest& site, StaticFallback fallback, const BlobStore& blobs) {
  return [&site, fallback, &blobs](const std::string& path) -> std::optional<SeenPage> {
    std::string name(without_query(path));
    name.erase(0, 1);
    const ManifestEntry* entry = nullptr;
    for (const std::string& candidate :
         {name, name + (name.empty() || name.ends_with('/') ? "index.html" : "/index.html"),
          name + ".html"})
      if (entry == nullptr && !candidate.empty()) entry = site.find(candidate);
    if (entry == nullptr && fallback == StaticFallback::single_page_app)
      entry = site.find("index.html");
    if (entry == nullptr) return SeenPage{.status = 404, .type = "text/html", .body = {}};
    const std::string_view type = media_type_of(entry->path);
    SeenPage page{.status = 200, .type = std::string(type), .body = {}};
    if (type == "text/html") page.body = blobs.read(entry->digest, page_limit).value_or("");
    return page;
  };
}

Look look_at_app(const Backend::Endpoint& endpoint, const std::string& host, const Clock& clock) {
  const Deadline deadline = Deadline::after(clock, look_time);
  return [&endpoint, &host, &clock, deadline](const std::string& path) -> std::optional<SeenPage> {
    if (deadline.passed(clock)) return std::nullopt;
    auto socket = endpoint.dialer->dial(endpoint.port, endpoint.ipv6);
    if (!socket) return std::nullopt;
    auto page = fetch_page(*std::move(socket), host, path, deadline.left(clock), page_limit);
    if (!page) return std::nullopt;
    return SeenPage{.status = page->status,
                    .type = std::move(page->type),
                    .body = std::move(page->body),
                    .location = std::move(page->location)};
  };
}

std::set<std::string> names_in_source(const Manifest& source, const BlobStore& blobs) {
  std::set<std::string> names;
  for (const ManifestEntry& entry : source.entries)
    if (entry.size < env_file_limit && entry.mode != FileMode::symlink &&
        env_file_of(entry.path.substr(entry.path.rfind('/') + 1)) == EnvFile::values)
      add_names_of(blobs.read(entry.digest).value_or(""), names);
  return names;
}

}  // namespace

void Pipeline::find_unset(Making& making) {
  Deployment& deployment = making.deployment;
  std::set<std::string> known = names_in_source(making.source, parts_.blobs);
  for (const EnvVars* set : {&deployment.options.env, &deployment.options.build_env})
    for (const auto& [name, value] : *set) known.insert(name);
  if (const auto configured = parts_.environments.values_for(deployment))
    for (const EnvVars* set : {&configured->run, &configured->build})
      for (const auto& [name, value] : *set) known.insert(name);
  for (Warning& finding : unset_variables(units_of(deployment), known))
    deployment.findings.push_back(std::move(finding));
}

void Pipeline::look_at(Making& making) {
  Deployment& deployment = making.deployment;
  const std::vector<Unit> units = units_of(deployment);
  const Unit& first = units.front();
  if (!first.is_routed()) return;
  std::vector<Warning> seen;
  if (first.artifact->site) {
    if (const auto site = parts_.blobs.read_manifest(*first.artifact->site))
      seen = judge_showing(look_at_site(**site, first.artifact->fallback, parts_.blobs));
  } else if (const auto backend = parts_.fleet.backend(deployment, first.label)) {
    const std::string host = parts_.names.deployment_host(deployment);
    if (const auto endpoint = backend->endpoint())
      seen = judge_showing(look_at_app(*endpoint, host, parts_.clock));
  }
  for (Warning& finding : seen) deployment.findings.push_back(std::move(finding));
}

}  // namespace slipway
