// The audit log: looking, proving, exporting, rotating its key.
#include <boost/json/serialize.hpp>
#include <charconv>

#include "api/routes.h"
#include "audit/canonical.h"
#include "audit/export.h"
#include "audit/siem.h"
#include "audit/tlog_proof.h"
#include "base/text.h"
#include "deploy/audit_log.h"

namespace slipway::handlers {
namespace {

Result<std::uint64_t> number_of(std::string_view what, std::string_view text, std::uint64_t least) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < least ||
      number > std::uint64_t{1} << 53)
    return fail(Errc::invalid_argument, fmt::format("{} must be a number from {}", what, least));
  return number;
}

Result<std::uint64_t> query_number(const ApiCall& call, std::string_view name,
                                   std::uint64_t otherwise) {
  const auto text = call.request.query_value(name);
  return text && !text->empty() ? number_of(name, *text, 0) : Result<std::uint64_t>(otherwise);
}

Result<std::optional<Timestamp>> query_time(const ApiContext& context, const ApiCall& call,
                                            std::string_view name) {
  const auto text = call.request.query_value(name);
  if (!text || text->empty()) return std::nullopt;
  if (const auto ago = parse_duration(*text)) return context.clock.now() - *ago;
  if (const auto time = parse_rfc3339(*text)) return time;
  return fail(Errc::invalid_argument,
              fmt::format("{} must be a duration such as 10m, or a time such as "
                          "2026-01-02T03:04:05Z",
                          name));
}

json::object checkpoint_json(const SignedCheckpoint& signed_one,
                             const std::vector<note::VerifierKey>& keys) {
  json::array names;
  for (const note::VerifierKey& key : keys) names.push_back(json::string(key.str()));
  return {{"origin", signed_one.checkpoint.origin},
          {"size", signed_one.checkpoint.size},
          {"root", signed_one.checkpoint.root.hex()},
          {"checkpoint", signed_one.note.str()},
          {"keys", std::move(names)}};
}

json::array hash_array(const std::vector<Digest>& hashes) {
  json::array out;
  for (const Digest& hash : hashes) out.push_back(json::string(hash.hex()));
  return out;
}

// Which files a deployment changed: from the deployment, while it is kept, and whether that is
// what the record's digest says.
json::value changed_files(const ApiContext& context, const AuditRecord& record) {
  const auto wanted = record.event.detail.find("changed_digest");
  constexpr std::string_view prefix = "deployment/";
  if (wanted == record.event.detail.end() || !record.event.resource.starts_with(prefix))
    return nullptr;
  const auto id =
      DeploymentId::parse(std::string_view(record.event.resource).substr(prefix.size()));
  const auto found = id ? context.repository.get(*id) : fail(Errc::not_found, "");
  if (!found) return nullptr;
  const ManifestDiff& changed = found->changed;
  const auto names = [](const std::vector<std::string>& paths) {
    json::array out;
    for (const std::string& path : paths) out.push_back(json::string(path));
    return out;
  };
  return json::object{
      {"base", found->base.empty() ? json::value(nullptr) : json::value(found->base.str())},
      {"added", names(changed.added)},
      {"modified", names(changed.modified)},
      {"removed", names(changed.removed)},
      {"as_recorded", diff_digest(changed).str() == wanted->second}};
}

enum class ExportFormat { jsonl, cloudevents, ocsf };

Result<ExportFormat> export_format(const ApiCall& call) {
  const std::string_view name = call.request.query_value("format").value_or("jsonl");
  if (name == "jsonl") return ExportFormat::jsonl;
  if (name == "cloudevents") return ExportFormat::cloudevents;
  if (name == "ocsf") return ExportFormat::ocsf;
  return fail(Errc::invalid_argument, "format must be jsonl, cloudevents or ocsf");
}

