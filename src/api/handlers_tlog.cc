// The audit log as tlog clients read it: c2sp.org/tlog-tiles under /v1/audit/tlog. A checkpoint is
// in the header of every answer anyway and hashes tell nothing of what they are of, so both are
// open to everybody; entries are what they are. Also the witnesses, who cosign it.
#include <algorithm>

#include "api/routes.h"
#include "audit/tile.h"
#include "deploy/audit_log.h"
#include "deploy/witnesses.h"
#include "http/gzip.h"
#include "json/reader.h"
#include "router/static_negotiation.h"

namespace slipway::handlers {
namespace {

ApiResponse immutable(std::string_view who_may_keep_it, std::string body) {
  return {.headers = {{"Content-Type", "application/octet-stream"},
                      {"Cache-Control",
                       fmt::format("{}, max-age=31536000, immutable", who_may_keep_it)}},
          .body = std::move(body)};
}

json::object witness_json(const Witness& witness) {
  const auto time = [](const std::optional<Timestamp>& at) {
    return at ? json::value(to_rfc3339(*at)) : json::value(nullptr);
  };
  return {{"name", witness.name},
          {"key", witness.key.str()},
          {"url", witness.url},
          {"created_at", to_rfc3339(witness.created_at)},
          {"size", witness.size},
          {"cosigned_at", time(witness.cosigned_at)},
          {"tried_at", time(witness.tried_at)},
          {"result", witness.result.empty() ? json::value(nullptr) : json::value(witness.result)}};
}

}  // namespace

Result<ApiResponse> tlog_checkpoint(const ApiContext& context, ApiCall&) {
  return ApiResponse{
      .headers = {{"Content-Type", "text/plain; charset=utf-8"}, {"Cache-Control", "no-cache"}},
      .body = context.witnesses.newest()};
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

Result<ApiResponse> list_witnesses(const ApiContext& context, ApiCall&) {
  SLIPWAY_TRY(const std::vector<Witness> all, context.witnesses.list());
  SLIPWAY_TRY(const auto cosigned, context.witnesses.cosigned());
  json::array out;
  for (const Witness& one : all) out.push_back(witness_json(one));
  return json_response(200, json::object{{"witnesses", std::move(out)},
                                         {"checkpoint", cosigned ? json::value(cosigned->note)
                                                                 : json::value(nullptr)}});
}

Result<ApiResponse> add_witness(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const json::value body, call.body_json());
  std::string name, key, url;
  JsonReader reader(body);
  reader.require("name").read("name", name).require("key").read("key", key);
  reader.require("url").read("url", url);
  SLIPWAY_CHECK(reader.status());
  SLIPWAY_TRY(const Witness added, context.witnesses.add(call.by, name, key, url));
  return json_response(201, witness_json(added));
}

Result<ApiResponse> remove_witness(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const Witness removed, context.witnesses.remove(call.by, call.path_value("name")));
  return json_response(200, witness_json(removed));
}

}  // namespace slipway::handlers
