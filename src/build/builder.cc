#include "build/builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <set>

#include "base/ids.h"
#include "base/text.h"
#include "build/caches.h"
#include "build/cargo_times.h"
#include "build/host_settings.h"
#include "build/image_build.h"
#include "build/lockfile_patches.h"
#include "build/recipe.h"
#include "build/repair_log.h"
#include "build/site.h"
#include "build/step.h"
#include "build/toolchain_host.h"
#include "build/toolchains.h"
#include "build/wired_files.h"
#include "sys/files.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;

// Part of every layer's key: raise it when the way of building changes what comes out.
constexpr std::string_view format_version = "1";
constexpr std::uint64_t cache_limit_bytes = 6ull << 30;  // of one project

// The part of the source that the install step sees: the files named, and what lies below the
// directories named.
Manifest select_inputs(const Manifest& source, const std::vector<std::string>& inputs) {
  Manifest out;
  for (const ManifestEntry& entry : source.entries)
    if (std::ranges::any_of(inputs, [&](std::string_view input) {
          while (input.ends_with('/')) input.remove_suffix(1);
          return entry.path == input ||
                 (entry.path.size() > input.size() && entry.path.starts_with(input) &&
                  entry.path[input.size()] == '/');
        }))
      out.entries.push_back(entry);
  return out;
}

void add_env(Sha256& hash, const EnvVars& env) {
  hash.field(std::to_string(env.size()));
  for (const auto& [name, value] : env) hash.field(name).field(value);
}

std::string layer_id(std::string_view kind, Sha256& hash) {
  return fmt::format("{}-{}", kind, hash.finish().hex().substr(0, 40));
}

}  // namespace

struct Builder::State {
  Paths paths;
  BlobStore& blobs;
  LayerStore& layers;
  StepRunner& runner;
  const Clock& clock;
  HostSettings settings;
  Toolchains toolchains;
  ProjectCaches caches;
  BaseImages base_images;

  State(Paths p, BlobStore& b, LayerStore& l, StepRunner& r, const Clock& c,
        const EnvVars& host_env)
      : paths(std::move(p)),
        blobs(b),
        layers(l),
        runner(r),
        clock(c),
        settings(read_host_settings(host_env)),
        toolchains(
            paths.toolchains,
            [host_env](std::string_view name) { return find_host_toolchains(name, host_env); },
            settings, runner),
        caches(paths.cache, paths.scratch),
        base_images(paths.images.empty() ? paths.toolchains.parent_path() / "images"
                                         : paths.images) {}
};

namespace {

// One call of Builder::build(): what it found out so far.
class Run {
 public:
  Run(const BuildRequest& request, BuildObserver& observer, std::stop_token stop,
      Toolchains& toolchains, ProjectCaches& caches, const HostSettings& settings,
      const Builder::Paths& paths, BlobStore& blobs, LayerStore& layers, StepRunner& runner,
      const Clock& clock)
      : request_(request),
        planned_(*request.service),
        service_(*request.service),
        source_(*request.source),
        observer_(observer),
        stop_(std::move(stop)),
        toolchains_(toolchains),
        caches_(caches),
        settings_(settings),
        paths_(paths),
        blobs_(blobs),
        layers_(layers),
        runner_(runner),
        clock_(clock),
        id_("build-" + random_id()),
        repairs_(paths.cache / "repairs",
                 request.repairs == BuildRequest::Repairs::made ? RepairLog::Allowed::yes
                                                                : RepairLog::Allowed::no,
                 request.limits.step_time) {}

  Result<BuildOutcome> build() {
    if (service_.is_static && !has_command(service_.install) && !has_command(service_.build))
      return publish_source();
    source_layers_ = request_.source_layers;
    if (source_layers_.empty()) {
      SLIPWAY_TRY(source_layers_, layers_.materialize(source_, "app", blobs_));
    }
    const auto pin = layers_.pin(source_layers_);
    const RuntimeNeed& runtime = service_.runtime;
    SLIPWAY_CHECK(observed("toolchain",
                           runtime.version.empty()
                               ? runtime.name
                               : fmt::format("{} {}", runtime.name, runtime.version),
                           [this]() -> Result<std::string_view> {
                             SLIPWAY_CHECK(resolve_toolchains());
                             return "done";
                           }));
    SLIPWAY_CHECK(ask_registry_for_lockfiles());
    SLIPWAY_CHECK(make_layers());
    SLIPWAY_CHECK(trim_caches());
    outcome_.findings = repairs_.findings();
    if (service_.is_static) return publish_output();
    return finish();
  }

