#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <map>
#include <memory>

#include "engine/oci_config.h"
#include "sys/fd.h"
#include "sys/files.h"

namespace slipway {
namespace {

namespace json = boost::json;

struct Release {
  void operator()(void* context) const { ::seccomp_release(context); }
};

std::uint32_t action_of(const json::object& rule, const char* action, const char* error) {
  if (rule.at(action).as_string() == "SCMP_ACT_ALLOW") return SCMP_ACT_ALLOW;
  const json::value* number = rule.if_contains(error);
  return SCMP_ACT_ERRNO(number != nullptr ? number->to_number<std::uint16_t>() : EPERM);
}

Result<scmp_compare> comparison(std::string_view name) {
  static const std::map<std::string_view, scmp_compare> table{
      {"SCMP_CMP_NE", SCMP_CMP_NE},
      {"SCMP_CMP_LT", SCMP_CMP_LT},
      {"SCMP_CMP_LE", SCMP_CMP_LE},
      {"SCMP_CMP_EQ", SCMP_CMP_EQ},
      {"SCMP_CMP_GE", SCMP_CMP_GE},
      {"SCMP_CMP_GT", SCMP_CMP_GT},
      {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ}};
  const auto found = table.find(name);
  if (found == table.end()) return fail(Errc::corrupt, "unknown seccomp comparison");
  return found->second;
}

Status add_rule(scmp_filter_ctx context, const json::object& rule, std::uint32_t usual) {
  const std::uint32_t action = action_of(rule, "action", "errnoRet");
  if (action == usual) return {};
  std::vector<scmp_arg_cmp> conditions;
  if (const json::value* args = rule.if_contains("args"))
    for (const json::value& arg : args->as_array()) {
      SLIPWAY_TRY(const scmp_compare op, comparison(arg.at("op").as_string()));
      const json::value* second = arg.as_object().if_contains("valueTwo");
      conditions.push_back({arg.at("index").to_number<unsigned>(), op,
                            arg.at("value").to_number<std::uint64_t>(),
                            second != nullptr ? second->to_number<std::uint64_t>() : 0});
    }
  for (const json::value& name : rule.at("names").as_array()) {
    const int number = ::seccomp_syscall_resolve_name(name.as_string().c_str());
    if (number == __NR_SCMP_ERROR) continue;  // newer than the library
    const int error = ::seccomp_rule_add_array(
        context, action, number, static_cast<unsigned>(conditions.size()), conditions.data());
    if (error != 0 && error != -EDOM && error != -EEXIST)
      return fail_errno(-error, fmt::format("seccomp rule for {}", name.as_string().c_str()));
  }
  return {};
}

}  // namespace

Result<std::string> compile_seccomp(std::string_view oci_seccomp) {
  const json::object profile = json::parse(oci_seccomp).as_object();
  const std::uint32_t usual = action_of(profile, "defaultAction", "defaultErrnoRet");
  const std::unique_ptr<void, Release> context(::seccomp_init(usual));
  if (!context) return fail(Errc::internal, "seccomp_init failed");
  // The system calls used most stand first when they are searched as a tree.
  ::seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  for (const json::value& rule : profile.at("syscalls").as_array())
    SLIPWAY_CHECK(add_rule(context.get(), rule.as_object(), usual));
  const Fd file(::memfd_create("seccomp", MFD_CLOEXEC));
  if (!file.valid()) return fail_errno(errno, "memfd_create");
  if (const int error = ::seccomp_export_bpf(context.get(), file.get()); error != 0)
    return fail_errno(-error, "compile the seccomp filter");
  return read_file(fmt::format("/proc/self/fd/{}", file.get()));
}

}  // namespace slipway
