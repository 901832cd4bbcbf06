#include <linux/netlink.h>
#include <sys/socket.h>

#include <boost/json.hpp>
#include <cerrno>
#include <set>
#include <span>

#include "engine/oci_config.h"

namespace slipway {
namespace {

namespace json = boost::json;

// Taken away although the list allows them: each widens the kernel's attack surface or lets a
// process look into another, and no deployed app needs them. Sorted.
constexpr std::string_view refused[] = {
    "add_key",
    "bpf",
    "chroot",
    "clone3",
    "fanotify_init",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "kcmp",
    "keyctl",
    "lookup_dcookie",
    "modify_ldt",
    "mount",
    "mount_setattr",
    "move_mount",
    "name_to_handle_at",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "personality",
    "pivot_root",
    "process_madvise",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "quotactl",
    "quotactl_fd",
    "request_key",
    "setns",
    "umount",
    "umount2",
    "unshare",
    "userfaultfd",
    "vhangup",
};

constexpr std::uint64_t new_namespace_flags[] = {
    0x00020000,  // CLONE_NEWNS
    0x02000000,  // CLONE_NEWCGROUP
    0x04000000,  // CLONE_NEWUTS
    0x08000000,  // CLONE_NEWIPC
    0x10000000,  // CLONE_NEWUSER
    0x20000000,  // CLONE_NEWPID
    0x40000000,  // CLONE_NEWNET
};

// Those that would give a builder of images more than it has.
constexpr std::uint64_t widening_namespace_flags[] = {
    0x02000000,  // CLONE_NEWCGROUP
    0x10000000,  // CLONE_NEWUSER
    0x40000000,  // CLONE_NEWNET
};

#if defined(__x86_64__)
constexpr std::string_view architecture = "SCMP_ARCH_X86_64", short_name = "amd64";
#elif defined(__aarch64__)
constexpr std::string_view architecture = "SCMP_ARCH_AARCH64", short_name = "arm64";
#else
#error "no seccomp architecture for this machine"
#endif

json::object argument(int index, std::uint64_t value, std::string_view op,
                      std::uint64_t second = 0) {
  return {{"index", index}, {"value", value}, {"valueTwo", second}, {"op", op}};
}

json::object allow(json::array names, json::array args = {}) {
  json::object out{{"names", std::move(names)}, {"action", "SCMP_ACT_ALLOW"}};
  if (!args.empty()) out["args"] = std::move(args);
  return out;
}
json::object refuse(json::array names, int error, json::array args = {}) {
  json::object out{{"names", std::move(names)}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", error}};
  if (!args.empty()) out["args"] = std::move(args);
  return out;
}

bool mentions(const json::object& condition, const char* key, std::string_view word) {
  const json::value* list = condition.if_contains(key);
  if (list == nullptr || !list->is_array()) return false;
  for (const json::value& item : list->get_array())
    if (item.is_string() && item.get_string() == word) return true;
  return false;
}

// Of those and of the ones that the list allows to the mighty only: what builders of images need.
constexpr std::string_view image_building[] = {
    "chroot", "mount", "pivot_root", "setdomainname", "umount", "sethostname", "umount2"};

// Whether a rule of the list holds for a process without capabilities on this architecture.
bool applies(const json::object& rule) {
  if (const json::value* includes = rule.if_contains("includes");
      includes && includes->is_object()) {
    const json::object& condition = includes->get_object();
    if (condition.contains("caps")) return false;
    if (condition.contains("arches") && !mentions(condition, "arches", short_name)) return false;
  }
  if (const json::value* excludes = rule.if_contains("excludes"); excludes && excludes->is_object())
    if (mentions(excludes->get_object(), "arches", short_name)) return false;
  return true;
}

// `calls` without any of `flags`.
void refuse_flags(json::array& rules, const char* call, std::span<const std::uint64_t> flags) {
  std::uint64_t all = 0;
  for (const std::uint64_t flag : flags) {
    all |= flag;
    rules.push_back(refuse({call}, EPERM, {argument(0, flag, "SCMP_CMP_MASKED_EQ", flag)}));
  }
  rules.push_back(allow({call}, {argument(0, all, "SCMP_CMP_MASKED_EQ", 0)}));
}

void add_own_rules(json::array& rules, SeccompFor whom) {
  if (whom == SeccompFor::image_build) {
    refuse_flags(rules, "clone", widening_namespace_flags);
    refuse_flags(rules, "unshare", widening_namespace_flags);
    json::array names;
    for (const std::string_view name : image_building) names.emplace_back(name);
    rules.push_back(allow(std::move(names)));
  } else {
    refuse_flags(rules, "clone", new_namespace_flags);
  }
  // C libraries fall back to clone(), whose flags can be looked at, on exactly this error.
  rules.push_back(refuse({"clone3"}, ENOSYS));
  const std::set<int> families{AF_UNIX, AF_INET, AF_INET6};
  for (int family = 0; family < AF_NETLINK; ++family)
    rules.push_back(families.contains(family)
                        ? allow({"socket"}, {argument(0, family, "SCMP_CMP_EQ")})
                        : refuse({"socket"}, EAFNOSUPPORT, {argument(0, family, "SCMP_CMP_EQ")}));
  rules.push_back(refuse({"socket"}, EAFNOSUPPORT, {argument(0, AF_NETLINK, "SCMP_CMP_GT")}));
  // Of the kernel's own protocols the one that lists addresses and routes.
  rules.push_back(allow({"socket"}, {argument(0, AF_NETLINK, "SCMP_CMP_EQ"),
                                     argument(2, NETLINK_ROUTE, "SCMP_CMP_EQ")}));
  rules.push_back(
      refuse({"socket"}, EPROTONOSUPPORT,
             {argument(0, AF_NETLINK, "SCMP_CMP_EQ"), argument(2, NETLINK_ROUTE, "SCMP_CMP_GT")}));
  if (whom != SeccompFor::instance) rules.push_back(refuse({"fallocate"}, EOPNOTSUPP));
}

}  // namespace

Result<std::string> make_seccomp(std::string_view containers_common_list, SeccompFor whom) {
  json::error_code error;
  const json::value list = json::parse(containers_common_list, error);
  const json::object* top = list.if_object();
  const json::value* syscalls = top == nullptr ? nullptr : top->if_contains("syscalls");
  if (error || syscalls == nullptr || !syscalls->is_array())
    return fail(Errc::corrupt, "the seccomp list is not in the format of containers/common");

  std::set<std::string_view> taken(std::begin(refused), std::end(refused));
  taken.insert({"clone", "socket"});  // ours, with conditions
  const std::set<std::string_view> building(std::begin(image_building), std::end(image_building));
  if (whom == SeccompFor::image_build) taken.insert(building.begin(), building.end());
  if (whom != SeccompFor::instance) taken.insert("fallocate");
  json::array rules;
  for (const json::value& value : syscalls->get_array()) {
    const json::object* rule = value.if_object();
    if (rule == nullptr || !rule->contains("names") || !rule->contains("action"))
      return fail(Errc::corrupt, "a rule of the seccomp list has no names or action");
    if (!applies(*rule)) continue;
    json::object kept;
    for (const char* key : {"action", "args", "errnoRet"})
      if (const json::value* part = rule->if_contains(key); part && !part->is_null())
        kept[key] = *part;
    json::array names;
    for (const json::value& name : rule->at("names").as_array())
      if (!taken.contains(std::string_view(name.as_string()))) names.push_back(name);
    if (names.empty()) continue;
    kept["names"] = std::move(names);
    rules.push_back(std::move(kept));
  }
  json::array refused_names;
  for (const std::string_view name : refused)
    if (name != "clone3" &&
        (whom != SeccompFor::image_build || (!building.contains(name) && name != "unshare")))
      refused_names.emplace_back(name);
  rules.push_back(refuse(std::move(refused_names), EPERM));
  add_own_rules(rules, whom);
  return json::serialize(json::object{{"defaultAction", "SCMP_ACT_ERRNO"},
                                      {"defaultErrnoRet", ENOSYS},
                                      {"architectures", json::array{architecture}},
                                      {"syscalls", std::move(rules)}});
}

}  // namespace slipway