 private:
  static bool has_command(const std::optional<std::string>& command) {
    return command && !trim(*command).empty();
  }

  void note(std::string_view text) { observer_.output(fmt::format("slipway: {}\n", text)); }

  Status check_canceled() const {
    if (stop_.stop_requested()) return fail(Errc::canceled, "the build was canceled");
    return {};
  }

  // The steps, with repairs between them.
  Status make_layers() {
    const bool part = !planned_.install_inputs.empty() || planned_.install_names_packages;
    Sha256 key = begin_key("repair", request_.trust, planned_.install.value_or(""),
                           keyed_env(BuildStep::build));
    key.field(planned_.build.value_or("")).field(planned_.start.value_or(""));
    key.field(part ? select_inputs(source_, planned_.install_inputs).digest().hex()
                   : source_.digest().hex());
    repairs_.remember_as(key.finish().hex().substr(0, 40));
    SLIPWAY_CHECK(repaired(repairs_.begin(service_)));
    if (request_.failed_start != nullptr) {
      const Error& failed = *request_.failed_start;
      const RepairLog::Made made =
          repairs_.after(failed, join(failed.excerpt, "\n"), service_, clock_.monotonic());
      if (made == RepairLog::Made::nothing) return fail(failed);
      SLIPWAY_CHECK(repaired(made));
    }
    std::optional<Error> first;
    if (request_.failed_start != nullptr) first = *request_.failed_start;
    for (;;) {
      log_ = LogTail(256u << 10);
      Status made = install();
      if (made) made = compile();
      if (made) {
        repairs_.keep();
        return made;
      }
      const Error& error = made.error();
      if (!first) first = error;
      // What a repair of a later step broke in the install is not what is wrong with the app.
      if (first->phase != "install" && error.phase == "install") return fail(*first);
      const RepairLog::Made repair =
          repairs_.after(error, log_.text(), service_, clock_.monotonic());
      // With another runtime it got further: what it said then is what is wrong.
      const bool other_runtime = service_.runtime.version != planned_.runtime.version;
      if (repair == RepairLog::Made::nothing)
        return fail(error.cause == "unknown" && error.phase == first->phase && !other_runtime
                        ? *first
                        : error);
      note(fmt::format("repairing: {}", repairs_.findings().back().message));
      SLIPWAY_CHECK(repaired(repair));
    }
  }

  Status repaired(RepairLog::Made made) {
    deps_layer_.clear();
    build_layer_.clear();
    // A changed command may call tools that nobody needed before.
    return made == RepairLog::Made::commands ? resolve_toolchains() : Status();
  }

  Status ask_registry_for_lockfiles() {
    if (request_.repairs == BuildRequest::Repairs::none || !planned_.install) return {};
    SLIPWAY_TRY(LockfilePatches patches, patch_lockfiles(source_, blobs_, settings_.env));
    for (const Warning& finding : patches.findings) note(finding.message);
    patches_ = std::move(patches.manifest);
    repairs_.add(std::move(patches.findings));
    return {};
  }

  Status resolve_toolchains() {
    ground_.tools.clear();
    ground_.run_tools.clear();
    ground_.service = &service_;
    const Toolchains::Context context{
        .note = [this](std::string_view text) { note(text); },
        .output = [this](std::string_view bytes) { observer_.output(bytes); },
        .stop = stop_,
        .uid_slot = request_.uid_slot,
        .sandbox_id = id_};
    for (const ToolchainNeed& need : toolchain_needs(service_)) {
      SLIPWAY_CHECK(check_canceled());
      auto tool = toolchains_.resolve(need, context);
      if (!tool && need.use == ToolchainNeed::Use::build_if_present &&
          tool.error().code != Errc::canceled)
        continue;
      if (!tool) return fail(std::move(tool).error());
      if (need.use == ToolchainNeed::Use::build_and_run) ground_.run_tools.push_back(*tool);
      ground_.tools.push_back(*std::move(tool));
    }
    return {};
  }

