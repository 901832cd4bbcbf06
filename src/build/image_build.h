#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "build/base_images.h"
#include "build/builder.h"
#include "build/caches.h"
#include "build/image_tool.h"
#include "detect/dockerfile_syntax.h"

namespace slipway {

// Builds the Dockerfile of a service and makes an artifact of the image: its layers become layers
// of ours, its configuration how the artifact runs. An unchanged Dockerfile, context, arguments and
// bases are one look-up; else buildah reuses the project's own storage step by step.
struct ImageBuild {
  ImageTool tool;
  BaseImages& bases;
  ProjectCaches& caches;
  BlobStore& blobs;
  LayerStore& layers;
  const Clock& clock;
};

// `source_layers` show the source at /app. Errors: build_failed with the Dockerfile's line; what
// Builder::build() says.
[[nodiscard]] Result<BuildOutcome> build_image(const ImageBuild& parts, const BuildRequest& request,
                                               const std::vector<std::string>& source_layers,
                                               BuildObserver& observer, std::stop_token stop);

// The failure of a build, from the end of buildah's log. `path` is the Dockerfile's. Pure.
[[nodiscard]] Error explain_image_failure(const Dockerfile& file, const std::string& path,
                                          const StepRunner::Outcome& outcome, std::string_view log,
                                          const Service& service);

}  // namespace slipway
