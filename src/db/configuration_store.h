#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "db/audit_store.h"
#include "db/database.h"
#include "model/environment.h"

namespace slipway {

// The configurations of all environments, every version of them. Values come and go sealed: this
// class cannot read them. Every change is audited in its own transaction, by names. Thread-safe.
// What it is given must outlive it.
class ConfigurationStore {
 public:
  ConfigurationStore(Database& database, AuditStore& audit) : database_(database), audit_(audit) {}

  // The newest version; version 0, empty, when there is none.
  [[nodiscard]] Result<Configuration> current(std::string_view project,
                                              std::string_view environment);
  // Errors: not_found.
  [[nodiscard]] Result<Configuration> get(std::string_view project, std::string_view environment,
                                          std::int64_t version);
  // Newest first.
  [[nodiscard]] Result<std::vector<Configuration>> history(std::string_view project,
                                                           std::string_view environment,
                                                           std::size_t limit);
  // Environments of a project that have a configuration, by name.
  [[nodiscard]] Result<std::vector<std::string>> environments(std::string_view project);

  // Stores `next` if its version is the newest one's plus 1. `detail` goes into the audit record.
  // Errors: conflict when somebody else was first.
  [[nodiscard]] Status add(const AuditContext& by, const Configuration& next,
                           std::map<std::string, std::string> detail);

  // Seals every value again, all or none; `reseal` is called with nothing held, and again for all
  // when one was changed meanwhile. For a change of the key.
  using Reseal =
      std::function<Result<std::string>(const Configuration& of, const EnvironmentVar& var)>;
  [[nodiscard]] Result<std::size_t> reseal(const AuditContext& by, const Reseal& reseal);

 private:
  Database& database_;
  AuditStore& audit_;
};

}  // namespace slipway
