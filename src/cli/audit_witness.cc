// slipway audit witness: who cosigns the checkpoints of the audit log.
#include "cli/audit_witness.h"

#include <fmt/format.h>

#include <memory>

#include "audit/cosignature.h"
#include "base/text.h"
#include "cli/server.h"
#include "cli/view.h"

namespace slipway::cli {
namespace {

constexpr std::string_view target = "/v1/audit/witnesses";

Result<int> ls(Context& context, ApiClient& api) {
  SLIPWAY_TRY(const json::object answer, api.get(std::string(target)));
  if (context.common.json) {
    context.console.out(printable_json(answer));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const json::value& value : array_at(answer, "witnesses")) {
    if (!value.is_object()) continue;
    const json::object& one = value.as_object();
    const std::string cosigned = text_at(one, "cosigned_at"), result = text_at(one, "result");
    rows.push_back({sanitize_line(text_at(one, "name")), std::to_string(number_at(one, "size")),
                    sanitize_line(cosigned.empty() ? "-" : cosigned),
                    sanitize_line(result.empty() ? "-" : result),
                    sanitize_line(text_at(one, "url"))});
  }
  context.console.out(table({"NAME", "RECORDS", "COSIGNED", "LAST RESULT", "URL"}, rows,
                            context.console.out_style()));
  return 0;
}

}  // namespace

Result<int> audit_witness(Context& context, const WitnessArguments& arguments) {
  const std::string action = arguments.action.value_or("ls");
  if (action != "ls" && action != "add" && action != "rm")
    return fail(Errc::invalid_argument,
                fmt::format("audit witness does not know '{}'", sanitize_line(action)),
                "it knows: ls, add NAME KEY --url URL, rm NAME");
  if (action != "ls" && !arguments.name)
    return fail(Errc::invalid_argument, "which witness?", "slipway audit witness ls");
  if (action == "add" && (!arguments.key || !arguments.url))
    return fail(Errc::invalid_argument,
                arguments.key ? "where are checkpoints submitted to?" : "which key has it?",
                "slipway audit witness add NAME KEY --url URL");
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  if (action == "ls") return ls(context, *api);
  json::object changed;
  if (action == "add") {
    SLIPWAY_TRY(changed, api->post(std::string(target), json::object{{"name", *arguments.name},
                                                                     {"key", *arguments.key},
                                                                     {"url", *arguments.url}}));
  } else {
    SLIPWAY_TRY(changed, api->remove(fmt::format("{}/{}", target, url_encode(*arguments.name))));
  }
  context.console.out(context.common.json ? printable_json(changed)
                                          : sanitize_line(text_at(changed, "name")) + "\n");
  return 0;
}

Result<Cosigned> check_cosigned(ApiClient& api, const ExportSummary& verified) {
  SLIPWAY_TRY(const json::object answer, api.get(std::string(target)));
  const std::string text = text_at(answer, "checkpoint");
  if (text.empty()) return Cosigned{};
  SLIPWAY_TRY(const SignedCheckpoint signed_one, SignedCheckpoint::parse(text));
  const Checkpoint& claim = signed_one.checkpoint;
  SLIPWAY_CHECK(note::verify(signed_one.note, verified.keys));
  const bool grew = claim.size > verified.size;  // since the export was made
  const std::uint64_t from = grew ? verified.size : claim.size,
                      to = grew ? claim.size : verified.size;
  merkle::Proof proof;
  if (from > 0 && from < to) {
    SLIPWAY_TRY(const json::object given,
                api.get(fmt::format("/v1/audit/consistency?from={}&to={}", from, to)));
    for (const json::value& hash : array_at(given, "proof"))
      if (const auto digest = hash.is_string() ? Digest::parse(hash.get_string()) : std::nullopt)
        proof.push_back(*digest);
  }
  if (claim.origin != verified.origin ||
      !merkle::verify_consistency(from, grew ? verified.root : claim.root, to,
                                  grew ? claim.root : verified.root, proof))
    return fail(Errc::corrupt, "the checkpoint that witnesses have cosigned is of another history",
                "history was rewritten since: ask whoever runs the server");
  std::vector<note::WitnessKey> keys;
  for (const json::value& one : array_at(answer, "witnesses"))
    if (one.is_object()) {
      SLIPWAY_TRY(note::WitnessKey key, note::WitnessKey::parse(text_at(one.get_object(), "key")));
      keys.push_back(std::move(key));
    }
  SLIPWAY_TRY(const auto cosignatures, note::verify_cosignatures(text, keys));
  Cosigned out{.size = claim.size};
  for (const note::Cosignature& one : cosignatures) out.by.push_back(one.name);
  return out;
}

}  // namespace slipway::cli
