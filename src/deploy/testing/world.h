#pragma once

// For tests: everything of deploy/ wired together as the server wires it, over a fake engine, a
// manual clock and an in-memory database.

#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "db/policy_sql.h"
#include "db/stores.h"
#include "deploy/housekeeping.h"
#include "deploy/service.h"
#include "engine/fake_engine.h"
#include "sys/files.h"

namespace slipway::testing {

using namespace std::chrono_literals;

using Files = std::vector<std::pair<std::string, std::string>>;

class World {
 public:
  // `policy`: the text of the policy set; "" for the one that ships with Slipway.
  explicit World(const std::string& policy = {}) : World(Policy{policy}) {}
  ~World() { pipeline.shut_down(); }

  // Uploads the files as a client does.
  UploadId upload(const std::string& project, const Files& files) {
    std::vector<ManifestEntry> entries;
    for (const auto& [path, content] : files)
      entries.push_back({.path = path, .size = content.size(), .digest = sha256(content)});
    Manifest manifest{.entries = std::move(entries)};
    std::ranges::sort(manifest.entries, {}, &ManifestEntry::path);
    const Uploads::Opened opened = service.open_upload({}, project, manifest).value();
    send(opened, files).value();
    return opened.id;
  }
  // A pack of those files that are missing.
  Result<BlobStore::PackStats> send(const Uploads::Opened& opened, const Files& files) {
    std::string pack;
    std::vector<PackItem> items;
    for (const auto& [path, content] : files)
      if (const Digest digest = sha256(content);
          std::ranges::find(opened.missing, digest) != opened.missing.end() &&
          std::ranges::find(items, digest, &PackItem::digest) == items.end())
        items.push_back({.digest = digest,
                         .size = content.size(),
                         .read = [&content, at = std::size_t{0}](std::span<char> into) mutable {
                           const std::size_t n = content.copy(into.data(), into.size(), at);
                           at += n;
                           return Result<std::size_t>(n);
                         }});
    SLIPWAY_CHECK(write_pack(items, [&](std::string_view bytes) -> Status {
      pack += bytes;
      return {};
    }));
    std::size_t at = 0;
    return service.receive_pack({}, opened.id, pack.size(), [&](std::span<char> into) {
      const std::size_t n = pack.copy(into.data(), into.size(), at);
      at += n;
      return Result<std::size_t>(n);
    });
  }
  Result<Deployment> submit(const std::string& project, const Files& files,
                            DeployOptions options = {}, const std::string& key = {}) {
    return service.deploy(
        {}, {.project = project, .upload = upload(project, files), .options = std::move(options)},
        key);
  }
  // Waits until it is settled.
  Deployment settled(const DeploymentId& id) {
    if (const auto feed = events.find(id)) {
      std::uint64_t cursor = 0;
      while (!feed->finished(cursor)) std::ignore = feed->next(cursor, 10s);
    }
    return repository->get(id).value();
  }
  Deployment deploy(const std::string& project, const Files& files, DeployOptions options = {}) {
    return settled(submit(project, files, std::move(options)).value().id);
  }
  // What a host name shows: "site", "app", a page's kind, or "" for nothing.
  std::string shown(const std::string& host) const {
    const auto target = table.find(host);
    if (!target) return "";
    if (const auto* page = std::get_if<std::shared_ptr<const StatusPage>>(&*target))
      return (*page)->kind;
    return std::holds_alternative<std::shared_ptr<Backend>>(*target) ? "app" : "site";
  }
  // The deployment that a static host name leads to.
  DeploymentId site_at(const std::string& host) const {
    return std::get<std::shared_ptr<const StaticSite>>(table.find(host).value())->deployment();
  }
  std::string host(const Deployment& deployment) const { return names.deployment_host(deployment); }

  struct Policy {
    std::string text;
  };
  explicit World(const Policy& wanted) : policy(wanted) {
    settings.data = directory.path();
    settings.gc.min_free_disk = 0;  // whatever machine the tests run on
    repository->seal_with(secret_box.values());
  }

