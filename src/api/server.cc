#include "api/server.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/json/serialize.hpp>
#include <csignal>
#include <set>

#include "api/dispatch.h"
#include "api/metrics.h"
#include "api/server_start.h"
#include "base/log.h"
#include "base/text.h"
#include "build/builder.h"
#include "build/host_settings.h"
#include "db/policy_sql.h"
#include "db/stores.h"
#include "deploy/audit_log.h"
#include "deploy/domains.h"
#include "deploy/housekeeping.h"
#include "deploy/opa.h"
#include "deploy/preview_volumes.h"
#include "deploy/service.h"
#include "deploy/step_gate.h"
#include "engine/sandbox.h"
#include "release/alerts.h"
#include "release/release_schedules.h"
#include "release/releases.h"
#include "router/connections.h"
#include "router/router.h"
#include "store/disk_reserve.h"
#include "sys/files.h"

namespace slipway {
using namespace std::chrono_literals;
namespace fs = std::filesystem;

// In the order of construction; taken down in reverse.
struct Server::Parts {
  Settings settings;
  ServerEnvironment environment;
  SystemClock clock;
  Fd lock;
  std::string token, url;
  std::string local_url;  // for commands on this machine, whatever stands in front of the server
  std::unique_ptr<DiskReserve> reserve;
  Stores stores;
  std::unique_ptr<AuditLog> audit;
  std::unique_ptr<BlobStore> blobs;
  std::unique_ptr<LayerStore> layers;
  std::unique_ptr<Volumes> volumes;
  std::unique_ptr<PreviewVolumes> preview_volumes;
  std::unique_ptr<SandboxEngine> engine;
  std::unique_ptr<StepGate> gate;
  std::unique_ptr<GatedRunner> runner;
  std::unique_ptr<Builder> builder;
  std::unique_ptr<Names> names;
  RouteTable table;
  EventHub events;
  std::unique_ptr<Sites> sites;
  std::unique_ptr<Routes> routes;
  std::unique_ptr<GovernanceService> governance;
  std::unique_ptr<SecretBox> secrets;
  std::unique_ptr<Environments> environments;
  // Where the names of an environment lead, published anew. Set once there are routes of releases.
  std::function<Status(std::string_view project, std::string_view environment)> publish_environment;
  std::unique_ptr<Domains> domains;
  std::unique_ptr<Alerts> alerts;
  std::unique_ptr<Witnesses> witnesses;
  std::unique_ptr<Fleet> fleet;
  std::unique_ptr<Schedules> schedules;
  std::unique_ptr<Pipeline> pipeline;
  std::unique_ptr<DeployService> service;
  std::unique_ptr<Crews> crews;
  std::unique_ptr<Releases> releases;
  std::unique_ptr<ReleaseSchedules> release_schedules;
  EnvironmentWork work;
  std::unique_ptr<Housekeeping> housekeeping;
  std::unique_ptr<SpeedGate> speed;
  std::unique_ptr<ApiContext> context;
  std::unique_ptr<ApiDispatcher> dispatcher;
  std::unique_ptr<Router> router;
  TaskGroup preparation{"preparation", 1};  // asks for toolchains while nobody waits yet
  bool stopped = false;
  std::atomic<bool> ends_apps = false;  // when it stops

