#include "detect/detectors.h"

namespace slipway::detection {
namespace {

// Order decides only between equal confidences: what an app is written in before what wraps it.
constexpr Detector table[] = {
    {"python", detect_python, "pip, uv, poetry, pdm, pipenv, conda, PEP 723, or imports alone"},
    {"go", detect_go, "go modules, or a main.go alone"},
    {"rust", detect_rust, "cargo packages and workspaces"},
    {"java", detect_java, "maven, gradle, or one .java file"},
    {"node", detect_node,
     "npm, pnpm, yarn, bun; servers, meta-frameworks, bundlers, site generators"},
    {"dockerfile", detect_dockerfile, "Dockerfile or Containerfile that runs something"},
    {"static", detect_static, "pages served as they are"},
    {"shell", detect_shell, "Procfile, or a start.sh or run.sh"},
};

}  // namespace

std::span<const Detector> detectors() { return table; }

}  // namespace slipway::detection
