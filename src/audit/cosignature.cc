#include "audit/cosignature.h"

#include <fmt/format.h>

#include <cstring>

#include "base/digest.h"

namespace slipway::note {
namespace {

constexpr std::string_view dash = "\xe2\x80\x94 ";  // U+2014 and a space
constexpr char cosignature_v1 = 4;
constexpr std::size_t largest = 64u << 10, most_lines = 100;
constexpr std::size_t raw_size = 4 + 8 + 64;  // key id, time, signature

std::string_view view_of(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <class Number>
std::string big_endian(Number number) {
  std::string out(sizeof(Number), '\0');
  for (std::size_t i = out.size(); i-- > 0; number = static_cast<Number>(number >> 8))
    out[i] = static_cast<char>(number & 0xffu);
  return out;
}

template <class Number>
Number from_big_endian(std::string_view bytes) {
  Number out = 0;
  for (const char byte : bytes)
    out = static_cast<Number>(out << 8) | static_cast<unsigned char>(byte);
  return out;
}

// What is signed.
std::string message(std::string_view text, std::uint64_t time) {
  return fmt::format("cosignature/v1\ntime {}\n{}", time, text);
}

// As the key of an ordinary note: for its arithmetic.
VerifierKey plain(const WitnessKey& key) { return {.name = key.name, .key = key.key}; }

}  // namespace

std::uint32_t WitnessKey::id() const {
  const Digest digest = Sha256{}
                            .update(name)
                            .update("\n")
                            .update(std::string_view(&cosignature_v1, 1))
                            .update(view_of(key))
                            .finish();
  return from_big_endian<std::uint32_t>(view_of(digest.bytes).substr(0, 4));
}

std::string WitnessKey::str() const {
  return fmt::format("{}+{:08x}+{}", name, id(),
                     base64(std::string(1, cosignature_v1).append(view_of(key))));
}

Result<WitnessKey> WitnessKey::parse(std::string_view text) {
  const auto bad = [] {
    return fail(Errc::invalid_argument, "not the public key of a witness",
                "it looks like name+01234567+base64, in one line, and is for Ed25519 cosignatures "
                "(type 4)");
  };
  const auto first = text.find('+');
  const auto second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos || text.size() > 1024) return bad();
  const auto raw = base64_decode(text.substr(second + 1));
  WitnessKey out{.name = std::string(text.substr(0, first))};
  if (!raw || raw->size() != 33 || raw->front() != cosignature_v1) return bad();
  std::memcpy(out.key.data(), raw->data() + 1, out.key.size());
  if (!VerifierKey::parse(plain(out).str()) || out.str() != text) return bad();
  return out;
}

std::string Cosignature::line() const {
  return fmt::format("{}{} {}\n", dash, name,
                     base64(big_endian(key_id).append(big_endian(time)).append(view_of(bytes))));
}

Result<std::vector<Cosignature>> parse_cosignatures(std::string_view lines) {
  const auto bad = [] { return fail(Errc::corrupt, "not the signature lines of a note"); };
  if (lines.size() > largest || (!lines.empty() && !lines.ends_with('\n'))) return bad();
  std::vector<Cosignature> out;
  std::size_t seen = 0;
  while (!lines.empty()) {
    const auto end = lines.find('\n');
    std::string_view line = lines.substr(0, end);
    lines.remove_prefix(end + 1);
    if (!line.starts_with(dash) || ++seen > most_lines) return bad();
    line.remove_prefix(dash.size());
    const auto space = line.find(' ');
    if (space == std::string_view::npos || space == 0) return bad();
    const auto raw = base64_decode(line.substr(space + 1));
    if (!raw || raw->size() < 5) return bad();
    if (raw->size() != raw_size) continue;
    const std::string_view bytes = *raw;
    Cosignature one{.name = std::string(line.substr(0, space)),
                    .key_id = from_big_endian<std::uint32_t>(bytes.substr(0, 4)),
                    .time = from_big_endian<std::uint64_t>(bytes.substr(4, 8))};
    std::memcpy(one.bytes.data(), bytes.data() + 12, one.bytes.size());
    // The largest that the specification has.
    if (one.time >> 63 == 0) out.push_back(std::move(one));
  }
  return out;
}

Result<std::vector<Cosignature>> cosignatures_of(std::string_view note) {
  const auto gap = note.rfind("\n\n");
  if (gap == std::string_view::npos) return fail(Errc::corrupt, "not a signed note");
  return parse_cosignatures(note.substr(gap + 2));
}

bool verify(std::string_view text, const Cosignature& cosignature, const WitnessKey& key) {
  if (cosignature.name != key.name || cosignature.key_id != key.id()) return false;
  const VerifierKey as_plain = plain(key);
  const Note note{
      .text = message(text, cosignature.time),
      .signatures = {{.name = as_plain.name, .key_id = as_plain.id(), .bytes = cosignature.bytes}}};
  return verify(note, std::span(&as_plain, 1)).has_value();
}

Cosignature cosign(std::string_view text, const SignerKey& witness, std::uint64_t time) {
  return {.name = witness.name,
          .key_id = witness_key(witness).id(),
          .time = time,
          .bytes = sign(message(text, time), witness).bytes};
}

WitnessKey witness_key(const SignerKey& witness) {
  return {.name = witness.name, .key = witness.verifier().key};
}

Result<std::vector<Cosignature>> verify_cosignatures(std::string_view note,
                                                     std::span<const WitnessKey> keys) {
  SLIPWAY_TRY(const std::vector<Cosignature> there, cosignatures_of(note));
  const std::string_view text = note.substr(0, note.rfind("\n\n") + 1);
  std::vector<Cosignature> out;
  for (const WitnessKey& key : keys)
    for (const Cosignature& one : there) {
      if (one.name != key.name || one.key_id != key.id()) continue;
      if (!verify(text, one, key))
        return fail(Errc::corrupt, fmt::format("the cosignature of {} does not match", key.name));
      out.push_back(one);
      break;
    }
  return out;
}

}  // namespace slipway::note
