#include "deploy/instance_spec.h"

#include "base/text.h"
#include "deploy/readiness.h"
#include "deploy/units.h"
#include "deploy/wire_values.h"
#include "sys/files.h"

namespace slipway {
namespace {

std::string filled(std::string_view pattern, const std::string& url, const std::string& host,
                   const std::string& port) {
  std::string out(pattern);
  for (const auto& [mark, value] : {std::pair<std::string_view, const std::string&>{"{url}", url},
                                    {"{host}", host},
                                    {"{port}", port}})
    for (auto at = out.find(mark); at != std::string::npos; at = out.find(mark, at + value.size()))
      out.replace(at, mark.size(), value);
  return out;
}

// An image brings its whole root and says itself whom and what it runs. `command` "" is its own.
void run_as_image(const ImageRun& image, std::string_view command, SandboxSpec& spec) {
  spec.root.base = SandboxRoot::Base::layers;
  if (command.empty()) {
    spec.argv = image.argv;
  } else {
    spec.argv = {"/bin/sh", "-c", std::string(command)};
  }
  spec.user = {.uid = image.uid, .gid = image.gid, .groups = image.groups};
  spec.powers = Powers::container;
  spec.stop_signal = image.stop_signal;
}

}  // namespace

std::string sibling_address(std::size_t index) {
  return fmt::format("127.77.{}.{}", index / 250, index % 250 + 2);
}

EnvVars sibling_variables(const Deployment& deployment, const Unit& unit, const Names& names,
                          std::string_view when, const HostOf& host_of) {
  EnvVars out;
  const auto host_name = [&](std::string_view label) {
    return host_of ? host_of(label) : names.unit_host(deployment, label);
  };
  const std::vector<Unit> units = units_of(deployment);
  if (units.size() < 2) return out;
  if (when == "run")
    for (const Unit& other : units)
      if (other.label != unit.label && other.is_routed())
        out[address_variable(other.name())] = names.url(host_name(other.label));
  if (unit.service == nullptr) return out;
  for (const Wire& wire : unit.service->wires) {
    if (when == "build" && wire.when != "build") continue;
    for (const Unit& other : units)
      if (other.service != nullptr && other.service->name == wire.service) {
        const std::string host = host_name(other.label);
        const std::string url = names.url(host);
        const auto colon = url.rfind(':');
        const bool has_port = url.find_first_not_of("0123456789", colon + 1) == std::string::npos;
        out[wire.env] = filled(wire.value, url, host, has_port ? url.substr(colon + 1) : "80");
      }
  }
  return out;
}

Result<SandboxSpec> instance_spec(const InstanceParts& parts, const Deployment& deployment,
                                  const Unit& unit, const std::string& sandbox,
                                  std::string_view command, const Placement& placement) {
  const Artifact& artifact = *unit.artifact;
  const auto host_name = [&](std::string_view label) {
    return placement.host ? placement.host(label) : parts.names.unit_host(deployment, label);
  };
  SandboxSpec spec;
  spec.id = sandbox;
  spec.cgroup = placement.cgroup;
  std::vector<std::string> layers = artifact.layers;
  const std::string& release_layer =
      placement.release > 0 ? placement.release_layer : artifact.release_layer;
  if (!release_layer.empty()) layers.push_back(release_layer);
  for (const std::string& layer : layers) {
    const auto path = parts.layers.find(layer);
    if (!path)
      return fail(Errc::corrupt, fmt::format("layer {} of {} is gone", layer, deployment.id.str()),
                  fmt::format("build it again: slipway redeploy {}", deployment.id.str()));
    spec.root.lowers.push_back(*path);
  }
  const std::filesystem::path home = parts.settings.data / "instances" / sandbox;
  spec.root.upper = home / "upper";
  SLIPWAY_TRY(spec.root.binds, parts.builder.toolchain_binds(artifact));
  const std::string& start = artifact.start;
  spec.argv = {"/bin/sh", "-c",
               wire_script(run_wires(deployment, unit, parts.names, host_name)) +
                   (command.empty() ? start : std::string(command))};
  if (artifact.image) run_as_image(*artifact.image, command, spec);
  spec.workdir = artifact.workdir.empty() ? "/app" : artifact.workdir;
  spec.env = artifact.env;
  spec.env.insert_or_assign("SLIPWAY_PROJECT", deployment.project);
  spec.env.insert_or_assign("SLIPWAY_DEPLOYMENT", deployment.id.str());
  spec.env.insert_or_assign("SLIPWAY_ENVIRONMENT", placement.environment);
  if (placement.release > 0)
    spec.env.insert_or_assign("SLIPWAY_RELEASE", std::to_string(placement.release));
  spec.env.insert_or_assign(
      "SLIPWAY_URL",
      parts.names.url(host_name(unit.is_routed() ? unit.label : std::string_view())));
  if (unit.is_routed()) {
    spec.env.insert_or_assign("HOST", "0.0.0.0");
    spec.env.insert_or_assign("PORT", std::to_string(artifact.port.value_or(default_port)));
  }
  for (const auto& [name, value] :
       sibling_variables(deployment, unit, parts.names, "run", placement.host))
    spec.env.insert_or_assign(name, value);
  SLIPWAY_TRY(const Environments::Values configured,
              placement.config_version
                  ? parts.environments.values_for(deployment.project, placement.environment,
                                                  *placement.config_version)
                  : parts.environments.values_for(deployment));
  for (const auto& [name, value] : configured.run) spec.env.insert_or_assign(name, value);
  if (!placement.config_version)
    for (const auto& [name, value] : deployment.options.env) spec.env.insert_or_assign(name, value);
  SLIPWAY_TRY(spec.uid_slot, parts.repository.uid_slot(
                                 placement.uid_owner.empty()
                                     ? fmt::format("{}/{}", deployment.project, deployment.alias)
                                     : placement.uid_owner));
  spec.limits = parts.settings.instances.limits;
  // A disk of its own: the kernel keeps it within its limit.
  spec.root.upper_kind = SandboxRoot::Upper::image;
  spec.egress = Egress::internet;
  spec.hostname = deployment.project;
  spec.labels = {{"deployment", deployment.id.str()}, {"project", deployment.project}};
  spec.labels.emplace_back("uid_slot", std::to_string(spec.uid_slot));
  if (!unit.label.empty()) spec.labels.emplace_back("service", unit.label);
  spec.labels.insert(spec.labels.end(), placement.labels.begin(), placement.labels.end());
  if (parts.previews != nullptr && placement.environment == preview_environment) {
    SLIPWAY_TRY(const std::vector<BindMount> volumes, parts.previews->binds(deployment, unit));
    spec.root.binds.insert(spec.root.binds.end(), volumes.begin(), volumes.end());
  }
  for (BindMount volume : placement.volumes) {
    volume.access = BindMount::Access::read_write;
    spec.root.binds.push_back(std::move(volume));
  }

  const std::vector<Unit> units = units_of(deployment);
  if (units.size() > 1) {
    std::string hosts =
        fmt::format("127.0.0.1 localhost {}\n::1 localhost ip6-localhost\n", spec.hostname);
    for (std::size_t i = 0; i < units.size(); ++i)
      if (units[i].has_instance() && units[i].is_routed() && units[i].label != unit.label)
        hosts += fmt::format("{} {}\n", sibling_address(i), host_name(units[i].label));
    SLIPWAY_CHECK(make_directories(home));
    SLIPWAY_CHECK(write_file_atomic(home / "hosts", hosts, 0644));
    spec.root.binds.push_back({.source = home / "hosts", .target = "/etc/hosts"});
  }
  return spec;
}

}  // namespace slipway
