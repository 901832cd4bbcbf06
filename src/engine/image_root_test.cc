// Sandboxes whose root is an image's own file system, and what a hostile image tries with it.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/test_support.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;

constexpr const char* busybox = "/bin/busybox";

class ImageRoot : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = EngineBench::why_not(); !reason.empty()) GTEST_SKIP() << reason;
    if (::access(busybox, X_OK) != 0) GTEST_SKIP() << "needs busybox-static";
    bench_ = std::make_unique<EngineBench>();
    image_ = bench_->path() / "image";
    ASSERT_TRUE(make_directories(image_ / "bin").has_value());
    fs::copy_file(busybox, image_ / "bin/busybox");
    for (const char* name : {"sh", "cat", "ls", "id", "mkdir", "rm", "chown", "stat", "echo"})
      fs::create_symlink("busybox", image_ / "bin" / name);
  }
  EngineBench& bench() { return *bench_; }
  const fs::path& image() { return image_; }
  SandboxSpec shell(const std::string& script) {
    SandboxSpec spec = bench_->shell(script);
    spec.root.base = SandboxRoot::Base::layers;
    spec.root.lowers = {image_};
    spec.powers = Powers::container;
    spec.workdir = "/";
    return spec;
  }
  std::string output(const std::string& script) { return bench_->run(shell(script)).output; }

 private:
  std::unique_ptr<EngineBench> bench_;
  fs::path image_;
};

TEST_F(ImageRoot, IsTheImageAloneWithOurNames) {
  ASSERT_TRUE(make_directories(image() / "srv").has_value());
  ASSERT_TRUE(write_file_atomic(image() / "srv/page", "of the image\n").has_value());
  EXPECT_EQ(output("cat /srv/page; cat /etc/hostname; ls /"),
            "of the image\napp\nbin\ndev\netc\nproc\nsrv\nsys\n");
}

TEST_F(ImageRoot, IsWritableAboveTheLayersThatStayAsTheyAre) {
  ASSERT_TRUE(write_file_atomic(image() / "old", "1\n").has_value());
  const SandboxSpec spec = shell("echo 2 > /old; mkdir /fresh; cat /old");
  EXPECT_EQ(bench().run(spec).output, "2\n");
  EXPECT_EQ(text_of(image() / "old"), "1\n");
  EXPECT_EQ(text_of(spec.root.upper / "old"), "2\n");
}

TEST_F(ImageRoot, LinksInPlaceOfOursLeadNowhere) {
  for (const char* name : {"proc", "sys", "dev"}) fs::create_symlink("/srv", image() / name);
  ASSERT_TRUE(make_directories(image() / "srv").has_value());
  ASSERT_TRUE(make_directories(image() / "etc").has_value());
  fs::create_symlink("/srv/taken", image() / "etc/resolv.conf");
  fs::create_symlink("../../../../../../etc/passwd", image() / "etc/hosts");
  EXPECT_EQ(output("cat /etc/resolv.conf; ls /srv; ls -d /proc/1; [ -c /dev/null ] && echo null; "
                   "cat /etc/hostname"),
            "# no network\n/proc/1\nnull\napp\n");
}

TEST_F(ImageRoot, RefusesAnEtcThatLeadsElsewhere) {
  fs::create_symlink("/", image() / "etc");
  const auto ran = bench().engine().run(shell("true"), std::chrono::seconds(30), 1000,
                                        [](std::string_view) {}, {});
  ASSERT_FALSE(ran.has_value());
  EXPECT_EQ(ran.error().code, Errc::invalid_argument) << ran.error().message;
}

TEST_F(ImageRoot, AbsoluteLinksOfTheImageEndInTheImage) {
  fs::create_symlink("/etc/shadow", image() / "shadow");
  fs::create_symlink("/proc/1/root/etc/shadow", image() / "other");
  const std::string said = output("cat /shadow 2>&1; cat /other 2>&1; cat /../../etc/shadow 2>&1");
  EXPECT_EQ(said.find(":root"), std::string::npos) << said;
  EXPECT_EQ(said.find("root:"), std::string::npos) << said;
  EXPECT_NE(said.find("No such file"), std::string::npos) << said;
}

TEST_F(ImageRoot, RootOwnsAndSwitchesUsersWithinItsRangeOnly) {
  EXPECT_EQ(output("echo x > /file; chown 33:44 /file && stat -c %u:%g /file; "
                   "chown 70000 /file 2>/dev/null || echo beyond"),
            "33:44\nbeyond\n");
}

TEST_F(ImageRoot, AnotherUserHasNoPowersAndASetuidProgramGivesNone) {
  const fs::path program = image() / "bin/su-cat";
  fs::copy_file(busybox, program);
  ASSERT_EQ(::chmod(program.c_str(), 04755), 0);
  ASSERT_TRUE(write_file_atomic(image() / "secret", "s\n", 0600).has_value());
  SandboxSpec spec =
      shell("id; cat /secret 2>&1; /bin/su-cat cat /secret 2>&1; cat /proc/self/status");
  spec.user = {.uid = 1000, .gid = 100, .groups = {7}};
  const std::string said = bench().run(spec).output;
  EXPECT_NE(said.find("uid=1000 gid=100 groups=7"), std::string::npos) << said;
  EXPECT_EQ(said.find("s\nP"), std::string::npos) << said;
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"})
    EXPECT_NE(said.find(std::string(set) + ":\t0000000000000000"), std::string::npos) << said;
  EXPECT_NE(said.find("Permission denied"), std::string::npos) << said;
}

TEST_F(ImageRoot, MountsNothingAndMakesNoNamespaces) {
  const std::string said = output(
      "/bin/busybox mount -t tmpfs x /srv 2>&1; /bin/busybox unshare -m true 2>&1; "
      "/bin/busybox chroot / true 2>&1");
  EXPECT_EQ(std::ranges::count(said, '\n'), 3) << said;
}

TEST_F(ImageRoot, IdsBeyondTheRangeAreRefused) {
  SandboxSpec spec = shell("true");
  spec.user.uid = 65'536;
  EXPECT_EQ(bench()
                .engine()
                .run(spec, std::chrono::seconds(30), 1000, [](std::string_view) {}, {})
                .error()
                .code,
            Errc::invalid_argument);
}

TEST_F(ImageRoot, AnInstanceEndsByTheImagesOwnStopSignal) {
  SandboxSpec spec = shell(
      "trap 'echo quit > /said; exit 0' QUIT; echo up > /up; "
      "while :; do /bin/busybox sleep 0.05; done");
  spec.stop_signal = 3;
  ASSERT_TRUE(bench().engine().start(spec, bench().logs(spec), 1u << 20).has_value());
  ASSERT_TRUE(eventually([&] { return fs::exists(spec.root.upper / "up"); }));
  ASSERT_TRUE(bench().engine().stop(spec.id, std::chrono::seconds(30)).has_value());
  EXPECT_EQ(text_of(spec.root.upper / "said"), "quit\n");
}

}  // namespace
}  // namespace slipway
