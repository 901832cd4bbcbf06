#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "db/configuration_store.h"
#include "db/governance_records.h"
#include "deploy/change_digest.h"
#include "deploy/secret_box.h"
#include "model/deployment.h"
#include "model/environment.h"

namespace slipway {

// A change of a configuration: what to set, what to take away, and a note for the history.
struct ConfigurationChange {
  std::vector<EnvironmentVar> set;  // plain values
  std::vector<std::string> remove;
  std::string note;
};

// One difference between two configurations. For policies and histories.
struct VarChange {
  std::string name;
  enum class What { added, modified, removed } what = What::added;
  Disclosure disclosure = Disclosure::plain;  // secret when it was one or becomes one
  EnvironmentVar before;                      // with its value; nothing of one that is added
};
[[nodiscard]] std::string_view to_string(VarChange::What what);

// Environment variables and secrets by project and environment, versioned, sealed at rest. A secret
// is written and never given back: only instances and builds of its own environment get it.
// Thread-safe. What it is given must outlive it.
class Environments {
 public:
  struct Parts {
    ConfigurationStore& store;
    SecretBox& box;
    const Clock& clock;
  };
  explicit Environments(Parts parts) : parts_(parts) {}

  static constexpr std::size_t max_vars = 500, max_value_bytes = 64u << 10;

  // Values of secrets are empty in what these return. The newest of each environment:
  [[nodiscard]] Result<std::vector<Configuration>> list(std::string_view project) const;
  [[nodiscard]] Result<Configuration> show(std::string_view project,
                                           std::string_view environment) const;
  [[nodiscard]] Result<std::vector<Configuration>> history(std::string_view project,
                                                           std::string_view environment,
                                                           std::size_t limit) const;

  // What a change would make of the newest configuration, checked; nothing is stored. `next` has
  // the version it starts from.
  struct Draft {
    Configuration next;  // values and all
    std::vector<VarChange> changes;
  };
  // What is secret stays so, also when one draft removes and sets it.
  [[nodiscard]] Result<Draft> preview(std::string_view project, std::string_view environment,
                                      const ConfigurationChange& change) const;
  // Stores exactly this draft as the next version; one that changes nothing makes none. Errors:
  // conflict when the configuration is not what the draft starts from any more.
  Result<Configuration> commit(const AuditContext& by, Draft draft);
  // See SecretBox.
  [[nodiscard]] std::string fingerprint(std::string_view value) const {
    return parts_.box.fingerprint(value);
  }
  // What the draft changes, and from which version on. Values go in as fingerprints.
  [[nodiscard]] ChangeDigest digest(const Actor& requester, const Draft& draft) const;
  // One side of a draft, for those who approve it: plain values sealed, of secrets a fingerprint.
  // Long values are cut.
  [[nodiscard]] Result<std::vector<AskedVariable>> asked(const Draft& draft, Disclosure side) const;
  // What was asked with plain values as they can be read; nothing of those that were sealed by a
  // key that is gone: what they were approved for counts no more either.
  [[nodiscard]] std::vector<AskedVariable> readable(std::string_view resource,
                                                    std::vector<AskedVariable> asked) const;
  // A change that changes nothing makes no version. Errors: invalid_argument, conflict.
  Result<Configuration> change(const AuditContext& by, std::string_view project,
                               std::string_view environment, const ConfigurationChange& change);
  // A new version with what version `to` had; what is secret now stays so. Errors: not_found.
  [[nodiscard]] Result<Draft> preview_rollback(std::string_view project,
                                               std::string_view environment, std::int64_t to) const;
  Result<Configuration> roll_back(const AuditContext& by, std::string_view project,
                                  std::string_view environment, std::int64_t to);
  // Seals everything under a new key. Returns how many values that were. `others` seals again what
  // else the box has sealed; the old keys are forgotten after it.
  Result<std::size_t> rotate_key(const AuditContext& by,
                                 const std::function<Result<std::size_t>()>& others = {});

  // -- for building and running; never for an answer
  struct Values {
    EnvVars run, build;
    std::vector<std::string> secrets;  // values that must not show in logs
  };
  // Of the version that the deployment was made with.
  [[nodiscard]] Result<Values> values_for(const Deployment& deployment) const;
  // Of one version of an environment; 0 is the empty one. Errors: not_found.
  [[nodiscard]] Result<Values> values_for(std::string_view project, std::string_view environment,
                                          std::int64_t version) const;
  [[nodiscard]] Result<std::int64_t> newest_version(std::string_view project,
                                                    std::string_view environment) const;

 private:
  [[nodiscard]] Result<Configuration> opened(Configuration sealed) const;
  [[nodiscard]] Result<std::string> unsealed_names(const Draft& draft) const;

  Parts parts_;
};

// The end of a log of the deployment, without its secrets.
[[nodiscard]] std::string masked_tail(const Environments& environments,
                                      const Deployment& deployment,
                                      const std::filesystem::path& log, std::size_t bytes);

}  // namespace slipway
