#include "engine/doctor.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "engine/test_support.h"

namespace slipway {
namespace {

TEST(Doctor, FindsAHostFitWhereSandboxesRun) {
  if (const std::string reason = EngineBench::why_not(); !reason.empty()) GTEST_SKIP() << reason;
  EngineBench bench;
  ASSERT_EQ(bench.run("true").outcome.exit.code, 0);
  for (const HostCheck& check : check_host(EngineBench::settings(bench.path())))
    if (check.name != "disk")
      EXPECT_NE(check.state, HostCheck::State::fail) << check.name << ": " << check.detail;
}

TEST(Doctor, NamesTheRemedyForWhatIsMissing) {
  SandboxSettings settings;
  settings.state_dir = "/nonexistent/state";
  settings.runtime = "/nonexistent/runtime";
  settings.seccomp_list = "/nonexistent/list";
  settings.cgroup_mount = "/nonexistent/cgroup";
  int failed = 0;
  for (const HostCheck& check : check_host(settings)) {
    if (check.state != HostCheck::State::fail) continue;
    EXPECT_FALSE(check.fix.empty()) << check.name;
    failed += check.name == "oci-runtime" || check.name == "seccomp" || check.name == "cgroups";
  }
  EXPECT_EQ(failed, 3);
}

}  // namespace
}  // namespace slipway