  Policy policy;
  // What whoever asked is by now; without it they stay what they were.
  std::function<Result<std::string>(const Actor&, const std::string& team, const std::string& then)>
      standing;
  std::unique_ptr<GovernanceService> open_governance() {
    if (!policy.text.empty())
      stores.governance
          ->activate(
              {},
              {.version = 1, .name = "test", .text = policy.text, .digest = sha256(policy.text)})
          .value();
    return GovernanceService::open(
               {.settings = settings,
                .clock = clock,
                .store = *stores.governance,
                .repository = *repository,
                .names = names,
                .evaluator = make_sql_rule_evaluator(),
                .blobs = &blobs,
                .standing =
                    [this](const Actor& actor, const std::string& team, const std::string& then) {
                      return standing ? standing(actor, team, then) : Result<std::string>(then);
                    }})
        .value();
  }

  TempDir directory =
      TempDir::create(std::filesystem::temp_directory_path(), "slipway-world-").value();
  Settings settings;
  ManualClock clock;
  // Whether the system has threads for deployments and rollouts.
  std::atomic<bool> no_threads = false;
  TaskGroup::Gate threads = [this]() -> Status {
    if (no_threads) return fail(Errc::unavailable, "Resource temporarily unavailable");
    return {};
  };
  FakeEngine engine;
  Stores stores = Stores::open(":memory:", clock).value();
  Repository* repository = stores.repository.get();
  SecretBox secret_box = SecretBox::open(directory.path() / "secrets.key").value();
  Environments environments{{.store = *stores.configurations, .box = secret_box, .clock = clock}};
  BlobStore blobs = BlobStore::open(directory.path()).value();
  LayerStore layers = LayerStore::open(directory.path()).value();
  Builder builder{{.cache = directory.path() / "cache",
                   .toolchains = directory.path() / "toolchains",
                   .scratch = directory.path() / "scratch"},
                  blobs,
                  layers,
                  engine,
                  clock,
                  {}};
  Names names{"localhost", 7070};
  std::unique_ptr<GovernanceService> governance = open_governance();
  RouteTable table;
  EventHub events;
  Fleet fleet{{.settings = settings,
               .clock = clock,
               .engine = engine,
               .repository = *repository,
               .layers = layers,
               .builder = builder,
               .names = names,
               .environments = environments},
              [](const Deployment&) { return Status(); }};
  Sites sites{blobs, clock};
  Routes routes{table, names, fleet, *repository, sites};
  Schedules schedules{{.settings = settings,
                       .clock = clock,
                       .repository = *repository,
                       .layers = layers,
                       .builder = builder,
                       .names = names,
                       .environments = environments,
                       .runner = engine,
                       .fleet = fleet}};
  Pipeline pipeline{{.settings = settings,
                     .clock = clock,
                     .repository = *repository,
                     .blobs = blobs,
                     .layers = layers,
                     .builder = builder,
                     .fleet = fleet,
                     .routes = routes,
                     .events = events,
                     .runner = engine,
                     .names = names,
                     .governance = *governance,
                     .environments = environments,
                     .schedules = schedules,
                     .threads = threads}};
  DeployService service{{.settings = settings,
                         .clock = clock,
                         .repository = *repository,
                         .blobs = blobs,
                         .fleet = fleet,
                         .routes = routes,
                         .pipeline = pipeline,
                         .events = events,
                         .names = names,
                         .governance = *governance,
                         .environments = environments,
                         .releases = *stores.releases,
                         .layers = layers}};
  Housekeeping housekeeping{{.settings = settings,
                             .clock = clock,
                             .repository = *repository,
                             .blobs = blobs,
                             .layers = layers,
                             .builder = builder,
                             .fleet = fleet,
                             .sites = sites,
                             .service = service,
                             .governance = *governance,
                             .releases = *stores.releases,
                             .tick_releases = {}}};
};

}  // namespace slipway::testing
