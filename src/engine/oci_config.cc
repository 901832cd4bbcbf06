#include "engine/oci_config.h"

#include <algorithm>
#include <boost/json.hpp>

namespace slipway {
namespace {

namespace json = boost::json;

json::array strings(const std::vector<std::string>& items) {
  json::array out;
  for (const std::string& item : items) out.emplace_back(item);
  return out;
}

json::object mount(std::string_view target, std::string_view type,
                   std::initializer_list<std::string> options) {
  return {{"destination", target},
          {"type", type},
          {"source", type},
          {"options", strings(std::vector<std::string>(options))}};
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (k < have ? static_cast<std::uint8_t>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) out += k <= have ? digits[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

json::array capabilities_of(Powers powers) {
  json::array out;
  if (powers == Powers::none) return out;
  for (const char* name : {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
                           "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE"})
    out.emplace_back(name);
  if (powers == Powers::image_build)
    for (const char* name : {"CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_SETFCAP", "CAP_MKNOD"})
      out.emplace_back(name);
  return out;
}

json::object process(const SandboxSpec& spec, const OciSettings& settings) {
  std::vector<std::string> argv;
  // -g: signals reach the whole group that the init started, so that `sh -c "npm start"` stops too.
  if (!settings.init.empty()) argv = {settings.init, "-g", "--"};
  argv.insert(argv.end(), spec.argv.begin(), spec.argv.end());
  EnvVars env = spec.env;
  env.try_emplace("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  env.try_emplace("HOME", "/home/app");
  env.try_emplace("HOSTNAME", spec.hostname);
  env.try_emplace("LANG", "C.UTF-8");
  std::vector<std::string> variables;
  for (const auto& [name, value] : env) variables.push_back(name + "=" + value);
  // Never inheritable or ambient: who becomes another user loses them, for good.
  const json::array held = spec.user.uid == 0 ? capabilities_of(spec.powers) : json::array{};
  const json::object capabilities{{"bounding", held},
                                  {"effective", held},
                                  {"permitted", held},
                                  {"inheritable", json::array{}},
                                  {"ambient", json::array{}}};
  json::object user{{"uid", spec.user.uid}, {"gid", spec.user.gid}};
  if (!spec.user.groups.empty()) {
    json::array groups;
    for (const std::uint32_t group : spec.user.groups) groups.push_back(group);
    user["additionalGids"] = std::move(groups);
  }
  const std::uint64_t files =
      settings.open_files_ceiling == 0 || spec.limits.open_files == 0
          ? std::max<std::uint64_t>(spec.limits.open_files, settings.open_files_ceiling)
          : std::min(spec.limits.open_files, settings.open_files_ceiling);
  json::array limits{{{"type", "RLIMIT_CORE"}, {"hard", 0}, {"soft", 0}}};
  if (files > 0) limits.push_back({{"type", "RLIMIT_NOFILE"}, {"hard", files}, {"soft", files}});
  return {{"terminal", false},
          {"user", std::move(user)},
          {"args", strings(argv)},
          {"env", strings(variables)},
          {"cwd", spec.workdir},
          {"capabilities", capabilities},
          {"rlimits", std::move(limits)},
          {"noNewPrivileges", true},
          {"oomScoreAdj", settings.oom_score}};
}

json::object resources(const SandboxLimits& limits, const OciSettings& settings) {
  json::object out{{"devices", {{{"allow", false}, {"access", "rwm"}}}}};
  if (limits.memory_bytes > 0) {
    json::object memory{{"limit", limits.memory_bytes}};
    if (settings.swap_accounting) memory["swap"] = limits.memory_bytes;  // memory and swap together
    out["memory"] = std::move(memory);
  }
  if (limits.pids > 0) out["pids"] = json::object{{"limit", limits.pids}};
  json::object cpu;
  if (limits.cpu_millis > 0) {
    cpu["period"] = 100'000;
    cpu["quota"] = std::max<std::uint64_t>(1000, std::uint64_t{limits.cpu_millis} * 100);
  }
  if (limits.cpu_weight > 0) {
    const std::uint64_t weight = std::clamp<std::uint64_t>(limits.cpu_weight, 1, 10'000);
    // Runtimes turn shares into v2 weights by weight = 1 + (shares - 2) * 9999 / 262142; its
    // inverse, rounded up. In v1 the usual 1024 shares are what weight 100 is in v2.
    cpu["shares"] = settings.cgroup_v2 ? 2 + ((weight - 1) * 262'142 + 9998) / 9999
                                       : std::clamp<std::uint64_t>(weight * 1024 / 100, 2, 262'144);
  }
  out["cpu"] = std::move(cpu);
  return out;
}

}  // namespace

std::string make_oci_config(const SandboxSpec& spec, const OciSettings& settings) {
  // Memory file systems count towards the sandbox's memory; the size keeps a full /tmp an error of
  // the writer instead of a death.
  const std::uint64_t scratch =
      spec.limits.memory_bytes > 0 ? spec.limits.memory_bytes / 2 : std::uint64_t{256} << 20;
  const std::string size = fmt::format("size={}", scratch);
  json::array mounts{
      mount("/proc", "proc", {"nosuid", "noexec", "nodev"}),
      mount("/dev", "tmpfs", {"nosuid", "noexec", "mode=755", "size=65536"}),
      mount("/dev/shm", "tmpfs", {"nosuid", "noexec", "nodev", "mode=1777", size}),
  };
  if (spec.root.base == SandboxRoot::Base::host) {  // an image has its own, on disk
    mounts.push_back(mount("/tmp", "tmpfs", {"nosuid", "nodev", "mode=1777", size}));
    mounts.push_back(mount("/var/tmp", "tmpfs", {"nosuid", "nodev", "mode=1777", size}));
    mounts.push_back(mount("/run", "tmpfs", {"nosuid", "nodev", "noexec", "mode=755", size}));
  }
  json::array namespaces;  // the network's is the one the runtime is started in
  for (const char* type : {"pid", "ipc", "uts", "mount", "user", "cgroup"})
    namespaces.push_back({{"type", type}});
  const json::array ids{{{"containerID", 0}, {"hostID", settings.id_base}, {"size", 65536}}};
  json::object linux_part{
      {"namespaces", std::move(namespaces)},
      {"uidMappings", ids},
      {"gidMappings", ids},
      {"cgroupsPath", settings.cgroup},
      {"resources", resources(spec.limits, settings)},
      {"maskedPaths",
       strings({"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
                "/proc/interrupts", "/proc/kallsyms", "/proc/kmsg", "/proc/config.gz",
                "/proc/modules", "/proc/sysrq-trigger", "/proc/cmdline"})},
      {"readonlyPaths", strings({"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"})}};
  if (!settings.seccomp.empty()) linux_part["seccomp"] = json::parse(settings.seccomp);
  json::object annotations;
  if (!settings.seccomp_program.empty())
    annotations["run.oci.seccomp_bpf_data"] = base64(settings.seccomp_program);
  const json::object config{{"ociVersion", "1.0.2"},
                            {"process", process(spec, settings)},
                            {"root", {{"path", settings.rootfs}, {"readonly", false}}},
                            {"hostname", spec.hostname},
                            {"annotations", std::move(annotations)},
                            {"mounts", std::move(mounts)},
                            {"linux", std::move(linux_part)}};
  return json::serialize(config);
}

}  // namespace slipway
