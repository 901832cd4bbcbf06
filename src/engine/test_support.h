#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "engine/fake_engine.h"
#include "engine/sandbox.h"
#include "sys/files.h"

namespace slipway {

// A real engine with directories of its own. The test program is its own shim (test_main_test.cc).
class EngineBench {
 public:
  static SandboxSettings settings(const std::filesystem::path& directory);
  // Whether real sandboxes can be made here; otherwise why not, for GTEST_SKIP.
  static std::string why_not();

  EngineBench();
  ~EngineBench();
  [[nodiscard]] SandboxEngine& engine() { return *engine_; }
  [[nodiscard]] const std::filesystem::path& path() const { return directory_.path(); }
  // As after a restart of the server.
  void reopen();
  void close() { engine_.reset(); }
  // A sandbox that runs `script` by sh, with an upper of its own. Ids are unique on the machine.
  [[nodiscard]] SandboxSpec shell(std::string script, Egress egress = Egress::none);
  struct Ran {
    StepRunner::Outcome outcome;
    std::string output;
  };
  // As a step, failing the test when the platform fails.
  [[nodiscard]] Ran run(const SandboxSpec& spec);
  [[nodiscard]] Ran run(std::string script, Egress egress = Egress::none) {
    return run(shell(std::move(script), egress));
  }
  [[nodiscard]] std::filesystem::path logs(const SandboxSpec& spec) const {
    return path() / "logs" / spec.id;
  }

 private:
  SystemClock clock_;
  TempDir directory_;
  std::unique_ptr<SandboxEngine> engine_;
};

// Looks at `condition` again and again until it holds; false after a minute.
[[nodiscard]] bool eventually(const std::function<bool()>& condition);
[[nodiscard]] std::string text_of(const std::filesystem::path& path);
// A GET over a socket from a dialer (or anywhere): the whole answer, "" when it fails.
[[nodiscard]] std::string http_get(const Dialer& dialer, int port);

}  // namespace slipway
