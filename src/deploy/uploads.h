#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/guarded.h"
#include "db/repository.h"
#include "deploy/settings.h"
#include "deploy/upload_shares.h"
#include "store/blob_store.h"

namespace slipway {

// Trees of files on their way into the store. A file counts as there when its project sent it: with
// this upload, or in the source of one of its deployments. What others have in the store is neither
// told nor given, so that a digest is no key to somebody else's file. Thread-safe.
class Uploads {
 public:
  struct Parts {
    const Settings& settings;
    const Clock& clock;
    Repository& repository;
    BlobStore& blobs;
  };
  explicit Uploads(Parts parts)
      : parts_(parts), shares_(parts.clock, parts.settings.gc.keep_uploads) {}

  struct Opened {
    UploadId id;
    Digest manifest;
    std::vector<Digest> missing;  // to be sent
  };
  // `holder`: the person whose share of the disk it takes (UploadShares), here and below. Errors:
  // over_budget, disk_full.
  [[nodiscard]] Result<Opened> open(const std::string& holder, const std::string& project,
                                    Manifest manifest);
  // Errors: conflict when the base is no source of the project's; send the full manifest then.
  [[nodiscard]] Result<Opened> open(const std::string& holder, const std::string& project,
                                    const ManifestDelta& delta);
  // Takes a pack as it comes. `announced`: the length of it, or 0. Errors: too_large, disk_full
  // when less would be left free than is kept, over_budget, and those of BlobStore::unpack().
  [[nodiscard]] Result<BlobStore::PackStats> receive(const std::string& holder, const UploadId& id,
                                                     std::uint64_t announced,
                                                     const BlobStore::Reader& body);
  // The upload's files, when all of them are there. Errors: failed_precondition.
  struct Complete {
    Upload upload;
    std::shared_ptr<const Manifest> manifest;
  };
  [[nodiscard]] Result<Complete> complete(const UploadId& id);

 private:
  // What was said to be missing from an upload, and which of it came.
  struct Wanted {
    Digest digest;
    std::uint64_t size = 0;
    bool came = false;
  };
  struct Open {
    std::string project;
    Digest manifest;
    std::vector<Wanted> wanted;  // by digest
    std::list<std::string>::iterator age;
    [[nodiscard]] bool complete() const;
  };
  // Bounded: of uploads that were forgotten, files that no deployment has must be sent again.
  struct State {
    std::unordered_map<std::string, Open> open;
    std::list<std::string> ages;  // the oldest first
    std::size_t files = 0;
  };

  // The manifests of what the project sent lately and wholly, newest first.
  [[nodiscard]] std::vector<Digest> complete_lately(const std::string& project) const;
  // The files of `manifest` that the project has not sent yet. Errors: invalid_argument when a size
  // is not what it was.
  [[nodiscard]] Result<std::vector<Wanted>> not_sent(const std::string& project,
                                                     const Manifest& manifest) const;
  void remember(const UploadId& id, Open open);
  [[nodiscard]] Status check_room(std::uint64_t more) const;
  [[nodiscard]] Result<UploadShares::Ticket> take_share(const std::string& holder,
                                                        std::uint64_t bytes);

  Parts parts_;
  UploadShares shares_;
  mutable Guarded<State> state_;
};

}  // namespace slipway
