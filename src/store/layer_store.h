#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "model/manifest.h"
#include "store/blob_store.h"

namespace slipway {

// Directories of files that overlay each other to make a sandbox's root. A layer is named by the
// digest of its inputs ("install-<hex>", "source-<hex>", ...; lower-case letters, digits, '-', '_',
// '.'; at most 200), lies at "<root>/layers/<id>/fs" and never changes once committed. Commit is a
// rename: what a killed process left half done never shows. A layer that was not known to be on
// disk (flush()) when the *machine* died is dropped at open(). A cheap handle: copies share their
// state. Thread-safe; one process at a time may collect(). Needs root for whiteouts.
class LayerStore {
 public:
  // Moves abandoned drafts and doubtful layers aside at once; collect() frees their space.
  [[nodiscard]] static Result<LayerStore> open(std::filesystem::path root);

  // The directory of layer `id`, and a mark that it was used now.
  [[nodiscard]] std::optional<std::filesystem::path> find(std::string_view id) const;

  // A writable directory to become layer `id`; abandoned unless committed.
  class Draft {
   public:
    Draft(Draft&&) noexcept;
    Draft& operator=(Draft&&) noexcept;
    ~Draft();
    // Put the files here, until commit().
    [[nodiscard]] const std::filesystem::path& path() const;
    // An empty directory on the same file system: the "workdir" of an overlay whose upper is
    // path(). Gone at commit().
    [[nodiscard]] const std::filesystem::path& work_path() const;
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
  // say; empty is the root), made from `blobs` by hard links. When layers of a similar tree exist
  // (`base`, or what `base` itself was made from), only the difference is made: changed files plus
  // overlay whiteouts. Errors: not_found when a blob is missing, invalid_argument for a link that
  // leaves the tree, disk_full.
  [[nodiscard]] Result<std::vector<std::string>> materialize(const Manifest& manifest,
                                                             std::string_view prefix,
                                                             const BlobStore& blobs,
                                                             const Manifest* base = nullptr);

  // Layers that collect() leaves alone for as long as this lives, whether they exist yet or not.
  class Pin {
   public:
    Pin() = default;
    Pin(Pin&&) noexcept;
    Pin& operator=(Pin&&) noexcept;
    ~Pin();

   private:
    friend class LayerStore;
    struct State;
    explicit Pin(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
  };
  [[nodiscard]] Pin pin(std::vector<std::string> ids) const;

  // Makes all layers committed so far survive a crash of the machine. Writes out the whole file
  // system (syncfs), so call it every now and then, not for each deploy; free when nothing is new.
  [[nodiscard]] Status flush();

  // Removes layers that neither `in_use` nor a pin names and that were last used more than `grace`
  // ago (find() and materialize() use), and what open() and abandoned drafts left behind. The base
  // of a difference that stays, stays. Uses
  // within a minute count once: a server's `grace` is some minutes. Returns bytes freed.
  [[nodiscard]] Result<std::uint64_t> collect(const std::function<bool(std::string_view)>& in_use,
                                              std::chrono::seconds grace);
  [[nodiscard]] std::vector<std::string> ids() const;

 private:
  struct State;
  explicit LayerStore(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace slipway