Result<ApiResponse> tlog_proof_of(const ApiContext& context, std::uint64_t seq) {
  TlogProof proof{.index = seq - 1};
  SLIPWAY_TRY(proof.extra, context.audit.store().get(seq));
  // One that is cosigned says more, when the record is under it.
  SLIPWAY_TRY(const auto cosigned, context.witnesses.cosigned());
  if (cosigned && cosigned->checkpoint.checkpoint.size >= seq) {
    proof.checkpoint = cosigned->checkpoint;
    proof.note = cosigned->note;
  } else {
    SLIPWAY_TRY(proof.checkpoint, context.audit.sign());
    proof.note = proof.checkpoint.note.str();
  }
  SLIPWAY_TRY(proof.path, context.audit.store().inclusion(seq, proof.checkpoint.checkpoint.size));
  return ApiResponse{.headers = {{"Content-Type", "text/plain; charset=utf-8"}},
                     .body = proof.str()};
}

// Everything up to `header.size`, in pages, so that the database is never held for long.
Status write_export(AuditStore& store, const ExportHeader& header, ExportFormat format,
                    const std::vector<SignedCheckpoint>& checkpoints, StreamWriter& out) {
  std::string batch;
  if (format == ExportFormat::jsonl) batch = header.line() + "\n";
  auto next_checkpoint = checkpoints.begin();
  for (std::uint64_t seq = header.first; seq <= header.size;) {
    const auto limit =
        static_cast<std::size_t>(std::min<std::uint64_t>(500, header.size + 1 - seq));
    SLIPWAY_TRY(const std::vector<std::string> records, store.records(seq, limit));
    if (records.empty())
      return fail(Errc::conflict, "records were cut off while they were exported");
    for (const std::string& text : records) {
      SLIPWAY_TRY(const AuditRecord record, parse_audit_record(text));
      if (record.seq != seq)
        return fail(Errc::conflict, "records were cut off while they were exported");
      if (format == ExportFormat::jsonl)
        batch += text;
      else if (format == ExportFormat::cloudevents)
        batch += to_cloud_event(record, text, header.origin);
      else
        batch += to_ocsf(record, text, header.origin, SLIPWAY_VERSION);
      batch += '\n';
      while (format == ExportFormat::jsonl && next_checkpoint != checkpoints.end() &&
             next_checkpoint->checkpoint.size == seq)
        batch += export_checkpoint_line(*next_checkpoint++) + "\n";
      ++seq;
    }
    SLIPWAY_CHECK(out.write(batch));
    batch.clear();
  }
  return batch.empty() ? Status() : out.write(batch);
}

}  // namespace

Result<ApiResponse> list_audit(const ApiContext& context, ApiCall& call) {
  AuditFilter filter;
  filter.project = call.request.query_value("project").value_or("");
  filter.actor = call.request.query_value("actor").value_or("");
  filter.action = call.request.query_value("action").value_or("");
  if (!call.principal.reaches_all()) {
    if (filter.project.empty())
      return fail(Errc::permission_denied, "the token does not reach every project",
                  "name one: --project");
    SLIPWAY_CHECK(authorize(context, call, filter.project, {}));
  }
  SLIPWAY_TRY(filter.since, query_time(context, call, "since"));
  SLIPWAY_TRY(filter.until, query_time(context, call, "until"));
  SLIPWAY_TRY(filter.before, query_number(call, "cursor", 0));
  SLIPWAY_TRY(const std::uint64_t limit, query_number(call, "limit", 50));
  filter.limit = static_cast<std::size_t>(std::clamp<std::uint64_t>(limit, 1, 500));
  SLIPWAY_TRY(const AuditPage page, context.audit.store().list(filter));
  json::array records;
  for (const std::string& text : page.records) {
    SLIPWAY_TRY(json::value record, parse_json(text));
    if (!call.principal.reaches_all()) {
      SLIPWAY_TRY(const AuditRecord read, parse_audit_record(text));
      if (!authorize(context, call, read.event.project, read.event.environment)) continue;
    }
    records.push_back(std::move(record));
  }
  return json_response(
      200, json::object{{"records", std::move(records)},
                        {"next_cursor", page.next > 0 ? json::value(std::to_string(page.next))
                                                      : json::value(nullptr)}});
}