  Sha256 begin_key(std::string_view kind, BuildTrust trust, std::string_view script,
                   const EnvVars& env) const {
    Sha256 hash;
    hash.field(kind).field(format_version).field(build_domain(request_.project, trust));
    hash.field(service_.root);
    hash.field(script);
    for (const Toolchain& tool : ground_.tools) hash.field(tool.id()).field(tool.program);
    add_env(hash, env);
    return hash;
  }

  // The layer of a step: one that people's builds made, for an agent's too; else its own.
  std::string choose_layer(const std::function<std::string(BuildTrust)>& id_for) const {
    std::string trusted = id_for(BuildTrust::people);
    if (request_.trust == BuildTrust::people || layers_.find(trusted)) return trusted;
    return id_for(request_.trust);
  }

  EnvVars keyed_env(BuildStep step) const {
    EnvVars env = step_environment(ground_, step);
    // Yarn's own default (no node_modules) is for apps that ask for it: their start would have to
    // load its loader.
    if (service_.package_manager == "yarn" && !has_file(".yarnrc.yml"))
      env["YARN_NODE_LINKER"] = "node-modules";
    for (const auto& [name, value] : request_.build_env) env[name] = value;
    // The run is production; an install for production lacks what the build needs.
    if (const auto mode = env.find("NODE_ENV");
        step == BuildStep::install && mode != env.end() && mode->second == "production")
      env.erase(mode);
    repairs_.add_variables(step, env);
    return env;
  }

  bool has_file(std::string_view name) const {
    return std::ranges::any_of(source_.entries, [&](const ManifestEntry& entry) {
      return entry.path == name || entry.path.ends_with(fmt::format("/{}", name));
    });
  }

  // The caches and scratch space of the steps that really run; made when the first one does.
  Status prepare_sandboxes() {
    if (lease_) return {};
    std::vector<std::string> tools;
    for (const Toolchain& tool : ground_.tools) tools.push_back(tool.name);
    SLIPWAY_TRY(lease_,
                caches_.lease(build_domain(request_.project, request_.trust), service_, tools));
    SLIPWAY_CHECK(make_directories(paths_.scratch));
    SLIPWAY_TRY(TempDir scratch, TempDir::create(paths_.scratch, "home-"));
    scratch_.emplace(std::move(scratch));
    SLIPWAY_CHECK(make_directories(scratch_->path() / "home" / "tmp"));
    if (!settings_.maven_settings.empty()) {
      SLIPWAY_CHECK(make_directories(scratch_->path() / "home" / ".m2"));
      SLIPWAY_CHECK(write_file_atomic(scratch_->path() / "home" / ".m2" / "settings.xml",
                                      settings_.maven_settings));
    }
    if (!settings_.cargo_config.empty())
      SLIPWAY_CHECK(write_file_atomic(scratch_->path() / "cargo.toml", settings_.cargo_config));
    return {};
  }

  // Only after steps that may have downloaded much: counting files is not free.
  Status trim_caches() {
    if (!lease_) return {};
    lease_.reset();  // or it could not empty what this build alone holds
    if (outcome_.cache_install == "hit") return {};
    return caches_.trim(build_domain(request_.project, request_.trust), cache_limit_bytes);
  }