  [[nodiscard]] Status open();
  [[nodiscard]] Status govern();
  void make_releases();
  [[nodiscard]] Status recover() const;
  [[nodiscard]] Status listen();
  [[nodiscard]] Status announce() const;
  // The signal that ends the server, to ourselves: an answer can still be given.
  [[nodiscard]] Result<std::size_t> go_down();
};

Status Server::Parts::open() {
  SLIPWAY_CHECK(claim_data(settings.data));
  settings.data = fs::canonical(settings.data);
  SLIPWAY_TRY(lock, lock_data(settings.data));
  SLIPWAY_TRY(token, local_token(settings.data));
  const fs::path store = settings.data / "store";
  for (const char* name :
       {"store", "logs", "instances", "cache", "toolchains", "scratch", "engine"})
    SLIPWAY_CHECK(make_directories(settings.data / name, 0700));
  SLIPWAY_TRY(const TokenKey key, token_key(settings.data));
  SLIPWAY_TRY(stores, Stores::open(settings.data / "slipway.db", clock,
                                   IdentitySecrets{.key = key, .local_token = token}));
  SLIPWAY_TRY(DiskReserve opened_reserve,
              DiskReserve::open(settings.data / "reserve", settings.gc.reserve));
  reserve = std::make_unique<DiskReserve>(std::move(opened_reserve));
  stores.database->on_full([this] { return reserve->release(); });
  SLIPWAY_TRY(audit, AuditLog::open(settings.data / "audit.key", *stores.audit, clock,
                                    settings.audit.keep));
  SLIPWAY_TRY(SecretBox opened_secrets, SecretBox::open(settings.data / "secrets.key"));
  secrets = std::make_unique<SecretBox>(std::move(opened_secrets));
  stores.repository->seal_with(secrets->values());
  environments = std::make_unique<Environments>(
      Environments::Parts{.store = *stores.configurations, .box = *secrets, .clock = clock});
  SLIPWAY_TRY(BlobStore opened_blobs, BlobStore::open(store));
  blobs = std::make_unique<BlobStore>(std::move(opened_blobs));
  SLIPWAY_TRY(LayerStore opened_layers, LayerStore::open(store));
  layers = std::make_unique<LayerStore>(std::move(opened_layers));
  volumes =
      std::make_unique<Volumes>(Volumes::Parts{.settings = settings,
                                               .clock = clock,
                                               .layers = *layers,
                                               .copy = confined_copier(environment.self_exe)});
  SLIPWAY_CHECK(volumes->recover());
  preview_volumes =
      std::make_unique<PreviewVolumes>(PreviewVolumes::Parts{.settings = settings,
                                                             .clock = clock,
                                                             .volumes = *volumes,
                                                             .repository = *stores.repository,
                                                             .store = *stores.volumes});
  const HostSettings registries = read_host_settings(environment.host_env);
  if (!registries.cut.empty())
    log_warn("builds do not get the accounts inside these registry settings",
             {{"settings", join(registries.cut, ", ")}});
  SLIPWAY_TRY(engine,
              SandboxEngine::open({.state_dir = settings.data / "engine",
                                   .self_exe = environment.self_exe,
                                   .usual_disk_bytes = settings.instances.limits.disk_bytes,
                                   .keep_free = settings.gc.min_free_disk / 2,
                                   .registry_hosts = registry_hosts(registries),
                                   .memory = {.production = settings.releases.memory_percent}},
                                  clock));
  const std::uint32_t cores = std::max(1u, std::thread::hardware_concurrency());
  gate = std::make_unique<StepGate>(settings.builds.concurrency > 0 ? settings.builds.concurrency
                                                                    : cores);
  runner = std::make_unique<GatedRunner>(*engine, *gate);
  builder = std::make_unique<Builder>(Builder::Paths{.cache = settings.data / "cache",
                                                     .toolchains = settings.data / "toolchains",
                                                     .scratch = settings.data / "scratch"},
                                      *blobs, *layers, *runner, clock, environment.host_env);
  return {};
}

Status Server::Parts::govern() {
  std::shared_ptr<SecondOpinion> opa;
  if (!settings.policy.opa_url.empty()) {
    SLIPWAY_TRY(opa, OpaClient::create(settings.policy.opa_url));
  }
  SLIPWAY_TRY(GovernanceKey key, GovernanceKey::open(settings.data / "governance.key"));
  SLIPWAY_TRY(
      governance,
      GovernanceService::open(
          {.settings = settings,
           .clock = clock,
           .store = *stores.governance,
           .repository = *stores.repository,
           .names = *names,
           .evaluator = make_sql_rule_evaluator(),
           .second_opinion = std::move(opa),
           .key = std::make_shared<GovernanceKey>(std::move(key)),
           .approvers =
               [this](const std::string& team) { return approvers_of(*stores.identity, team); },
           .blobs = blobs.get(),
           .standing =
               [this](const Actor& actor, const std::string& team, const std::string& then) {
                 return standing_of(*stores.identity, actor, team, then);
               }}));
  return {};
}

void Server::Parts::make_releases() {
  alerts = std::make_unique<Alerts>(Alerts::Parts{.settings = settings,
                                                  .clock = clock,
                                                  .store = *stores.alerts,
                                                  .box = *secrets,
                                                  .server_url = url});
  witnesses = std::make_unique<Witnesses>(Witnesses::Parts{
      .settings = settings, .clock = clock, .store = *stores.witnesses, .audit = *audit});
  crews = std::make_unique<Crews>(
      Crews::Parts{.settings = settings,
                   .clock = clock,
                   .engine = *engine,
                   .repository = *stores.repository,
                   .layers = *layers,
                   .builder = *builder,
                   .names = *names,
                   .environments = *environments,
                   .volumes = *volumes,
                   .wanted =
                       [this](std::string_view project, std::string_view environment_name) {
                         const auto state = stores.releases->environment(project, environment_name);
                         return state ? state->instances : 0;
                       },
                   .machine_memory_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                                           static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))});
  releases = std::make_unique<Releases>(
      Releases::Parts{.settings = settings,
                      .clock = clock,
                      .store = *stores.releases,
                      .repository = *stores.repository,
                      .crews = *crews,
                      .table = table,
                      .sites = *sites,
                      .names = *names,
                      .environments = *environments,
                      .volumes = *volumes,
                      .volume_store = *stores.volumes,
                      .governance = *governance,
                      .runner = *runner,
                      .layers = *layers,
                      .builder = *builder,
                      .blobs = *blobs,
                      .alert = [this](const ReleaseAlert& alert) { alerts->tell(alert); },
                      .domains =
                          [this](std::string_view project, std::string_view environment_name) {
                            return domains->hosts(project, environment_name);
                          }});
  release_schedules =
      std::make_unique<ReleaseSchedules>(ReleaseSchedules::Parts{.store = *stores.releases,
                                                                 .repository = *stores.repository,
                                                                 .crews = *crews,
                                                                 .schedules = *schedules});
  pipeline->on_ready([this](const Deployment& ready) { releases->promote_ready(ready); });
  publish_environment = [this](std::string_view project, std::string_view environment_name) {
    return releases->publish(project, environment_name);
  };
}

