#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "model/manifest.h"
#include "store/blob_store.h"

namespace slipway {

// Directories of files that overlay each other to make a sandbox's root. A layer is named by the
// digest of its inputs ("install-<hex>", "source-<hex>", ...), lies at "<root>/layers/<id>/fs" and
// never changes once committed. Commit is a rename; a layer that was not on disk when the machine
// (not the process) died is dropped at open(). Thread-safe.
class LayerStore {
 public:
  [[nodiscard]] static Result<LayerStore> open(std::filesystem::path root);

  [[nodiscard]] std::optional<std::filesystem::path> find(std::string_view id) const;
  // A writable directory to become layer `id`; abandoned unless committed.
  class Draft {
   public:
    Draft(Draft&&) noexcept;
    Draft& operator=(Draft&&) noexcept;
    ~Draft();
    [[nodiscard]] const std::filesystem::path& path() const;  // put the files here
    // Makes it visible. When another draft of the same id was first, theirs stays and this one is
    // dropped.
    [[nodiscard]] Status commit();

   private:
    friend class LayerStore;
    struct State;
    explicit Draft(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
  };
  [[nodiscard]] Result<Draft> begin(std::string_view id);

  // The layers (lowest first, one or two) that show `manifest`'s files at "<prefix>/..." ("app",
  // say), made from `blobs` by hard links. When layers of a similar tree exist (`base`), only the
  // difference is made: changed files plus overlay whiteouts.
  [[nodiscard]] Result<std::vector<std::string>> materialize(const Manifest& manifest,
                                                             std::string_view prefix,
                                                             const BlobStore& blobs,
                                                             const Manifest* base = nullptr);

  // Removes layers that `in_use` does not name and that were last used more than `grace` ago.
  [[nodiscard]] Result<std::uint64_t> collect(const std::function<bool(std::string_view)>& in_use,
                                              std::chrono::seconds grace);
  [[nodiscard]] std::vector<std::string> ids() const;

 private:
  explicit LayerStore(std::filesystem::path root) : root_(std::move(root)) {}
  std::filesystem::path root_;
};

}  // namespace slipway