  SandboxSpec make_spec(std::string_view step, const std::vector<std::string>& lowers,
                        const fs::path& upper, std::string script, EnvVars env) {
    SandboxSpec spec;
    spec.id = fmt::format("{}-{}", id_, step);
    spec.cgroup = "builds";
    spec.labels = {{"project", request_.project}};
    for (const std::string& layer : lowers)
      if (auto directory = layers_.find(layer)) spec.root.lowers.push_back(*std::move(directory));
    spec.root.upper = upper;
    spec.root.binds = settings_.binds;
    for (const Toolchain& tool : ground_.tools)
      for (const BindMount& bind : tool.binds) spec.root.binds.push_back(bind);
    spec.root.binds.insert(spec.root.binds.end(), lease_->binds.begin(), lease_->binds.end());
    spec.root.binds.push_back({.source = scratch_->path() / "home",
                               .target = "/home/app",
                               .access = BindMount::Access::read_write});
    spec.root.measured.push_back(scratch_->path() / "home");
    for (const BindMount& bind : lease_->binds) spec.root.measured.push_back(bind.source);
    if (!settings_.cargo_config.empty())
      spec.root.binds.push_back(
          {.source = scratch_->path() / "cargo.toml", .target = "/.cargo/config.toml"});
    // Part of the step, so that the one who cancels it need not wait; of no layer's key.
    if (const int pause = repairs_.take_pause(); pause > 0)
      script = fmt::format("sleep {}\n{}", pause, script);
    spec.argv = {"/bin/sh", "-c", std::move(script)};
    spec.env = std::move(env);
    for (const auto& [name, value] : settings_.env) spec.env.emplace(name, value);
    for (const auto& [name, value] : lease_->env) spec.env[name] = value;
    // Yarn 2 and 3 refuse settings that they do not know, also among variables.
    if (service_.package_manager == "yarn" && (service_.package_manager_version.starts_with('2') ||
                                               service_.package_manager_version.starts_with('3')))
      if (auto bundle = spec.env.extract("YARN_HTTPS_CA_FILE_PATH"); !bundle.empty())
        spec.env["YARN_CA_FILE_PATH"] = bundle.mapped();
    if (spec.env.contains("YARN_ENABLE_GLOBAL_CACHE")) spec.env.erase("YARN_CACHE_FOLDER");
    const std::string java = std::string(trim(settings_.java_flags + " " + lease_->java_flags));
    if (!java.empty() && !lease_->java_flags.empty()) {
      spec.env.emplace("MAVEN_OPTS", java);
      spec.env.emplace("GRADLE_OPTS", java + " -Dorg.gradle.daemon=false");
    }
    spec.workdir = work_directory(service_);
    spec.uid_slot = request_.uid_slot;
    spec.limits.memory_bytes =
        request_.limits.memory_bytes / 100 * static_cast<std::uint64_t>(repairs_.memory_percent());
    spec.limits.cpu_millis = request_.limits.cpu_millis;
    spec.limits.pids = request_.limits.pids;
    spec.limits.disk_bytes = request_.limits.disk_bytes;
    spec.egress = Egress::registries;
    spec.hostname = "build";
    return spec;
  }

  StepJob make_job(std::string_view name, std::string command, SandboxSpec spec) {
    return {.name = std::string(name),
            .command = std::move(command),
            .spec = std::move(spec),
            .service = &service_,
            .limits = request_.limits,
            .log = &log_};
  }

  // Brackets `work` by the observer's step events.
  template <class Work>
  Status observed(std::string_view name, std::string_view detail, const Work& work) {
    const Duration started = clock_.monotonic();
    observer_.step_started(name, detail);
    const Result<std::string_view> state = work();
    observer_.step_ended(name,
                         state                                  ? *state
                         : state.error().code == Errc::canceled ? "canceled"
                                                                : "failed",
                         clock_.monotonic() - started);
    if (!state) return fail(state.error());
    return {};
  }

