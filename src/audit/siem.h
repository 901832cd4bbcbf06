#pragma once

#include <string>
#include <string_view>

#include "audit/record.h"

// Records for other people's systems, one JSON object a line. The record's own canonical bytes are
// carried along unchanged, so that what arrives there can still be proven. Pure.
namespace slipway {

// CloudEvents 1.0, JSON format: source is the log's name, id the sequence number.
[[nodiscard]] std::string to_cloud_event(const AuditRecord& record, std::string_view canonical,
                                         std::string_view origin);
// OCSF 1.3, class 6003 "API Activity" of the category "Application Activity".
[[nodiscard]] std::string to_ocsf(const AuditRecord& record, std::string_view canonical,
                                  std::string_view origin, std::string_view product_version);

}  // namespace slipway
