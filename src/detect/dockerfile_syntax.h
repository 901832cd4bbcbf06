#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace slipway {

// The shape of a Dockerfile: what it says, on which line. Pure, and total: any text yields
// something. Whether an instruction makes sense is for the program that builds images to say.
struct DockerInstruction {
  std::string word;                // upper case: "RUN"
  std::vector<std::string> flags;  // "--from=build", without what follows them
  std::string text;                // the rest; continued lines are joined by a blank
  int line = 0;                    // the first one
  bool operator==(const DockerInstruction&) const = default;
};

struct Dockerfile {
  std::vector<DockerInstruction> instructions;
  // The files' instructions of the last stage, from its FROM on.
  [[nodiscard]] std::vector<DockerInstruction> last_stage() const;
};
[[nodiscard]] Dockerfile parse_dockerfile(std::string_view text);

// An image that a build needs from outside: of a FROM, a COPY --from or a mount.
struct ImageNeed {
  std::string image;  // arguments filled in: "node:20"
  int line = 0;
  bool operator==(const ImageNeed&) const = default;
};
// Each once, in order; without "scratch" and the stages themselves. `args` override the defaults
// of the ARGs before the first FROM.
[[nodiscard]] std::vector<ImageNeed> images_needed(const Dockerfile& file,
                                                   const std::map<std::string, std::string>& args);

// Names that ARG declares, sorted.
[[nodiscard]] std::vector<std::string> declared_args(const Dockerfile& file);

}  // namespace slipway