  Status install() {
    const auto script = install_script(ground_);
    if (!script) return {};
    const bool part = !service_.install_inputs.empty() || service_.install_names_packages;
    Manifest inputs = part ? select_inputs(source_, service_.install_inputs) : Manifest{};
    for (ManifestEntry& entry : inputs.entries)
      for (const ManifestEntry& patched : patches_.entries)
        if (entry.path == patched.path) entry = patched;
    const EnvVars env = keyed_env(BuildStep::install);
    const std::string layer = choose_layer([&](BuildTrust trust) {
      Sha256 key = begin_key("install", trust, *script, env);
      key.field(part ? inputs.digest().hex() : source_.digest().hex());
      if (!part && !patches_.entries.empty()) key.field(patches_.digest().hex());
      return layer_id("install", key);
    });
    const std::string shown = service_.install.value_or("prepare .venv");
    SLIPWAY_CHECK(observed("install", shown, [&]() -> Result<std::string_view> {
      if (layers_.find(layer)) {
        outcome_.cache_install = "hit";
        return "cached";
      }
      outcome_.cache_install = "miss";
      SLIPWAY_CHECK(run_install(layer, *script, shown, env, part ? &inputs : nullptr));
      return "done";
    }));
    deps_layer_ = layer;
    return {};
  }

  Status run_install(const std::string& layer, const std::string& script, const std::string& shown,
                     const EnvVars& env, const Manifest* inputs) {
    SLIPWAY_CHECK(check_canceled());
    SLIPWAY_CHECK(prepare_sandboxes());
    std::vector<std::string> lowers = source_layers_;
    std::optional<LayerStore::Pin> pin;
    if (inputs != nullptr) {
      SLIPWAY_TRY(lowers, layers_.materialize(*inputs, "app", blobs_));
      pin.emplace(layers_.pin(lowers));
    } else if (!patches_.entries.empty()) {
      SLIPWAY_TRY(const std::vector<std::string> patches,
                  layers_.materialize(patches_, "app", blobs_));
      pin.emplace(layers_.pin(patches));
      lowers.insert(lowers.end(), patches.begin(), patches.end());
    }
    SLIPWAY_TRY(auto draft, layers_.begin(layer));
    SLIPWAY_CHECK(
        make_directories(draft.path() / fs::path(work_directory(service_)).relative_path()));
    StepJob job =
        make_job("install", shown, make_spec("install", lowers, draft.path(), script, env));
    SLIPWAY_CHECK(run_step(job, runner_, observer_, stop_));
    if (inputs != nullptr) open_directories(draft.path(), *inputs, "app");
    SLIPWAY_CHECK(keep_app_only(draft.path()));
    return draft.commit();
  }

  Status compile() {
    const auto script = build_script(ground_);
    if (!script) return {};
    const EnvVars env = keyed_env(BuildStep::build);
    const std::string layer = choose_layer([&](BuildTrust trust) {
      Sha256 key = begin_key("build", trust, *script, env);
      key.field(source_.digest().hex()).field(deps_layer_);
      return layer_id("build", key);
    });
    SLIPWAY_CHECK(observed("build", *service_.build, [&]() -> Result<std::string_view> {
      if (layers_.find(layer)) {
        outcome_.cache_build = "hit";
        return "cached";
      }
      outcome_.cache_build = "miss";
      SLIPWAY_CHECK(run_build(layer, *script, env));
      return "done";
    }));
    build_layer_ = layer;
    return {};
  }

  Status run_build(const std::string& layer, const std::string& script, const EnvVars& env) {
    SLIPWAY_CHECK(check_canceled());
    SLIPWAY_CHECK(prepare_sandboxes());
    const std::vector<std::string> lowers = below_build();
    const auto pin = layers_.pin(lowers);
    SLIPWAY_TRY(auto draft, layers_.begin(layer));
    SLIPWAY_CHECK(make_directories(draft.path() / "app"));
    SandboxSpec spec = make_spec("build", lowers, draft.path(), script, env);
    spec.root.binds.insert(spec.root.binds.end(), lease_->framework_binds.begin(),
                           lease_->framework_binds.end());
    for (const BindMount& bind : lease_->framework_binds) spec.root.measured.push_back(bind.source);
    if (!lease_->cargo_target.empty())
      SLIPWAY_CHECK(
          renew_times(source_, blobs_, lease_->cargo_target, draft.path() / "app", clock_.now()));
    SLIPWAY_CHECK(
        run_step(make_job("build", *service_.build, std::move(spec)), runner_, observer_, stop_));
    SLIPWAY_CHECK(keep_app_only(draft.path()));
    return draft.commit();
  }

