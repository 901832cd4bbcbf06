#include "engine/sandbox.h"

#include <gtest/gtest.h>


#include "engine/test_support.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

class Sandbox : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = EngineBench::why_not(); !reason.empty()) GTEST_SKIP() << reason;
    bench_ = std::make_unique<EngineBench>();
  }
  EngineBench& bench() { return *bench_; }
  SandboxEngine& engine() { return bench_->engine(); }

 private:
  std::unique_ptr<EngineBench> bench_;
};

TEST_F(Sandbox, RunsACommandAndGivesItsOutputAndStatus) {
  const auto ran = bench().run("echo hi; echo there >&2; exit 3");
  EXPECT_EQ(ran.output, "hi\nthere\n");
  EXPECT_EQ(ran.outcome.exit, (SandboxExit{.code = 3}));
}

TEST_F(Sandbox, ServesHttpFromNodeThroughTheDialer) {
  SandboxSpec spec = bench().shell(
      "exec node -e 'require(\"http\").createServer((q,r)=>r.end(\"hello\"))"
      ".listen(process.env.PORT,\"127.0.0.1\")'");
  spec.env["PORT"] = "3000";
  ASSERT_TRUE(engine().start(spec, bench().logs(spec), 1 << 20).has_value());
  const auto dialer = engine().dialer(spec.id);
  ASSERT_TRUE(dialer.has_value());
  EXPECT_TRUE(eventually([&] { return http_get(**dialer, 3000).ends_with("hello"); }));
  EXPECT_EQ((*dialer)->listening_ports().value(), std::vector<int>{3000});
  EXPECT_TRUE(engine().stop(spec.id, 2s).has_value());
  EXPECT_EQ((*dialer)->dial(3000).error().code, Errc::unavailable);
}

}  // namespace
}  // namespace slipway
