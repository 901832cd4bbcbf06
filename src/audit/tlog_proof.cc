#include "audit/tlog_proof.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>

#include "base/text.h"

namespace slipway {
namespace {

constexpr std::string_view first_line = "c2sp.org/tlog-proof@v1", extra_word = "extra ",
                           index_word = "index ";
constexpr std::size_t largest = 256u << 10, longest_path = 64;

std::string_view bytes_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size()};
}

std::unexpected<Error> bad(std::string_view what) {
  return fail(Errc::corrupt, fmt::format("not a tlog-proof: {}", what));
}

}  // namespace

bool TlogProof::looks_like_one(std::string_view line) { return line == first_line; }

std::string TlogProof::str() const {
  std::string out = fmt::format("{}\n", first_line);
  if (!extra.empty()) out += fmt::format("{}{}\n", extra_word, note::base64(extra));
  out += fmt::format("{}{}\n", index_word, index);
  for (const Digest& hash : path) out += note::base64(bytes_of(hash)) + "\n";
  return out + "\n" + note;
}

Result<TlogProof> TlogProof::parse(std::string_view text) {
  if (text.size() > largest) return bad("too long");
  const auto gap = text.find("\n\n");
  if (gap == std::string_view::npos) return bad("no checkpoint");
  const auto head = split(text.substr(0, gap), '\n');
  if (head[0] != first_line) return bad("its first line");
  std::size_t at = 1;
  TlogProof out{.note = std::string(text.substr(gap + 2))};
  if (at < head.size() && head[at].starts_with(extra_word)) {
    auto extra = note::base64_decode(head[at++].substr(extra_word.size()));
    if (!extra || extra->empty()) return bad("its extra data");
    out.extra = *std::move(extra);
  }
  if (at == head.size() || !head[at].starts_with(index_word)) return bad("its index");
  const std::string_view index = head[at++].substr(index_word.size());
  const auto [end, error] = std::from_chars(index.data(), index.data() + index.size(), out.index);
  if (error != std::errc{} || end != index.data() + index.size() ||
      std::to_string(out.index) != index)
    return bad("its index");
  for (; at < head.size(); ++at) {
    const auto raw = note::base64_decode(head[at]);
    if (!raw || raw->size() != sizeof(Digest::bytes) || out.path.size() == longest_path)
      return bad("a hash");
    Digest hash;
    std::memcpy(hash.bytes.data(), raw->data(), raw->size());
    out.path.push_back(hash);
  }
  SLIPWAY_TRY(out.checkpoint, SignedCheckpoint::parse(out.note));
  return out;
}

Status TlogProof::verify(std::string_view entry, std::span<const note::VerifierKey> keys) const {
  const Checkpoint& claim = checkpoint.checkpoint;
  SLIPWAY_CHECK(note::verify(checkpoint.note, keys));
  if (merkle::verify_inclusion(merkle::leaf_hash(entry), index, claim.size, path, claim.root))
    return {};
  return fail(Errc::corrupt, fmt::format("entry {} is not in the log that was signed", index),
              "history was rewritten, or the proof or the entry was altered");
}

}  // namespace slipway
