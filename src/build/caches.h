#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "engine/engine.h"
#include "model/deployment.h"
#include "model/plan.h"
#include "sys/files.h"

namespace slipway {

// Download caches of package managers and incremental caches of compilers and frameworks, per
// project and never shared between projects: "<root>/<project>/<cache>". Sandboxes see them
// read-write below /opt/slipway/cache, frameworks' own at their place in the app. Some tools do not
// bear two users of one cache: the second build of a project then gets an empty one of its own
// instead of waiting. Thread-safe.
class ProjectCaches {
 public:
  ProjectCaches(std::filesystem::path root, std::filesystem::path scratch);

  // The caches of one build. Frees what it holds alone when it ends.
  class Lease {
   public:
    std::vector<BindMount> binds;            // for every step
    std::vector<BindMount> framework_binds;  // for the build step: they lie inside the app
    EnvVars env;
    std::string java_flags;              // where Maven's repository is; for MAVEN_OPTS
    std::filesystem::path cargo_target;  // on the host; empty when there is none

    Lease() = default;
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease();

   private:
    friend class ProjectCaches;
    ProjectCaches* owner_ = nullptr;
    std::vector<std::string> held_;
    std::vector<TempDir> own_;
  };
  // `tools`: names of the toolchains in use. Errors: io, disk_full.
  [[nodiscard]] Result<std::unique_ptr<Lease>> lease(std::string_view project,
                                                     const Service& service,
                                                     const std::vector<std::string>& tools);

  // Empties the caches of a project, largest first, until they are within `limit_bytes`; those held
  // alone by a build are left out. Counts files: for after an install, not for each build.
  [[nodiscard]] Status trim(std::string_view project, std::uint64_t limit_bytes);
  // Forgets a project's caches; for a deleted project.
  [[nodiscard]] Status remove(std::string_view project);

 private:
  enum class Use { together, alone };
  Result<std::filesystem::path> take(Lease& lease, std::string_view project, std::string_view name,
                                     Use use);
  std::filesystem::path directory_of(std::string_view project) const;

  std::filesystem::path root_, scratch_;
  Mutex mutex_;
  std::set<std::string> held_ SLIPWAY_GUARDED_BY(mutex_);
};

}  // namespace slipway