Status Server::Parts::recover() const {
  SLIPWAY_TRY(const std::set<std::string> kept, remove_left_overs(settings.data, *engine));
  SLIPWAY_CHECK(hold_running_uid_slots(*stores.database, *engine));
  SLIPWAY_TRY(const std::vector<Deployment> live,
              stores.repository->in_states({DeploymentState::ready, DeploymentState::sleeping}));
  SLIPWAY_CHECK(fleet->adopt(live));
  for (const Deployment& deployment : live) schedules->watch(deployment);
  if (Status published = routes->publish_all(); !published)
    log_error("a deployment cannot be served", {{"error", published.error().message}});
  SLIPWAY_CHECK(releases->recover());
  SLIPWAY_CHECK(remove_ended_since(settings.data, *engine, kept));
  // What was being made when the server ended is made again from its recorded source.
  SLIPWAY_TRY(const std::vector<Deployment> unfinished,
              stores.repository->in_states(
                  {DeploymentState::queued, DeploymentState::building, DeploymentState::starting}));
  for (const Deployment& deployment : unfinished) {
    if (waits_for_approval(deployment)) continue;
    SLIPWAY_TRY(const Deployment queued,
                stores.repository->update(by_system("recovery"), deployment.id,
                                          [](Deployment& change) -> Status {
                                            change.state = DeploymentState::queued;
                                            change.state_reason = "taken up again after a restart";
                                            return {};
                                          }));
    log_info("deployment taken up again", {{"deployment", queued.id.str()}});
    pipeline->submit(queued);
  }
  return {};
}

Status Server::Parts::listen() {
  RouterSettings wanted;
  wanted.listen_address = settings.listen_address;
  wanted.port = settings.port;
  wanted.domain = settings.domain;
  wanted.wake_timeout = settings.instances.start_timeout + 5s;
  wanted.min_body_rate = settings.min_body_rate;
  wanted.threads =
      settings.loops > 0 ? settings.loops : std::max(1u, std::thread::hardware_concurrency());
  rlimit descriptors{};
  if (::getrlimit(RLIMIT_NOFILE, &descriptors) != 0) return fail_errno(errno, "getrlimit");
  wanted.max_connections = connections_for(descriptors.rlim_cur);
  wanted.max_per_address = std::max(wanted.max_connections / 4, 64u);
  SLIPWAY_TRY(wanted.trusted_proxies, TrustedProxies::parse(settings.trusted_proxies));
  if (settings.log.access == Settings::Log::Access::on)
    wanted.access_log = RouterSettings::AccessLog::on;
  const Router::Wake wake = [this](const std::shared_ptr<Backend>& backend) {
    fleet->wake(backend);
  };
  SLIPWAY_TRY(router, Router::start(wanted, clock, table, *dispatcher, wake));
  return {};
}

namespace {

// Where a command on this machine reaches it, whatever its name resolves to here.
std::string local_address(const Settings& settings) {
  const std::string& listens = settings.listen_address;
  const bool everywhere = listens == "0.0.0.0" || listens == "::";
  const std::string host = everywhere              ? "127.0.0.1"
                           : listens.contains(':') ? fmt::format("[{}]", listens)
                                                   : listens;
  return fmt::format("http://{}:{}", host, settings.port);
}

}  // namespace

