#include "audit/export.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <boost/json/array.hpp>

#include "audit/canonical.h"

namespace slipway {
namespace {

constexpr std::int64_t export_version = 1, proof_version = 1;

std::unexpected<Error> bad_header(std::string_view what) {
  return fail(Errc::corrupt, fmt::format("not an export of an audit log: {}", what));
}

json::array key_array(const std::vector<note::VerifierKey>& keys) {
  json::array out;
  for (const note::VerifierKey& key : keys) out.push_back(json::string(key.str()));
  return out;
}

json::array hash_array(const std::vector<Digest>& hashes) {
  json::array out;
  for (const Digest& hash : hashes) out.push_back(json::string(hash.hex()));
  return out;
}

// Members of an object that must be there; the first that is not is remembered.
class Members {
 public:
  explicit Members(const json::value& value) : object_(value.if_object()) {
    good_ = object_ != nullptr;
  }
  std::string text(std::string_view name) {
    const json::value* value = find(name);
    if (value == nullptr || !value->is_string()) {
      good_ = false;
      return {};
    }
    return std::string(value->get_string());
  }
  std::uint64_t number(std::string_view name) {
    const json::value* value = find(name);
    if (value == nullptr || !value->is_int64() || value->get_int64() < 0) {
      good_ = false;
      return 0;
    }
    return static_cast<std::uint64_t>(value->get_int64());
  }
  // Every element of an array of texts through `parse`, which gives an optional.
  template <class T, class Parse>
  std::vector<T> each(std::string_view name, Parse parse) {
    std::vector<T> out;
    const json::value* value = find(name);
    if (value == nullptr || !value->is_array()) {
      good_ = false;
      return out;
    }
    for (const json::value& element : value->get_array()) {
      auto parsed =
          element.is_string() ? parse(std::string_view(element.get_string())) : std::optional<T>();
      if (!parsed) {
        good_ = false;
        return out;
      }
      out.push_back(*std::move(parsed));
    }
    return out;
  }
  [[nodiscard]] bool good(std::size_t members) const { return good_ && object_->size() == members; }