  std::vector<std::string> below_build() const {
    std::vector<std::string> all = source_layers_;
    if (!deps_layer_.empty()) all.push_back(deps_layer_);
    return all;
  }

  Result<BuildOutcome> finish() {
    Artifact& artifact = outcome_.artifact;
    artifact.layers = below_build();
    if (!build_layer_.empty()) artifact.layers.push_back(build_layer_);
    if (request_.wires == BuildRequest::Wires::told && !build_layer_.empty())
      if (const auto built = layers_.find(build_layer_))
        artifact.wired = wired_files(*built / "app");
    artifact.start = service_.start.value_or("");
    artifact.workdir = work_directory(service_);
    artifact.env = run_environment(ground_);
    for (const Toolchain& tool : ground_.run_tools) artifact.toolchains.push_back(tool.id());
    for (const Toolchain& tool : ground_.tools) artifact.built_with.push_back(tool.id());
    artifact.port = service_.port;
    artifact.health_path = service_.health_path;
    return outcome_;
  }

  Result<BuildOutcome> publish(Result<Manifest> site) {
    if (!site) return fail(std::move(site).error());
    if (site->entries.empty()) {
      Error error{.code = Errc::build_failed,
                  .message = "there is nothing to publish: the site has no files",
                  .hint = "check the plan's output folder with `slipway detect`"};
      error.phase = "publish";
      error.cause = "no_output";
      return fail(std::move(error));
    }
    if (request_.wires == BuildRequest::Wires::told)
      outcome_.artifact.wired = wired_files(*site, blobs_);
    SLIPWAY_TRY(outcome_.artifact.site, blobs_.put_manifest(*std::move(site)));
    outcome_.artifact.fallback = service_.fallback;
    for (const Toolchain& tool : ground_.tools) outcome_.artifact.built_with.push_back(tool.id());
    outcome_.artifact.health_path = service_.health_path;
    return outcome_;
  }

  std::string output_directory() const {
    std::string out = service_.root;
    std::string_view below = service_.output_dir ? std::string_view(*service_.output_dir) : "";
    while (below.starts_with("./")) below.remove_prefix(2);
    while (below.ends_with('/')) below.remove_suffix(1);
    if (below.empty() || below == ".") return out;
    if (!out.empty()) out += '/';
    return out + std::string(below);
  }

  Result<BuildOutcome> publish_source() {
    Result<BuildOutcome> result = fail(Errc::internal, "");
    SLIPWAY_CHECK(observed("publish", output_directory(), [&]() -> Result<std::string_view> {
      result = publish(site_of_source(source_, output_directory(), [this](const Digest& link) {
        return blobs_.read(link, max_link_target_bytes).value_or("");
      }));
      if (!result) return fail(result.error());
      return "done";
    }));
    return result;
  }

  Result<BuildOutcome> publish_output() {
    Result<BuildOutcome> result = fail(Errc::internal, "");
    std::vector<std::string> ids = below_build();
    if (!build_layer_.empty()) ids.push_back(build_layer_);
    const auto pin = layers_.pin(ids);
    SLIPWAY_CHECK(observed("publish", output_directory(), [&]() -> Result<std::string_view> {
      result = publish(ingest(ids));
      if (!result) return fail(result.error());
      return "done";
    }));
    return result;
  }

  Result<Manifest> ingest(const std::vector<std::string>& ids) {
    std::vector<fs::path> directories;
    for (const std::string& id : ids)
      if (auto directory = layers_.find(id)) directories.push_back(*directory / "app");
    const MergedTree tree(std::move(directories));
    std::string directory = output_directory();
    if (!tree.is_directory(directory)) {
      // What the build wrote; a template of the source may lie in a folder of a usual name.
      std::string other;
      if (const auto written = build_layer_.empty() ? std::nullopt : layers_.find(build_layer_))
        other = find_output(MergedTree({*written / "app"}), service_.root);
      if (other.empty()) other = find_output(tree, service_.root);
      if (other.empty()) return no_output(directory);
      note(fmt::format("the build wrote {}, not {}; publishing that", other, directory));
      directory = other;
    }
    return ingest_site(tree, directory, blobs_, {.max_bytes = request_.limits.disk_bytes},
                       [this](std::string_view text) { note(text); });
  }

