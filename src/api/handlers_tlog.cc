// The audit log as tlog clients read it: c2sp.org/tlog-tiles under /v1/audit/tlog. A checkpoint is
// in the header of every answer anyway and hashes tell nothing of what they are of, so both are
// open to everybody; entries are what they are.
#include <algorithm>

#include "api/routes.h"
#include "audit/tile.h"
#include "deploy/audit_log.h"
#include "http/gzip.h"
#include "router/static_negotiation.h"

namespace slipway::handlers {
namespace {

ApiResponse immutable(std::string_view who_may_keep_it, std::string body) {
  return {.headers = {{"Content-Type", "application/octet-stream"},
                      {"Cache-Control",
                       fmt::format("{}, max-age=31536000, immutable", who_may_keep_it)}},
          .body = std::move(body)};
}

}  // namespace

Result<ApiResponse> tlog_checkpoint(const ApiContext& context, ApiCall&) {
  return ApiResponse{
      .headers = {{"Content-Type", "text/plain; charset=utf-8"}, {"Cache-Control", "no-cache"}},
      .body = context.audit.latest()->checkpoint.note.str()};
}

Result<ApiResponse> tlog_tile(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const unsigned level, tlog::parse_level(call.path_value("level")));
  SLIPWAY_TRY(const auto number, tlog::TileNumber::parse(call.path_value("path")));
  SLIPWAY_TRY(const std::vector<Digest> hashes, context.audit.store().tile(level, number));
  return immutable("public", tlog::tile_bytes(hashes));
}

Result<ApiResponse> tlog_entries(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const auto number, tlog::TileNumber::parse(call.path_value("path")));
  SLIPWAY_TRY(const std::vector<std::string> entries, context.audit.store().entries(number));
  SLIPWAY_TRY(std::string bundle, tlog::bundle_bytes(entries, number.first()));
  const auto accepted =
      accepted_codings(find_header(call.request.headers, "Accept-Encoding").value_or(""));
  const bool packed = std::ranges::find(accepted, Coding::gzip) != accepted.end();
  ApiResponse response = immutable("private", packed ? gzip(bundle) : std::move(bundle));
  response.headers.emplace_back("Vary", "Accept-Encoding, Authorization");
  if (packed) response.headers.emplace_back("Content-Encoding", "gzip");
  return response;
}

}  // namespace slipway::handlers