 private:
  const json::value* find(std::string_view name) {
    return object_ == nullptr ? nullptr : object_->if_contains(name);
  }
  const json::object* object_;
  bool good_;
};

std::optional<note::VerifierKey> parse_key(std::string_view text) {
  auto key = note::VerifierKey::parse(text);
  return key ? std::optional(*key) : std::nullopt;
}

std::optional<Digest> parse_hash(std::string_view text) {
  return text.size() == 64 ? Digest::parse(text) : std::nullopt;
}

void add_once(std::vector<note::VerifierKey>& keys, note::VerifierKey key) {
  if (std::ranges::find(keys, key) == keys.end()) keys.push_back(std::move(key));
}

std::string canonical(const json::object& object) {
  return canonical_json(object).value_or(std::string());  // texts of ours: never fails
}

}  // namespace

std::string ExportHeader::line() const {
  return canonical({{"slipway_audit_export", export_version},
                    {"origin", origin},
                    {"keys", key_array(keys)},
                    {"first", static_cast<std::int64_t>(first)},
                    {"size", static_cast<std::int64_t>(size)},
                    {"checkpoints", static_cast<std::int64_t>(checkpoints)},
                    {"prefix", hash_array(prefix)},
                    {"checkpoint", checkpoint.note.str()}});
}

Result<ExportHeader> ExportHeader::parse(std::string_view line) {
  SLIPWAY_TRY(const json::value value, parse_canonical(line));
  Members members(value);
  if (members.number("slipway_audit_export") != export_version)
    return bad_header("its first line does not say so");
  ExportHeader out{.origin = members.text("origin"),
                   .keys = members.each<note::VerifierKey>("keys", parse_key),
                   .first = members.number("first"),
                   .size = members.number("size"),
                   .checkpoints = members.number("checkpoints"),
                   .prefix = members.each<Digest>("prefix", parse_hash)};
  const std::string text = members.text("checkpoint");
  if (!members.good(8)) return bad_header("its first line is not complete");
  SLIPWAY_TRY(out.checkpoint, SignedCheckpoint::parse(text));
  if (out.checkpoint.note.str() != text) return bad_header("its checkpoint");
  if (out.first == 0 || out.first > out.size + 1 ||
      static_cast<int>(out.prefix.size()) != std::popcount(out.first - 1))
    return bad_header("where it begins");
  if (out.checkpoint.checkpoint.size != out.size || out.checkpoint.checkpoint.origin != out.origin)
    return bad_header("its checkpoint is for something else");
  if (out.keys.empty() || std::ranges::any_of(out.keys, [&](const note::VerifierKey& key) {
        return key.name != out.origin;
      }))
    return bad_header("its keys");
  return out;
}

std::string export_checkpoint_line(const SignedCheckpoint& checkpoint) {
  return canonical({{"checkpoint", checkpoint.note.str()}});
}

std::unexpected<Error> ExportVerifier::wrong(std::string_view what) const {
  return fail(Errc::corrupt, fmt::format("line {}: {}", line_, what),
              "the audit log was altered, or the file was");
}

Status ExportVerifier::begin(std::string_view text) {
  SLIPWAY_TRY(header_, ExportHeader::parse(text));
  SLIPWAY_TRY(range_, merkle::CompactRange::restore(header_->first - 1, header_->prefix));
  if (trust_.keys.empty()) trust_.keys = header_->keys;
  std::erase_if(trust_.keys,
                [&](const note::VerifierKey& key) { return key.name != header_->origin; });
  if (trust_.keys.empty())
    return fail(Errc::corrupt,
                fmt::format("this is the log {}, and the key belongs to another", header_->origin));
  cut_explained_ = header_->first == 1;
  if (trust_.seen) {
    if (trust_.seen->origin != header_->origin)
      return fail(Errc::corrupt,
                  fmt::format("this is the log {}, not {}", header_->origin, trust_.seen->origin));
    seen_ = ExportSummary::Seen::unknown;
  }
  return check_seen();
}

Status ExportVerifier::check_seen() {
  if (!trust_.seen || trust_.seen->size != range_.size()) return {};
  if (range_.root() == trust_.seen->root) {
    seen_ = ExportSummary::Seen::agrees;
    return {};
  }
  return fail(
      Errc::corrupt,
      fmt::format("the first {} records are not those that were seen before", trust_.seen->size),
      "history was rewritten");
}

Status ExportVerifier::line(std::string_view text) {
  ++line_;
  if (!header_) return begin(text);
  constexpr std::string_view mark = R"({"checkpoint":)";
  if (!text.starts_with(mark)) return record(text);
  const auto value = parse_canonical(text);
  if (!value) return wrong(value.error().message);
  Members members(*value);
  const std::string note_text = members.text("checkpoint");
  if (!members.good(1)) return wrong("a checkpoint with something beside it");
  const auto signed_one = SignedCheckpoint::parse(note_text);
  if (!signed_one) return wrong(signed_one.error().message);
  if (signed_one->note.str() != note_text) return wrong("a checkpoint in another form");
  ++checkpoints_;
  return checkpoint(*signed_one);
}

Status ExportVerifier::record(std::string_view text) {
  const auto parsed = parse_audit_record(text);
  if (!parsed) return wrong(parsed.error().message);
  const std::uint64_t expected = range_.size() + 1;
  if (parsed->seq != expected)
    return wrong(fmt::format("record {} stands where {} should be", parsed->seq, expected));
  if (last_ ? parsed->previous != *last_ : expected == 1 && parsed->previous != Digest{})
    return wrong(fmt::format("record {} does not follow the one before it", parsed->seq));
  const AuditEvent& event = parsed->event;
  if (event.event == "audit.key_rotated")
    for (const char* which : {"old", "new"})
      if (const auto key = event.detail.find(which); key != event.detail.end())
        if (auto known = note::VerifierKey::parse(key->second);
            known && known->name == header_->origin)
          unvouched_.push_back(*std::move(known));
  if (event.event == "audit.truncated" && !cut_explained_) {
    const auto through = event.detail.find("through"), root = event.detail.find("root");
    // Later cuts go further: the last one is that which counts.
    if (through != event.detail.end() && root != event.detail.end() &&
        through->second == std::to_string(header_->first - 1)) {
      SLIPWAY_TRY(const merkle::CompactRange cut,
                  merkle::CompactRange::restore(header_->first - 1, header_->prefix));
      if (cut.root().hex() != root->second) return wrong("what was cut off is not what it says");
      cut_explained_ = true;
    }
  }
  last_ = merkle::leaf_hash(text);
  range_.append(*last_);
  if (range_.size() > header_->size) return wrong("more records than the header says");
  return check_seen();
}

Status ExportVerifier::checkpoint(const SignedCheckpoint& signed_one) {
  const Checkpoint& claim = signed_one.checkpoint;
  if (claim.origin != header_->origin) return wrong("a checkpoint of another log");
  if (claim.size != range_.size())
    return wrong(fmt::format("a checkpoint of {} records stands behind record {}", claim.size,
                             range_.size()));
  if (claim.root != range_.root())
    return wrong(fmt::format("the first {} records are not those that were signed", claim.size));
  if (note::verify(signed_one.note, trust_.keys)) {
    // Now that the rotations under it are vouched for, so are the keys that they name.
    for (note::VerifierKey& key : unvouched_) add_once(trust_.keys, std::move(key));
    unvouched_.clear();
    return {};
  }
  // By a key of another time, perhaps: a later checkpoint has to vouch for it.
  if (const Status status = note::verify(signed_one.note, header_->keys); !status)
    return wrong(status.error().message);
  for (const note::VerifierKey& key : header_->keys)
    if (note::verify(signed_one.note, std::span(&key, 1))) add_once(used_, key);
  return {};
}

Result<ExportSummary> ExportVerifier::finish() {
  if (!header_) return bad_header("it is empty");
  if (range_.size() != header_->size)
    return wrong(
        fmt::format("it ends with record {}, but {} were signed", range_.size(), header_->size));
  if (checkpoints_ != header_->checkpoints)
    return wrong(fmt::format("{} checkpoints of {} are left", checkpoints_, header_->checkpoints));
  if (!cut_explained_)
    return wrong(fmt::format("it begins with record {}, and no record says why", header_->first));
  SLIPWAY_CHECK(checkpoint(header_->checkpoint));
  if (const Status status = note::verify(header_->checkpoint.note, trust_.keys); !status)
    return wrong(status.error().message);
  for (const note::VerifierKey& key : used_)
    if (std::ranges::find(trust_.keys, key) == trust_.keys.end())
      return wrong("a checkpoint is signed by a key that nobody vouches for");
  return ExportSummary{.origin = header_->origin,
                       .first = header_->first,
                       .size = header_->size,
                       .checkpoints = checkpoints_,
                       .root = range_.root(),
                       .seen = seen_,
                       .keys = trust_.keys};
}

std::string RecordProof::line() const {
  return canonical({{"slipway_audit_proof", proof_version},
                    {"seq", static_cast<std::int64_t>(seq)},
                    {"record", record},
                    {"path", hash_array(path)},
                    {"checkpoint", checkpoint.note.str()},
                    {"keys", key_array(keys)}});
}

Result<RecordProof> RecordProof::parse(std::string_view line) {
  SLIPWAY_TRY(const json::value value, parse_canonical(line));
  Members members(value);
  const bool marked = members.number("slipway_audit_proof") == proof_version;
  RecordProof out{.record = members.text("record"),
                  .seq = members.number("seq"),
                  .path = members.each<Digest>("path", parse_hash)};
  out.keys = members.each<note::VerifierKey>("keys", parse_key);
  const std::string text = members.text("checkpoint");
  if (!marked || !members.good(6)) return fail(Errc::corrupt, "not a proof of an audit record");
  SLIPWAY_TRY(out.checkpoint, SignedCheckpoint::parse(text));
  return out;
}

Status RecordProof::verify(std::span<const note::VerifierKey> trusted) const {
  SLIPWAY_TRY(const AuditRecord parsed, parse_audit_record(record));
  if (parsed.seq != seq)
    return fail(Errc::corrupt, fmt::format("this is record {}, not {}", parsed.seq, seq));
  const Checkpoint& claim = checkpoint.checkpoint;
  SLIPWAY_CHECK(note::verify(checkpoint.note, trusted.empty() ? keys : trusted));
  if (seq == 0 ||
      !merkle::verify_inclusion(merkle::leaf_hash(record), seq - 1, claim.size, path, claim.root))
    return fail(Errc::corrupt, fmt::format("record {} is not in the log that was signed", seq),
                "history was rewritten, or the proof was altered");
  return {};
}

}  // namespace slipway