Result<ApiResponse> get_audit_record(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const std::uint64_t seq, number_of("the record", call.path_value("seq"), 1));
  SLIPWAY_TRY(const std::string text, context.audit.store().get(seq));
  SLIPWAY_TRY(const AuditRecord record, parse_audit_record(text));
  SLIPWAY_TRY(json::value value, parse_json(text));
  return json_response(200, json::object{{"record", std::move(value)},
                                         {"canonical", text},
                                         {"leaf_hash", merkle::leaf_hash(text).str()},
                                         {"changed", changed_files(context, record)}});
}

Result<ApiResponse> audit_checkpoint(const ApiContext& context, ApiCall&) {
  SLIPWAY_TRY(const SignedCheckpoint signed_one, context.audit.sign());
  return json_response(200, checkpoint_json(signed_one, context.audit.keys()));
}

Result<ApiResponse> audit_consistency(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const std::uint64_t from, query_number(call, "from", 0));
  SLIPWAY_TRY(const std::uint64_t to, query_number(call, "to", 0));
  SLIPWAY_TRY(const merkle::Proof proof, context.audit.store().consistency(from, to));
  return json_response(200, json::object{{"from", from}, {"to", to}, {"proof", hash_array(proof)}});
}

Result<ApiResponse> prove_audit_record(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const std::uint64_t seq, number_of("the record", call.path_value("seq"), 1));
  const std::string_view format = call.request.query_value("format").value_or("");
  if (format == "tlog") return tlog_proof_of(context, seq);
  if (!format.empty()) return fail(Errc::invalid_argument, "format must be tlog, or left out");
  RecordProof proof{.seq = seq};
  SLIPWAY_TRY(proof.record, context.audit.store().get(seq));
  SLIPWAY_TRY(proof.checkpoint, context.audit.sign());
  proof.keys = context.audit.keys();
  SLIPWAY_TRY(proof.path, context.audit.store().inclusion(seq, proof.checkpoint.checkpoint.size));
  return ApiResponse{.headers = {{"Content-Type", "application/json"}},
                     .body = proof.line() + "\n"};
}

Result<ApiResponse> export_audit(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const ExportFormat format, export_format(call));
  AuditLog& log = context.audit;
  ExportHeader header;
  SLIPWAY_TRY(header.checkpoint, log.sign());
  header.origin = header.checkpoint.checkpoint.origin;
  header.size = header.checkpoint.checkpoint.size;
  header.keys = log.keys();
  SLIPWAY_TRY(const std::uint64_t cut, log.store().cut());
  header.first = cut + 1;
  SLIPWAY_TRY(const merkle::CompactRange prefix, log.store().range(cut));
  header.prefix = prefix.hashes();
  SLIPWAY_TRY(std::vector<SignedCheckpoint> checkpoints,
              log.store().checkpoints(header.first, header.size));
  header.checkpoints = checkpoints.size();
  ApiResponse response{.headers = {{"Content-Type", format == ExportFormat::cloudevents
                                                        ? "application/cloudevents+json"
                                                        : "application/x-ndjson"},
                                   {"Cache-Control", "no-cache"}}};
  response.body = [&log, header = std::move(header), format,
                   checkpoints = std::move(checkpoints)](StreamWriter& out) {
    const Status written = write_export(log.store(), header, format, checkpoints, out);
    if (!written && written.error().code != Errc::canceled)
      std::ignore =
          out.write(json::serialize(json::object{{"error", written.error().message}}) + "\n");
  };
  return response;
}

Result<ApiResponse> rotate_audit_key(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const note::VerifierKey key, context.audit.rotate(call.by));
  SLIPWAY_TRY(const SignedCheckpoint signed_one, context.audit.sign());
  json::object out = checkpoint_json(signed_one, context.audit.keys());
  out["key"] = key.str();
  return json_response(200, out);
}

}  // namespace slipway::handlers
