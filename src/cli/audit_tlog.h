#pragma once

#include <span>
#include <string>
#include <vector>

#include "audit/tlog_proof.h"
#include "cli/command.h"
#include "json/json.h"

namespace slipway::cli {

// Checks a c2sp.org/tlog-proof file of ours offline: by one of `keys`, and cosigned by every one of
// `witnesses` (keys, or files with one a line). What to say of it, as an object. Errors: corrupt;
// invalid_argument when no key is known, or the file does not carry its record.
[[nodiscard]] Result<json::object> verify_tlog_proof(const Context& context, const TlogProof& proof,
                                                     std::span<const note::VerifierKey> keys,
                                                     const std::vector<std::string>& witnesses);
// The same for people.
[[nodiscard]] std::string describe_tlog_proof(const json::object& verified);

}  // namespace slipway::cli