Status Server::Parts::announce() const {
  const json::object server{{"pid", ::getpid()},
                            {"url", local_url},
                            {"address", local_address(settings)},
                            {"token", token},
                            {"version", SLIPWAY_VERSION}};
  SLIPWAY_CHECK(
      write_file_atomic(settings.data / "server.json", json::serialize(server) + "\n", 0600));
  if (environment.credentials_file.empty() || fs::exists(environment.credentials_file)) return {};
  SLIPWAY_CHECK(make_directories(environment.credentials_file.parent_path(), 0700));
  const json::object credentials{{"server", local_url}, {"token", token}};
  return write_file_atomic(environment.credentials_file, json::serialize(credentials) + "\n", 0600);
}

Result<std::size_t> Server::Parts::go_down() {
  SLIPWAY_TRY(const std::vector<SandboxInfo> all, engine->list());
  ends_apps = true;
  if (::kill(::getpid(), SIGTERM) != 0) return fail_errno(errno, "end the server");
  return static_cast<std::size_t>(std::ranges::count_if(all, &SandboxInfo::running));
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Result<std::unique_ptr<Server>> Server::start(Settings settings, ServerEnvironment environment) {
  auto parts = std::make_unique<Parts>();
  Parts& p = *parts;
  p.settings = std::move(settings);
  p.environment = std::move(environment);
  SLIPWAY_CHECK(p.open());
  SLIPWAY_TRY(const int port, find_port(p.settings.listen_address, p.settings.port));
  p.settings.port = port;
  p.local_url = Names(p.settings.domain, port).url(p.settings.domain);
  if (p.settings.public_url.empty()) {
    p.names = std::make_unique<Names>(p.settings.domain, port);
  } else {
    SLIPWAY_TRY(const PublicUrl at, parse_public_url(p.settings.public_url));
    if (at.host != p.settings.domain)
      return fail(Errc::invalid_argument,
                  fmt::format("server.public_url names {}, and server.domain is {}", at.host,
                              p.settings.domain),
                  "apps get names below server.domain: give both the same host");
    p.names = std::make_unique<Names>(p.settings.domain, at.port, at.scheme);
  }
  p.url = p.names->url(p.settings.domain);
  SLIPWAY_CHECK(p.govern());
  SLIPWAY_TRY(TxtLookup lookup, make_txt_lookup(p.settings.domains.resolver));
  p.domains = std::make_unique<Domains>(Domains::Parts{
      .settings = p.settings,
      .clock = p.clock,
      .store = *p.stores.domains,
      .governance = *p.governance,
      .names = *p.names,
      .lookup = std::move(lookup),
      .publish = [&p](std::string_view project, std::string_view environment) -> Status {
        return p.publish_environment ? p.publish_environment(project, environment) : Status();
      }});
  p.fleet = std::make_unique<Fleet>(
      Fleet::Parts{.settings = p.settings,
                   .clock = p.clock,
                   .engine = *p.engine,
                   .repository = *p.stores.repository,
                   .layers = *p.layers,
                   .builder = *p.builder,
                   .names = *p.names,
                   .environments = *p.environments,
                   .volumes = p.preview_volumes.get()},
      [&p](const Deployment& lost) { return p.routes->retreat(by_system("fleet"), lost); });
  p.sites = std::make_unique<Sites>(*p.blobs, p.clock);
  p.routes = std::make_unique<Routes>(p.table, *p.names, *p.fleet, *p.stores.repository, *p.sites);
  p.schedules = std::make_unique<Schedules>(Schedules::Parts{.settings = p.settings,
                                                             .clock = p.clock,
                                                             .repository = *p.stores.repository,
                                                             .layers = *p.layers,
                                                             .builder = *p.builder,
                                                             .names = *p.names,
                                                             .environments = *p.environments,
                                                             .volumes = p.preview_volumes.get(),
                                                             .runner = *p.runner,
                                                             .fleet = *p.fleet});
  p.pipeline = std::make_unique<Pipeline>(Pipeline::Parts{.settings = p.settings,
                                                          .clock = p.clock,
                                                          .repository = *p.stores.repository,
                                                          .blobs = *p.blobs,
                                                          .layers = *p.layers,
                                                          .builder = *p.builder,
                                                          .fleet = *p.fleet,
                                                          .routes = *p.routes,
                                                          .events = p.events,
                                                          .runner = *p.runner,
                                                          .names = *p.names,
                                                          .governance = *p.governance,
                                                          .environments = *p.environments,
                                                          .volumes = p.preview_volumes.get(),
                                                          .schedules = *p.schedules});
  p.service =
      std::make_unique<DeployService>(DeployService::Parts{.settings = p.settings,
                                                           .clock = p.clock,
                                                           .repository = *p.stores.repository,
                                                           .blobs = *p.blobs,
                                                           .fleet = *p.fleet,
                                                           .routes = *p.routes,
                                                           .pipeline = *p.pipeline,
                                                           .events = p.events,
                                                           .names = *p.names,
                                                           .governance = *p.governance,
                                                           .environments = *p.environments,
                                                           .releases = *p.stores.releases,
                                                           .layers = *p.layers});
  p.make_releases();
  p.housekeeping =
      std::make_unique<Housekeeping>(Housekeeping::Parts{.settings = p.settings,
                                                         .clock = p.clock,
                                                         .repository = *p.stores.repository,
                                                         .blobs = *p.blobs,
                                                         .layers = *p.layers,
                                                         .builder = *p.builder,
                                                         .fleet = *p.fleet,
                                                         .sites = *p.sites,
                                                         .service = *p.service,
                                                         .governance = *p.governance,
                                                         .releases = *p.stores.releases,
                                                         .tick_releases =
                                                             [&p] {
                                                               p.crews->tick();
                                                               p.releases->tick();
                                                               p.release_schedules->tick();
                                                               p.reserve->refill();
                                                             },
                                                         .volumes = p.preview_volumes.get()});
  p.speed = std::make_unique<SpeedGate>(p.clock, speed_limits(p.settings.limits));
  p.context = std::make_unique<ApiContext>(
      ApiContext{.service = *p.service,
                 .identity = *p.stores.identity,
                 .repository = *p.stores.repository,
                 .speed = *p.speed,
                 .audit = *p.audit,
                 .governance = *p.governance,
                 .environments = *p.environments,
                 .releases = *p.releases,
                 .release_store = *p.stores.releases,
                 .crews = *p.crews,
                 .work = p.work,
                 .volumes = *p.volumes,
                 .volume_store = *p.stores.volumes,
                 .domains = *p.domains,
                 .alerts = *p.alerts,
                 .witnesses = *p.witnesses,
                 .clock = p.clock,
                 .names = *p.names,
                 .server_url = p.url,
                 .metrics =
                     [&p] {
                       return metrics_text(p.router->counters(), p.fleet->counts(),
                                           p.pipeline->counts(), p.table.size());
                     },
                 .record = [&p](const AuditEvent& event) { return p.stores.audit->record(event); },
                 .collect_garbage = [&p] { return p.housekeeping->collect_garbage(); },
                 .go_down = [&p] { return p.go_down(); }});
  p.dispatcher = std::make_unique<ApiDispatcher>(*p.context);
  std::unique_ptr<Server> server(new Server(std::move(parts)));
  SLIPWAY_CHECK(p.recover());
  SLIPWAY_CHECK(p.listen());
  SLIPWAY_CHECK(p.housekeeping->start());
  SLIPWAY_CHECK(p.schedules->start());
  SLIPWAY_CHECK(p.alerts->start());
  SLIPWAY_CHECK(p.witnesses->start());
  SLIPWAY_CHECK(p.domains->start());
  SLIPWAY_CHECK(p.announce());
  if (Status started = p.preparation.start([&p](const std::stop_token&) { p.builder->prepare(); });
      !started)
    log_warn("toolchains are asked for when they are needed", {{"error", started.error().message}});
  log_info(
      "listening",
      {{"url", p.url}, {"address", p.settings.listen_address}, {"data", p.settings.data.string()}});
  return server;
}

Server::~Server() { stop(); }

void Server::stop() {
  Parts& p = *parts_;
  if (std::exchange(p.stopped, true)) return;
  std::error_code ignored;
  fs::remove(p.settings.data / "server.json", ignored);
  if (p.housekeeping) p.housekeeping->stop();
  if (p.schedules) p.schedules->stop();
  if (p.alerts) p.alerts->stop();
  if (p.witnesses) p.witnesses->stop();
  if (p.domains) p.domains->stop();
  if (p.pipeline) p.pipeline->shut_down();
  p.work.stop();
  if (p.releases) p.releases->shut_down();
  // Who asked for it sees that they are gone; one that a request wakes meanwhile goes afterwards.
  if (p.ends_apps) end_apps(*p.engine, p.settings.instances.stop_grace);
  if (p.router) p.router->stop(10s);
  if (p.ends_apps) end_apps(*p.engine, p.settings.instances.stop_grace);
}

int Server::port() const { return parts_->settings.port; }
const std::string& Server::url() const { return parts_->url; }

}  // namespace slipway
