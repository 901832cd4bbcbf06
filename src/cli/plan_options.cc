#include "cli/plan_options.h"

#include <charconv>

#include "base/text.h"
#include "detect/known.h"

namespace slipway::cli {

void PlanOptions::declare(Arguments& arguments) {
  arguments.option("--install", "CMD", install, "install dependencies with this", ValueKind::shell);
  arguments.option("--build", "CMD", build, "build with this", ValueKind::shell);
  arguments.option("--release", "CMD", release, "run this once before a release (migrations)",
                   ValueKind::shell);
  arguments.option("--start", "CMD", start, "start with this", ValueKind::shell);
  arguments.option("--root", "DIR", root, "the folder of the app in the folder", ValueKind::folder);
  arguments.option("--service", "NAME", service, "which service, where there are several");
  arguments.option("--framework", "NAME", framework, "take it for this");
  arguments.option("--runtime", "NAME@VERSION", runtime, "run it with this");
  arguments.option("--output", "DIR", output, "serve this folder as static files",
                   ValueKind::folder);
  arguments.option("--port", "N", port, "the port that it listens on whatever PORT says");
  arguments.option("--health", "PATH", health, "the path that answers when it is ready");
}

Result<DetectOptions> PlanOptions::read() const {
  DetectOptions out{.service = service.value_or(""),
                    .root = root.value_or(""),
                    .install = install.value_or(""),
                    .build = build.value_or(""),
                    .start = start.value_or(""),
                    .framework = framework.value_or(""),
                    .runtime = runtime.value_or(""),
                    .release = release.value_or(""),
                    .port = port.value_or(""),
                    .health = health.value_or(""),
                    .output = output.value_or("")};
  SLIPWAY_CHECK(check_framework(out.framework));
  if (port) {
    int number = 0;
    const auto [end, error] = std::from_chars(port->data(), port->data() + port->size(), number);
    if (error != std::errc{} || end != port->data() + port->size() || number < 1 || number > 65535)
      return fail(Errc::invalid_argument, "--port '" + sanitize_line(*port) + "' is no port",
                  "a number from 1 to 65535");
  }
  if (health && !health->starts_with('/'))
    return fail(Errc::invalid_argument, "--health '" + sanitize_line(*health) + "' is no path",
                "a path begins with /");
  return out;
}

}  // namespace slipway::cli
