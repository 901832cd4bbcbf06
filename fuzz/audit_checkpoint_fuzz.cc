// Notes, checkpoints, their one-line form and public keys: what is read is written as the same
// text, and nothing is ever taken for signed.
#include <array>
#include <cstdint>
#include <cstdlib>

#include "audit/checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const note::VerifierKey key = note::SignerKey{.name = "o", .seed = {1, 2, 3}}.verifier();
  if (const auto parsed = note::VerifierKey::parse(text))
    if (parsed->str() != text) std::abort();
  if (const auto note = note::parse_note(text)) {
    const auto again = note::parse_note(note->str());
    if (!note->signatures.empty() && (!again || *again != *note)) std::abort();
    if (note::verify(*note, std::array{key})) std::abort();
  }
  for (const auto& parsed :
       {SignedCheckpoint::parse(text), SignedCheckpoint::parse_compact(text)}) {
    if (!parsed) continue;
    const auto again = Checkpoint::parse(parsed->checkpoint.text());
    if (!again || *again != parsed->checkpoint) std::abort();
  }
  return 0;
}
