#include "deploy/audit_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/digest.h"
#include "base/ids.h"
#include "json/json.h"
#include "json/reader.h"
#include "sys/files.h"

namespace slipway {
namespace {

std::string secret_of(const note::SignerKey& key) {
  return note::base64({reinterpret_cast<const char*>(key.seed.data()), key.seed.size()});
}

Result<note::SignerKey> signer_of(const std::string& name, const std::string& secret) {
  note::SignerKey key{.name = name};
  const auto seed = note::base64_decode(secret);
  if (!seed || seed->size() != key.seed.size())
    return fail(Errc::corrupt, "a key of the audit log");
  std::memcpy(key.seed.data(), seed->data(), seed->size());
  return key;
}

}  // namespace

Result<AuditKeys> AuditKeys::open(const std::filesystem::path& file, const Clock& clock) {
  AuditKeys keys;
  keys.file_ = file;
  const Result<std::string> text = read_file(file, 1u << 20);
  if (!text && text.error().code != Errc::not_found) return fail(text.error());
  if (!text) {
    keys.origin_ = "slipway-audit/" + random_id();
    SLIPWAY_CHECK(keys.adopt(keys.make(), clock.now()));
    return keys;
  }
  const auto bad = [&] {
    return fail(Errc::corrupt, fmt::format("{} is not the audit log's key file", file.string()),
                "restore it from a backup; a new key would start a new log");
  };
  const Result<json::value> value = parse_json(*text);
  if (!value) return bad();
  JsonReader reader(*value);
  reader.require("origin").read("origin", keys.origin_).require("keys");
  reader.read_each("keys", keys.entries_, [](const json::value& element) -> Result<Entry> {
    Entry entry;
    std::string verifier;
    JsonReader member(element, "keys");
    member.require("public").read("public", verifier);
    member.read("secret", entry.secret).read("since", entry.since);
    SLIPWAY_CHECK(member.status());
    SLIPWAY_TRY(entry.verifier, note::VerifierKey::parse(verifier));
    return entry;
  });
  if (!reader.status() || keys.entries_.empty() || keys.entries_.back().secret.empty())
    return bad();
  for (const Entry& entry : keys.entries_) {
    if (entry.verifier.name != keys.origin_) return bad();
    if (entry.secret.empty()) continue;
    const auto signer = signer_of(keys.origin_, entry.secret);
    if (!signer || signer->verifier() != entry.verifier) return bad();
  }
  return keys;
}

std::vector<note::VerifierKey> AuditKeys::verifiers() const {
  std::vector<note::VerifierKey> out;
  for (const Entry& entry : entries_) out.push_back(entry.verifier);
  return out;
}

std::vector<note::SignerKey> AuditKeys::signers() const {
  std::vector<note::SignerKey> out;
  for (auto it = entries_.rbegin(); it != entries_.rend() && out.size() < 2; ++it)
    if (auto key = signer_of(origin_, it->secret)) out.push_back(*std::move(key));
  return out;
}

note::SignerKey AuditKeys::make() const {
  return {.name = origin_, .seed = sha256(random_secret()).bytes};
}

Status AuditKeys::adopt(const note::SignerKey& key, Timestamp now) {
  std::vector<Entry> entries = entries_;
  if (entries.size() > 1) entries[entries.size() - 2].secret.clear();
  entries.push_back(
      {.verifier = key.verifier(), .secret = secret_of(key), .since = to_rfc3339(now)});
  SLIPWAY_CHECK(save(entries));
  entries_ = std::move(entries);
  return {};
}

Status AuditKeys::save(const std::vector<Entry>& entries) const {
  json::array keys;
  for (const Entry& entry : entries) {
    json::object one{{"public", entry.verifier.str()}, {"since", entry.since}};
    if (!entry.secret.empty()) one["secret"] = entry.secret;
    keys.push_back(std::move(one));
  }
  return write_file_atomic(
      file_, pretty(json::object{{"origin", origin_}, {"keys", std::move(keys)}}) + "\n", 0600);
}

}  // namespace slipway
