#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "db/release_store.h"
#include "db/repository.h"
#include "deploy/events.h"
#include "deploy/fleet.h"
#include "deploy/governance.h"
#include "deploy/logs.h"
#include "deploy/names.h"
#include "deploy/pipeline.h"
#include "deploy/routes.h"
#include "deploy/settings.h"
#include "deploy/uploads.h"
#include "store/blob_store.h"
#include "store/layer_store.h"

namespace slipway {

// What a client may ask for, apart from how it asks: uploads, deployments, their logs and events.
// Whatever changes something takes an AuditContext: on whose word it happens. One call is one
// request; each either succeeds and is recorded or changes nothing. Thread-safe.
class DeployService {
 public:
  struct Parts {
    const Settings& settings;
    const Clock& clock;
    Repository& repository;
    BlobStore& blobs;
    Fleet& fleet;
    Routes& routes;
    Pipeline& pipeline;
    EventHub& events;
    const Names& names;
    GovernanceService& governance;  // goes on through us with what was approved
    const Environments& environments;
    ReleaseStore& releases;  // what serves is removed by more people
    const LayerStore& layers;
  };
  explicit DeployService(Parts parts);

  // -- uploads
  [[nodiscard]] Result<Uploads::Opened> open_upload(const AuditContext& by,
                                                    const std::string& project, Manifest manifest);
  [[nodiscard]] Result<Uploads::Opened> open_upload(const AuditContext& by,
                                                    const std::string& project,
                                                    const ManifestDelta& delta);
  [[nodiscard]] Result<BlobStore::PackStats> receive_pack(const AuditContext& by,
                                                          const UploadId& id,
                                                          std::uint64_t announced,
                                                          const BlobStore::Reader& body);

  // -- making
  struct NewDeployment {
    std::string project;
    UploadId upload;
    DeployOptions options;
    std::map<std::string, std::int64_t> client_timings_ms;  // hash, upload
    std::uint64_t uploaded_files = 0, uploaded_bytes = 0;
  };
  // Asks the policies, records it and starts making it. One that waits for people stays queued,
  // with state_reason "waiting for approval apr_…", and goes on by itself; asked for again, the
  // same files wait for the same approval, and are the same deployment. Errors:
  // failed_precondition when blobs are missing, denied_by_policy.
  [[nodiscard]] Result<Deployment> deploy(const AuditContext& by, const NewDeployment& wanted,
                                          std::string_view idempotency_key);
  [[nodiscard]] Result<Deployment> redeploy(const AuditContext& by, const Deployment& of,
                                            std::string message, std::string_view idempotency_key);
  // What the policies would say to deploying or showing it; `by` asks. Nothing is kept.
  [[nodiscard]] Result<StoredDecision> decision_on(const AuditContext& by, DecisionPoint point,
                                                   const Deployment& planned);
  // What deploy() would do, without doing it: plan and difference filled in, nothing recorded.
  [[nodiscard]] Result<Deployment> plan(const NewDeployment& wanted);

  // -- looking
  // An id, the start of its tail, a host name or URL, a project (its newest), or
  // "<alias>--<project>". What is of a project that is not `visible` (null: all are) is as what
  // does not exist, and makes no start of an id ambiguous.
  using Visible = std::function<bool(std::string_view project)>;
  [[nodiscard]] Result<Deployment> find(std::string_view reference, const Visible& visible = {});
  [[nodiscard]] Result<DeploymentPage> list(const DeploymentFilter& filter) {
    return parts_.repository.list(filter);
  }
  [[nodiscard]] Result<std::vector<Project>> projects() { return parts_.repository.projects(); }
  [[nodiscard]] std::string url(const Deployment& deployment) const;
  [[nodiscard]] std::string alias_url(const Deployment& deployment) const;
  // Nothing when it is settled.
  [[nodiscard]] std::shared_ptr<EventFeed> events(const DeploymentId& id) const {
    return parts_.events.find(id);
  }
  enum class LogKind { build, run };
  [[nodiscard]] std::filesystem::path log_directory(const DeploymentId& id, LogKind kind,
                                                    std::string_view label = {}) const;

  // -- ending
  // Hides it and stops it in the background; undo() brings it back for as long as removed ones are
  // kept. When it waits for people, the deployment comes back as it was and goes once they agree.
  // Errors: denied_by_policy.
  [[nodiscard]] Result<Deployment> remove(const AuditContext& by, const Deployment& deployment);
  // No agent takes back what waits because a person asked, neither by removing what it is of. Not
  // asked by the kill switch, which always works. Errors: permission_denied.
  [[nodiscard]] Status may_end_promotions(const AuditContext& by,
                                          const Deployment& deployment) const;
  // Brings back the given one, or the one removed last, when the policies allow showing it beside
  // what is shown now. Errors: not_found; denied_by_policy; failed_precondition when what it ran is
  // not kept any more, as that of an expired one.
  [[nodiscard]] Result<Deployment> undo(const AuditContext& by,
                                        const std::optional<DeploymentId>& id);
  // Ends it for its age. Only for housekeeping.
  [[nodiscard]] Status expire(const AuditContext& by, const Deployment& deployment,
                              std::string_view reason);

 private:
  // `source` becomes the manifest of its files.
  [[nodiscard]] Result<Deployment> draft(const NewDeployment& wanted,
                                         std::shared_ptr<const Manifest>& source);
  [[nodiscard]] Status end(const AuditContext& by, const Deployment& deployment,
                           DeploymentState state, std::string_view reason);

  // -- service_governed.cc
  [[nodiscard]] Result<Deployment> record(const AuditContext& by, const Deployment& deployment,
                                          const Manifest& source, std::string_view idempotency_key);
  // The deployment of the same files, options and actor that waits for people; and its request.
  struct Waiting {
    Deployment deployment;
    ApprovalRequest request;
  };
  [[nodiscard]] Result<std::optional<Waiting>> waiting_alike(const Deployment& deployment);
  // Whether the policies allow showing again what was removed.
  [[nodiscard]] Result<AuditContext> may_show_again(const AuditContext& by,
                                                    const Deployment& removed);
  [[nodiscard]] Result<Deployment> take_away(const AuditContext& by, const Deployment& deployment);
  [[nodiscard]] Status check_can_serve(const Deployment& deployment) const;
  [[nodiscard]] Status withdraw_promotions(const AuditContext& by, const Deployment& deployment);
  void wait_briefly(const DeploymentId& removed);
  [[nodiscard]] Status go_on_deploying(const ApprovalRequest& request);
  [[nodiscard]] Status go_on_removing(const ApprovalRequest& request);

  Parts parts_;
  Uploads uploads_{{.settings = parts_.settings,
                    .clock = parts_.clock,
                    .repository = parts_.repository,
                    .blobs = parts_.blobs}};
  std::atomic<int> waiting_ = 0;  // in wait_briefly()
  Mutex recording_;  // deciding and recording are one step: limits hold under concurrency
};

}  // namespace slipway
