#include "build/base_images.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <future>

#include "base/digest.h"
#include "engine/fake_engine.h"
#include "sys/files.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;

// A registry that says nothing: who builds on another image, or gives up, does not wait for it.
TEST(BaseImages, AFetchThatHangsHoldsUpNobodyElse) {
  if (::access("/usr/bin/buildah", X_OK) != 0) GTEST_SKIP() << "buildah is not installed";
  const TempDir directory = TempDir::create(fs::temp_directory_path(), "slipway-images-").value();
  const ImageReference slow = ImageReference::parse("slow:1").value();
  const ImageReference here = ImageReference::parse("here:1").value();
  const SystemClock clock;
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(clock.now().time_since_epoch()).count();
  const std::string id(64, 'a');
  const fs::path store = directory.path() / "stores" / sha256(here.str()).hex().substr(0, 40);
  ASSERT_TRUE(make_directories(store).has_value());
  ASSERT_TRUE(write_file_atomic(store / "image", fmt::format("{}\n{}\nregistry\n", id, now)));

  FakeEngine engine;
  std::promise<void> asked;
  engine.on_step([&](const SandboxSpec&, const StepRunner::OutputSink&,
                     std::stop_token stop) -> Result<StepRunner::Outcome> {
    std::promise<void> stopped;
    const std::stop_callback on_stop(stop, [&] { stopped.set_value(); });
    asked.set_value();
    stopped.get_future().wait();
    return fail(Errc::canceled, "the step was canceled");
  });
  const HostSettings settings;
  const ImageTool tool{
      .settings = settings, .scratch = directory.path() / "scratch", .runner = engine};
  BaseImages images(directory.path());
  const auto get = [&](const ImageReference& reference, std::stop_token stop) {
    return images.get(reference, {.tool = tool,
                                  .output = [](std::string_view) {},
                                  .stop = std::move(stop),
                                  .limits = {},
                                  .now = clock.now()});
  };
  std::stop_source first, second;
  auto hangs = std::async(std::launch::async, [&] { return get(slow, first.get_token()); });
  asked.get_future().wait();

  EXPECT_EQ(get(here, {}).value().id, id);
  second.request_stop();
  EXPECT_EQ(get(slow, second.get_token()).error().code, Errc::canceled);
  first.request_stop();
  EXPECT_EQ(hangs.get().error().code, Errc::canceled);
}

}  // namespace
}  // namespace slipway