  std::unexpected<Error> no_output(const std::string& directory) const {
    Error error{.code = Errc::build_failed,
                .message = fmt::format("the build finished but made no folder {}",
                                       sanitize_line(directory)),
                .hint =
                    "let the build write there, or say where it writes with --root or the "
                    "framework's own setting"};
    error.phase = "publish";
    error.command = service_.build.value_or("");
    error.cause = "no_output";
    return fail(std::move(error));
  }

  const BuildRequest& request_;
  const Service& planned_;
  Service service_;  // as it is built: `planned_` with the repairs
  const Manifest& source_;
  BuildObserver& observer_;
  std::stop_token stop_;
  Toolchains& toolchains_;
  ProjectCaches& caches_;
  const HostSettings& settings_;
  const Builder::Paths& paths_;
  BlobStore& blobs_;
  LayerStore& layers_;
  StepRunner& runner_;
  const Clock& clock_;
  std::string id_;

  Ground ground_;
  std::vector<std::string> source_layers_;
  std::string deps_layer_, build_layer_;
  Manifest patches_;  // lockfiles as the install sees them
  RepairLog repairs_;
  LogTail log_{256u << 10};
  std::unique_ptr<ProjectCaches::Lease> lease_;
  std::optional<TempDir> scratch_;
  BuildOutcome outcome_;
};

}  // namespace

Builder::Builder(Paths paths, BlobStore& blobs, LayerStore& layers, StepRunner& runner,
                 const Clock& clock, EnvVars host_env)
    : state_(std::make_unique<State>(std::move(paths), blobs, layers, runner, clock, host_env)) {}

Builder::~Builder() = default;

Result<BuildOutcome> Builder::build(const BuildRequest& request, BuildObserver& observer,
                                    std::stop_token stop) {
  State& s = *state_;
  if (request.service->provider == "dockerfile") {
    std::vector<std::string> source_layers = request.source_layers;
    if (source_layers.empty()) {
      SLIPWAY_TRY(source_layers, s.layers.materialize(*request.source, "app", s.blobs));
    }
    const auto pin = s.layers.pin(source_layers);
    return build_image({.tool = {s.settings, s.paths.scratch, s.runner},
                        .bases = s.base_images,
                        .caches = s.caches,
                        .blobs = s.blobs,
                        .layers = s.layers,
                        .clock = s.clock},
                       request, source_layers, observer, std::move(stop));
  }
  return Run(request, observer, std::move(stop), s.toolchains, s.caches, s.settings, s.paths,
             s.blobs, s.layers, s.runner, s.clock)
      .build();
}

Result<std::vector<BindMount>> Builder::toolchain_binds(const Artifact& artifact) const {
  std::vector<BindMount> binds;
  for (const std::string& id : artifact.toolchains) {
    SLIPWAY_TRY(const Toolchain tool, state_->toolchains.get(id));
    binds.insert(binds.end(), tool.binds.begin(), tool.binds.end());
  }
  return binds;
}

void Builder::prepare() {
  for (const char* tool : {"node", "python", "go", "rust", "java"})
    static_cast<void>(state_->toolchains.on_host(tool));
}

Result<std::uint64_t> Builder::collect_toolchains(
    const std::function<bool(std::string_view id)>& in_use, Duration unused_for) {
  const std::uint64_t images = state_->base_images.collect(unused_for);
  SLIPWAY_TRY(const std::uint64_t toolchains, state_->toolchains.collect(in_use, unused_for));
  return images + toolchains;
}

Status Builder::remove_caches(std::string_view project) {
  for (const BuildTrust trust : {BuildTrust::people, BuildTrust::agents})
    SLIPWAY_CHECK(state_->caches.remove(build_domain(project, trust)));
  return {};
}

// No project's name has an "@".
std::string build_domain(std::string_view project, BuildTrust trust) {
  return trust == BuildTrust::people ? std::string(project) : fmt::format("{}@agents", project);
}

}  // namespace slipway
