#pragma once

// Of volumes.cc and volumes_snapshots.cc alone.

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "deploy/volumes.h"
#include "sys/files.h"

namespace slipway {

struct Volumes::State {
  explicit State(Parts given) : parts(std::move(given)) {}

  [[nodiscard]] std::filesystem::path root() const { return parts.settings.data / "volumes"; }

  // The directory of an owner. Errors: invalid_argument for what is no name.
  [[nodiscard]] Result<std::filesystem::path> home(std::string_view project,
                                                   std::string_view owner) const;
  // Held while anything of an owner changes.
  [[nodiscard]] std::shared_ptr<Mutex> lock_of(const std::filesystem::path& home);
  // Makes what was built visible, durably.
  [[nodiscard]] Status put(TempDir& made, const std::filesystem::path& at) const;
  [[nodiscard]] std::uint64_t limit() const;

  // -- volumes_snapshots.cc
  [[nodiscard]] Result<std::optional<Snapshot>> snapshot(const std::filesystem::path& home,
                                                         std::string_view reason,
                                                         const Before& before) const;
  [[nodiscard]] std::vector<Snapshot> snapshots(const std::filesystem::path& home) const;
  [[nodiscard]] Status finish_restores(const std::filesystem::path& home) const;
  [[nodiscard]] Status trim(const std::filesystem::path& home) const;

  Parts parts;
  Mutex mutex;
  std::map<std::string, std::weak_ptr<Mutex>, std::less<>> locks SLIPWAY_GUARDED_BY(mutex);
};

}  // namespace slipway
