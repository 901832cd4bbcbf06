#include "cli/audit_watch.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"
#include "base/ids.h"
#include "json/reader.h"
#include "sys/directory.h"
#include "sys/files.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto proof_interval = 60s;
constexpr std::size_t most_unproven = 4;

json::object checkpoint_json(const Checkpoint& checkpoint) {
  return {{"size", checkpoint.size}, {"root", checkpoint.root.hex()}};
}

std::optional<Checkpoint> read_checkpoint(const json::value* value, const std::string& origin) {
  if (value == nullptr || !value->is_object()) return std::nullopt;
  Checkpoint out{.origin = origin};
  std::string root;
  JsonReader reader(*value);
  reader.require("size").read("size", out.size).require("root").read("root", root);
  const auto digest = Digest::parse(root);
  if (!reader.status() || !digest) return std::nullopt;
  out.root = *digest;
  return out;
}

struct Remembered {
  std::string origin;
  std::vector<note::VerifierKey> keys;
  std::optional<Checkpoint> proven;
  std::vector<Checkpoint> seen;
  [[nodiscard]] std::uint64_t size() const {
    return !seen.empty() ? seen.back().size : proven ? proven->size : 0;
  }
  Timestamp proven_at{};
};

std::optional<Remembered> read_remembered(const std::filesystem::path& file) {
  const Result<std::string> text = read_file(file, 1u << 20);
  const Result<json::value> value = text ? parse_json(*text) : fail(text.error());
  if (!value || !value->is_object()) return std::nullopt;
  Remembered out;
  std::vector<std::string> keys;
  JsonReader reader(*value);
  reader.require("origin").read("origin", out.origin).read("keys", keys);
  reader.read("proven_at", out.proven_at);
  if (!reader.status()) return std::nullopt;
  for (const std::string& key : keys)
    if (auto parsed = note::VerifierKey::parse(key)) out.keys.push_back(*std::move(parsed));
  out.proven = read_checkpoint(reader.find("proven"), out.origin);
  if (const json::value* seen = reader.find("seen"); seen != nullptr && seen->is_array())
    for (const json::value& one : seen->get_array())
      if (auto checkpoint = read_checkpoint(&one, out.origin);
          checkpoint && checkpoint->size > out.size())
        out.seen.push_back(*std::move(checkpoint));
  return out;
}

}  // namespace

Result<merkle::Proof> read_proof(const json::object& answer) {
  merkle::Proof proof;
  const json::value* hashes = answer.if_contains("proof");
  if (hashes != nullptr && hashes->is_array())
    for (const json::value& hash : hashes->get_array()) {
      const auto digest = hash.is_string() ? Digest::parse(hash.get_string()) : std::nullopt;
      if (!digest) return fail(Errc::corrupt, "the server's proof is none");
      proof.push_back(*digest);
    }
  return proof;
}

AuditWatch::AuditWatch(std::filesystem::path file, Place place, const Clock& clock)
    : file_(std::move(file)), place_(place), clock_(clock) {
  load();
}

AuditWatch::~AuditWatch() {
  if (changed_) save();
}

std::filesystem::path AuditWatch::file_of(const std::filesystem::path& config_dir,
                                          std::string_view server) {
  return config_dir / "audit" / (sha256(server).hex().substr(0, 16) + ".json");
}

std::optional<AuditWatch::Known> AuditWatch::find(const std::filesystem::path& config_dir,
                                                  std::string_view origin) {
  std::optional<Known> best;
  std::error_code ignored;
  for (const auto& entry : entries_of(config_dir / "audit", ignored)) {
    const auto one = read_remembered(entry.path());
    if (!one || one->origin != origin || one->keys.empty() || !one->proven) continue;
    if (!best || best->proven.size < one->proven->size) best = Known{one->keys, *one->proven};
  }
  return best;
}

void AuditWatch::load() {
  auto remembered = read_remembered(file_);
  if (!remembered) return;
  keys_ = std::move(remembered->keys);
  proven_ = remembered->proven;
  seen_ = std::move(remembered->seen);
  proven_at_ = remembered->proven_at;
}

const Checkpoint* AuditWatch::longest() const {
  return !seen_.empty() ? &seen_.back() : proven_ ? &*proven_ : nullptr;
}

void AuditWatch::remember(const Checkpoint& checkpoint) {
  if (seen_.size() == most_unproven) seen_.pop_back();
  seen_.push_back(checkpoint);
  changed_ = true;
}

