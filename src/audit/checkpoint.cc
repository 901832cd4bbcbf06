#include "audit/checkpoint.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>

#include "base/text.h"

namespace slipway {
namespace {

std::string_view bytes_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size()};
}

std::unexpected<Error> bad(std::string_view what) {
  return fail(Errc::corrupt, fmt::format("not a checkpoint: {}", what));
}

}  // namespace

std::string Checkpoint::text() const {
  return fmt::format("{}\n{}\n{}\n", origin, size, note::base64(bytes_of(root)));
}

Result<Checkpoint> Checkpoint::parse(std::string_view text) {
  if (!text.ends_with('\n')) return bad("its last line does not end");
  const auto parts = split(text.substr(0, text.size() - 1), '\n');
  if (parts.size() < 3) return bad("it has fewer than three lines");
  for (const std::string_view part : parts)
    if (part.empty()) return bad("an empty line");
  Checkpoint out{.origin = std::string(parts[0])};
  const std::string_view size = parts[1];
  const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), out.size);
  if (error != std::errc{} || end != size.data() + size.size() || std::to_string(out.size) != size)
    return bad("its size");
  const auto root = note::base64_decode(parts[2]);
  if (!root || root->size() != out.root.bytes.size()) return bad("its root");
  std::memcpy(out.root.bytes.data(), root->data(), root->size());
  return out;
}

SignedCheckpoint SignedCheckpoint::make(const Checkpoint& checkpoint,
                                        std::span<const note::SignerKey> keys) {
  SignedCheckpoint out{.checkpoint = checkpoint, .note = {.text = checkpoint.text()}};
  for (const note::SignerKey& key : keys)
    out.note.signatures.push_back(note::sign(out.note.text, key));
  return out;
}

Result<SignedCheckpoint> SignedCheckpoint::parse(std::string_view text) {
  SignedCheckpoint out;
  SLIPWAY_TRY(out.note, note::parse_note(text));
  SLIPWAY_TRY(out.checkpoint, Checkpoint::parse(out.note.text));
  return out;
}

std::string SignedCheckpoint::compact() const {
  std::string out = fmt::format("{} {} {}", checkpoint.origin, checkpoint.size,
                                note::base64(bytes_of(checkpoint.root)));
  const std::string whole = note.str();
  // The signature lines, without their dash and name.
  for (const std::string_view line : lines(std::string_view(whole).substr(note.text.size() + 1))) {
    const auto parts = split(line, ' ');
    if (parts.size() == 3 && parts[1] == checkpoint.origin) out.append(" ").append(parts[2]);
  }
  return out;
}

Result<SignedCheckpoint> SignedCheckpoint::parse_compact(std::string_view line) {
  const auto parts = split(line, ' ');
  if (parts.size() < 4) return bad("a part is missing");
  std::string text = fmt::format("{}\n{}\n{}\n\n", parts[0], parts[1], parts[2]);
  for (std::size_t i = 3; i < parts.size(); ++i)
    text += fmt::format("\xe2\x80\x94 {} {}\n", parts[0], parts[i]);
  return parse(text);
}

}  // namespace slipway
