#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "build/version.h"
#include "engine/engine.h"
#include "model/deployment.h"
#include "model/plan.h"

namespace slipway {

// A tool of a certain version, where it lies on the host and how a sandbox sees it. Plain value.
struct Toolchain {
  std::string name;  // node npm pnpm yarn bun deno python uv go rust java maven gradle ...
  Version version;
  std::vector<BindMount> binds;   // read-only
  std::vector<std::string> path;  // directories inside, for PATH
  EnvVars env;                    // JAVA_HOME, LD_LIBRARY_PATH, ...
  std::string program;            // the interpreter, inside; "" when it has no main program

  [[nodiscard]] std::string id() const { return name + "@" + version.str(); }
};

// What a service needs, and whether its running instance needs it too.
struct ToolchainNeed {
  enum class Use { build_only, build_and_run, build_if_present };
  std::string name;
  std::string version;  // a range as its source wrote it
  std::string source;   // where it is written, for messages
  Use use = Use::build_only;
  bool operator==(const ToolchainNeed&) const = default;
};

// The toolchains of `service`, in the order of its PATH.
[[nodiscard]] std::vector<ToolchainNeed> toolchain_needs(const Service& service);

// The range that `text` asks of tool `name`: knows Node's "lts/*" names. What cannot be read allows
// everything.
[[nodiscard]] VersionRange toolchain_range(std::string_view name, std::string_view text);

// Where a sandbox sees a toolchain that lies elsewhere on the host:
// "/opt/slipway/<name>-<version>".
[[nodiscard]] std::string toolchain_mount(std::string_view name, const Version& version);
// Whether a sandbox sees this host path at its own place (it is below /usr).
[[nodiscard]] bool visible_inside(const std::filesystem::path& path);

}  // namespace slipway