void AuditWatch::save() const {
  const Checkpoint* last = longest();
  if (last == nullptr) return;
  // Another command may have seen more meanwhile; what was proven goes forward only.
  if (const auto now = read_remembered(file_); now && now->origin == last->origin &&
                                               now->size() > last->size &&
                                               now->proven_at >= proven_at_)
    return;
  json::array seen;
  for (const Checkpoint& one : seen_) seen.push_back(checkpoint_json(one));
  json::object out{{"origin", last->origin}, {"seen", std::move(seen)}};
  json::array keys;
  for (const note::VerifierKey& key : keys_) keys.push_back(json::string(key.str()));
  out["keys"] = std::move(keys);
  if (proven_) {
    out["proven"] = checkpoint_json(*proven_);
    out["proven_at"] = to_rfc3339(proven_at_);
  }
  // Whole or not at all, but not worth waiting for the disk: losing it loses one look.
  if (!make_directories(file_.parent_path(), 0700)) return;
  const std::filesystem::path beside = file_.string() + "." + random_id();
  std::error_code failed;
  const Result<Fd> fd = open_file(beside, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (fd && write_all(fd->get(), pretty(out) + "\n"))
    std::filesystem::rename(beside, file_, failed);
  else
    std::filesystem::remove(beside, failed);
}

std::unexpected<Error> AuditWatch::alarm(std::string what) const {
  return fail({.code = Errc::corrupt,
               .message = "the audit log of this server was REWRITTEN: " + std::move(what),
               .hint = fmt::format("its history was altered, or an older copy of its data was put "
                                   "back: ask whoever runs it. What was seen before is in {}; "
                                   "remove that file only when you know why",
                                   file_.string()),
               .cause = "history_rewritten"});
}

Status AuditWatch::observe(std::string_view header) {
  const auto parsed = SignedCheckpoint::parse_compact(header);
  if (!parsed) return alarm("its checkpoint cannot be read");
  const Checkpoint& now = parsed->checkpoint;
  const Checkpoint* last = longest();
  if (last != nullptr && last->origin != now.origin) {
    if (place_ == Place::elsewhere)
      return alarm(fmt::format("it was {} and is now {}", last->origin, now.origin));
    keys_.clear();
    proven_.reset();
    seen_.clear();
    proven_at_ = {};
    last = nullptr;
  }
  if (last != nullptr && now.size < last->size)
    return alarm(fmt::format("it had {} records and has only {}", last->size, now.size));
  if (last != nullptr && now.size == last->size && now.root != last->root)
    return alarm(fmt::format("its first {} records are others than before", now.size));
  if (last == nullptr || now.size > last->size) remember(now);
  return {};
}

bool AuditWatch::due() const {
  if (seen_.empty()) return false;
  const Timestamp now = clock_.now();
  return !proven_ || now >= proven_at_ + proof_interval || now < proven_at_;
}

Status AuditWatch::prove(const Get& get) {
  SLIPWAY_TRY(const json::object answer, get("/v1/audit/checkpoint"));
  const json::value* text = answer.if_contains("checkpoint");
  if (text == nullptr || !text->is_string()) return alarm("it gives no checkpoint");
  const auto signed_one = SignedCheckpoint::parse(text->get_string());
  if (!signed_one) return alarm("its checkpoint cannot be read");
  const Checkpoint& now = signed_one->checkpoint;
  std::vector<note::VerifierKey> offered;
  if (const json::value* keys = answer.if_contains("keys"); keys != nullptr && keys->is_array())
    for (const json::value& key : keys->get_array())
      if (key.is_string())
        if (auto parsed = note::VerifierKey::parse(key.get_string());
            parsed && parsed->name == now.origin)
          offered.push_back(*std::move(parsed));
  // A key that is known must have signed; then the others that signed along are believed as well.
  if (!note::verify(signed_one->note, keys_.empty() ? offered : keys_))
    return alarm("its checkpoint is not signed by the key that is known");
  if (const Checkpoint* last = longest(); last != nullptr && last->origin != now.origin)
    return alarm(fmt::format("it was {} and is now {}", last->origin, now.origin));
  const auto follows = [&](const Checkpoint& before, const Checkpoint& after) -> Status {
    if (before.size > after.size)
      return alarm(fmt::format("it had {} records and has only {}", before.size, after.size));
    merkle::Proof proof;
    if (before.size < after.size && before.size > 0) {
      SLIPWAY_TRY(const json::object given,
                  get(fmt::format("/v1/audit/consistency?from={}&to={}", before.size, after.size)));
      SLIPWAY_TRY(proof, read_proof(given));
    }
    if (merkle::verify_consistency(before.size, before.root, after.size, after.root, proof))
      return {};
    return alarm(fmt::format("its first {} records are others than before", before.size));
  };
  std::optional<Checkpoint> before = proven_;
  for (const Checkpoint& one : seen_) {
    if (before) SLIPWAY_CHECK(follows(*before, one));
    before = one;
  }
  if (before) SLIPWAY_CHECK(follows(*before, now));
  for (const note::VerifierKey& key : offered)
    if (note::verify(signed_one->note, std::span(&key, 1)) &&
        std::ranges::find(keys_, key) == keys_.end())
      keys_.push_back(key);
  proven_ = now;
  seen_.clear();
  proven_at_ = clock_.now();
  changed_ = true;
  return {};
}

}  // namespace slipway::cli
