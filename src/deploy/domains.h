#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/task_group.h"
#include "db/domain_store.h"
#include "deploy/governance.h"
#include "deploy/names.h"
#include "deploy/settings.h"
#include "deploy/txt_lookup.h"

namespace slipway {

// Host names of people's own that lead to an environment. A name leads nowhere before its owner has
// proved it: by a TXT record that only who runs the name's DNS can make, with a text that belongs
// to this claim alone. So neither another project nor another user of this server can take a name,
// and a name that merely points here proves nothing. Proofs are looked for again once in a while;
// one that is gone is reported for domains.grace, and then the name leads nowhere any more.
//
// Thread-safe. What it is given must outlive it.
class Domains {
 public:
  struct Parts {
    const Settings& settings;
    const Clock& clock;
    DomainStore& store;
    GovernanceService& governance;
    const Names& names;
    TxtLookup lookup;
    // Where an environment's names lead has to be published anew; called without locks.
    std::function<Status(std::string_view project, std::string_view environment)> publish;
  };
  explicit Domains(Parts parts) : parts_(std::move(parts)) {}
  ~Domains() { stop(); }

  static constexpr std::size_t max_per_project = 200;

  // Claims a name; the answer says how to prove it. Errors: invalid_argument for what is no name of
  // one's own, conflict when it is proven for another project or claimed already, over_budget.
  [[nodiscard]] Result<Domain> add(const AuditContext& by, std::string_view project,
                                   std::string_view environment, std::string_view name);
  // Looks for the proof; from then on the name leads to the environment. Errors:
  // failed_precondition with what was found instead, unavailable, denied_by_policy, conflict.
  [[nodiscard]] Result<Domain> verify(const AuditContext& by, std::string_view project,
                                      std::string_view name);
  // It leads nowhere any more when this returns. Errors: not_found, denied_by_policy.
  [[nodiscard]] Result<Domain> remove(const AuditContext& by, std::string_view project,
                                      std::string_view name);
  [[nodiscard]] Result<std::vector<Domain>> list(std::string_view project) const {
    return parts_.store.list(project);
  }
  // The claim that a name means when no project is given: the only one of those that `may_see`
  // says yes to. Errors: not_found, invalid_argument when there are several.
  [[nodiscard]] Result<Domain> find(std::string_view name,
                                    const std::function<bool(const Domain&)>& may_see) const;
  // Proven names of an environment; for its routes.
  [[nodiscard]] std::vector<std::string> hosts(std::string_view project,
                                               std::string_view environment) const;

  // Looks for every proof whose time has come. Blocks on DNS.
  void check_due(const std::stop_token& stop = {});
  // The same by itself, on a thread, until stop(). Call after the first routes are published.
  [[nodiscard]] Status start();  // errors: unavailable
  void stop();

 private:
  [[nodiscard]] Status check_claim(std::string_view name) const;
  [[nodiscard]] Asked asked_about(const AuditContext& by, const Domain& domain,
                                  std::string_view change) const;
  [[nodiscard]] Status check_again(const Domain& domain);
  void publish(const Domain& domain) const;

  Parts parts_;
  Worker worker_{"domains"};
};

}  // namespace slipway
