#pragma once

#include <optional>
#include <string>

#include "audit/export.h"
#include "cli/api_client.h"
#include "cli/command.h"

namespace slipway::cli {

// `slipway audit witness ls | add NAME KEY --url URL | rm NAME`.
struct WitnessArguments {
  std::optional<std::string> action, name, key, url;
};
[[nodiscard]] Result<int> audit_witness(Context& context, const WitnessArguments& arguments);

// Who has cosigned the server's log, and how much of it: the newest cosigned checkpoint is of the
// very log that was verified, signed by a key trusted for it, and each cosignature counts by the
// key that the server lists. Errors: corrupt.
struct Cosigned {
  std::uint64_t size = 0;
  std::vector<std::string> by;  // names of witnesses
};
[[nodiscard]] Result<Cosigned> check_cosigned(ApiClient& api, const ExportSummary& verified);

}  // namespace slipway::cli
