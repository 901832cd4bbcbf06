#include "cli/audit_tlog.h"

#include <fmt/format.h>

#include "audit/cosignature.h"
#include "audit/record.h"
#include "base/text.h"
#include "cli/api_client.h"
#include "cli/view.h"
#include "sys/files.h"

namespace slipway::cli {
namespace {

// Keys themselves, or files with one a line.
Result<std::vector<note::WitnessKey>> given_witnesses(const Context& context,
                                                      const std::vector<std::string>& words) {
  std::vector<note::WitnessKey> out;
  for (const std::string& word : words) {
    auto key = note::WitnessKey::parse(word);
    if (key) {
      out.push_back(*std::move(key));
      continue;
    }
    const auto text = read_file(context.env.cwd / word, 65'536);
    if (!text) return fail(key.error());
    for (const std::string_view line : lines(*text)) {
      if (trim(line).empty()) continue;
      SLIPWAY_TRY(note::WitnessKey one, note::WitnessKey::parse(trim(line)));
      out.push_back(std::move(one));
    }
  }
  return out;
}

}  // namespace

Result<json::object> verify_tlog_proof(const Context& context, const TlogProof& proof,
                                       std::span<const note::VerifierKey> keys,
                                       const std::vector<std::string>& witnesses) {
  const Checkpoint& of = proof.checkpoint.checkpoint;
  if (keys.empty())
    return fail(Errc::invalid_argument,
                fmt::format("no key of {} is known", sanitize_line(of.origin)),
                "give the log's public key: --key KEY (slipway audit keys)");
  if (proof.extra.empty())
    return fail(Errc::invalid_argument, "the file does not carry the record that it proves",
                "slipway audit prove SEQ --format tlog writes one that does");
  SLIPWAY_CHECK(proof.verify(proof.extra, keys));
  SLIPWAY_TRY(const AuditRecord record, parse_audit_record(proof.extra));
  if (record.seq != proof.index + 1)
    return fail(Errc::corrupt,
                fmt::format("record {} is at the place of record {}", record.seq, proof.index + 1));
  SLIPWAY_TRY(const std::vector<note::WitnessKey> wanted, given_witnesses(context, witnesses));
  SLIPWAY_TRY(const auto cosigned, note::verify_cosignatures(proof.note, wanted));
  if (cosigned.size() < wanted.size())
    return fail(Errc::corrupt, fmt::format("{} of {} witnesses have cosigned its checkpoint",
                                           cosigned.size(), wanted.size()));
  json::array names;
  for (const note::Cosignature& one : cosigned) names.push_back(json::string(one.name));
  return json::object{{"verified", true}, {"seq", record.seq},     {"origin", of.origin},
                      {"size", of.size},  {"record", proof.extra}, {"witnesses", std::move(names)}};
}

std::string describe_tlog_proof(const json::object& verified) {
  std::string who;
  for (const json::value& name : array_at(verified, "witnesses"))
    who += (who.empty() ? ", cosigned by " : ", ") + std::string(name.get_string());
  const std::string line =
      fmt::format("verified: record {} is one of the {} of {}{}", number_at(verified, "seq"),
                  number_at(verified, "size"), text_at(verified, "origin"), who);
  return sanitize_line(line) + "\n" + escape_hidden(text_at(verified, "record")) + "\n";
}

}  // namespace slipway::cli
