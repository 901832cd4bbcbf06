#include "audit/note.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

#include "base/digest.h"
#include "base/text.h"

namespace slipway::note {
namespace {

constexpr std::string_view dash = "\xe2\x80\x94 ";  // U+2014 and a space
constexpr char ed25519 = 1;
constexpr std::size_t largest_note = 64u << 10, most_signatures = 100;

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;
using SignContext = std::unique_ptr<EVP_MD_CTX, FreeContext>;

Key private_key(const SignerKey& key) {
  Key out(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, key.seed.data(), 32));
  if (!out) std::abort();  // out of memory: any 32 bytes are a key
  return out;
}

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string_view view_of(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool good_name(std::string_view name) {
  // The Unicode spaces beyond ASCII are refused with everything else there.
  return !name.empty() && name.size() <= 255 &&
         std::ranges::all_of(name, [](char c) { return c > 0x20 && c < 0x7f && c != '+'; });
}

std::string big_endian(std::uint32_t number) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(number >> shift & 0xffu);
  return out;
}

bool matches(const Note& note, const Signature& signature, const VerifierKey& key) {
  const Key pkey(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.key.data(), 32));
  const SignContext context(EVP_MD_CTX_new());
  return pkey && context &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, pkey.get()) == 1 &&
         EVP_DigestVerify(context.get(), signature.bytes.data(), signature.bytes.size(),
                          bytes_of(note.text), note.text.size()) == 1;
}

}  // namespace

std::string base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes_of(bytes),
                                     static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(length));
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0 || text.size() > 2 * largest_note) return std::nullopt;
  std::string out(text.size() / 4 * 3, '\0');
  const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes_of(text),
                                     static_cast<int>(text.size()));
  if (length < 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  out.resize(static_cast<std::size_t>(length) - padding);
  if (base64(out) != text) return std::nullopt;
  return out;
}

std::uint32_t VerifierKey::id() const {
  const Digest digest = Sha256{}
                            .update(name)
                            .update("\n")
                            .update(std::string_view(&ed25519, 1))
                            .update(view_of(key))
                            .finish();
  std::uint32_t out = 0;
  for (std::size_t i = 0; i < 4; ++i) out = out << 8 | digest.bytes[i];
  return out;
}

std::string VerifierKey::str() const {
  return fmt::format("{}+{:08x}+{}", name, id(),
                     base64(std::string(1, ed25519).append(view_of(key))));
}

Result<VerifierKey> VerifierKey::parse(std::string_view text) {
  const auto bad = [] {
    return fail(Errc::invalid_argument, "not the public key of an audit log",
                "it looks like name+01234567+base64, in one line");
  };
  const auto first = text.find('+');
  const auto second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos) return bad();
  const std::string_view hash = text.substr(first + 1, second - first - 1);
  const auto raw = base64_decode(text.substr(second + 1));
  VerifierKey out{.name = std::string(text.substr(0, first))};
  if (!good_name(out.name) || !raw || raw->size() != 33 || raw->front() != ed25519) return bad();
  std::memcpy(out.key.data(), raw->data() + 1, out.key.size());
  if (hash != fmt::format("{:08x}", out.id())) return bad();
  return out;
}

VerifierKey SignerKey::verifier() const {
  VerifierKey out{.name = name};
  std::size_t length = out.key.size();
  if (EVP_PKEY_get_raw_public_key(private_key(*this).get(), out.key.data(), &length) != 1)
    std::abort();
  return out;
}

std::string Note::str() const {
  std::string out = text + "\n";
  for (const Signature& signature : signatures)
    out += fmt::format("{}{} {}\n", dash, signature.name,
                       base64(big_endian(signature.key_id).append(view_of(signature.bytes))));
  return out;
}

Signature sign(std::string_view text, const SignerKey& key) {
  const Key pkey = private_key(key);
  const SignContext context(EVP_MD_CTX_new());
  Signature out{.name = key.name, .key_id = key.verifier().id()};
  std::size_t length = out.bytes.size();
  if (!context || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, pkey.get()) != 1 ||
      EVP_DigestSign(context.get(), out.bytes.data(), &length, bytes_of(text), text.size()) != 1)
    std::abort();
  return out;
}

Result<Note> parse_note(std::string_view text) {
  const auto bad = [](std::string_view why) {
    return fail(Errc::corrupt, fmt::format("not a signed note: {}", why));
  };
  if (text.size() > largest_note) return bad("too long");
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n') return bad("control characters");
  const auto gap = text.rfind("\n\n");
  if (gap == std::string_view::npos || !text.ends_with('\n')) return bad("no signatures");
  Note note{.text = std::string(text.substr(0, gap + 1))};
  std::size_t lines_seen = 0;
  for (std::string_view rest = text.substr(gap + 2); !rest.empty();) {
    const auto end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (!line.starts_with(dash) || ++lines_seen > most_signatures) return bad("a signature line");
    line.remove_prefix(dash.size());
    const auto space = line.find(' ');
    if (space == std::string_view::npos || space == 0) return bad("a signature line");
    const auto raw = base64_decode(line.substr(space + 1));
    if (!raw || raw->size() < 5) return bad("a signature line");
    if (raw->size() != 4 + 64 || !good_name(line.substr(0, space))) continue;
    Signature signature{.name = std::string(line.substr(0, space))};
    for (std::size_t i = 0; i < 4; ++i)
      signature.key_id = signature.key_id << 8 | static_cast<unsigned char>((*raw)[i]);
    std::memcpy(signature.bytes.data(), raw->data() + 4, signature.bytes.size());
    note.signatures.push_back(std::move(signature));
  }
  if (lines_seen == 0) return bad("no signatures");
  return note;
}

Status verify(const Note& note, std::span<const VerifierKey> keys) {
  bool signed_by_one = false;
  for (const VerifierKey& key : keys)
    for (const Signature& signature : note.signatures) {
      if (signature.name != key.name || signature.key_id != key.id()) continue;
      if (!matches(note, signature, key))
        return fail(Errc::corrupt, fmt::format("the signature of {} does not match", key.name));
      signed_by_one = true;
    }
  if (!signed_by_one) return fail(Errc::corrupt, "not signed by a key that is trusted");
  return {};
}

}  // namespace slipway::note
