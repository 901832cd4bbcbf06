#pragma once

#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/limiter.h"
#include "build/image_reference.h"
#include "build/image_tool.h"

namespace slipway {

// The images that Dockerfiles build on. One comes from "<root>/archives" when the server's owner
// put it there ("docker.io/library/node:20.tar", as docker and podman save it, or a directory of
// that name without ".tar" in the OCI layout), else from its registry. Each has a storage of its
// own, "<root>/stores/<digest of its name>", which only the sandbox that fetched it ever wrote to:
// builds read it, so one project's build cannot touch what another builds on. Thread-safe.
class BaseImages {
 public:
  explicit BaseImages(std::filesystem::path root) : root_(std::move(root)) {}

  struct Image {
    std::filesystem::path storage;
    std::string id;  // "sha256:…" of its configuration
  };
  struct Context {
    const ImageTool& tool;
    StepRunner::OutputSink output;
    std::stop_token stop;
    std::uint32_t uid_slot = 0;
    BuildLimits limits;
    Timestamp now{};
  };
  // Fetches when it is not here, or is older than a day and not named by its digest; an old one
  // still does when its registry does not answer. Blocks; one fetch of an image at a time. Errors:
  // build_failed with cause "base_image" and what to do; canceled; failed_precondition without
  // buildah.
  [[nodiscard]] Result<Image> get(const ImageReference& reference, const Context& context);
  // Removes what nobody asked for in that time. The bytes freed.
  [[nodiscard]] std::uint64_t collect(Duration unused_for);

 private:
  std::filesystem::path root_;
  Limiter fetches_{{.units = Limiter::unlimited, .per_key = 1}};  // by the image's name
};

// What the end of buildah's log says of an image that could not be fetched. Pure.
[[nodiscard]] Error explain_fetch(const ImageReference& reference, std::string_view log);

}  // namespace slipway
