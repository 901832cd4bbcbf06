// A tlog-proof, cosignatures and witnesses' keys: what is read is written as the same text, and
// nothing is ever taken for signed.
#include <array>
#include <cstdint>
#include <cstdlib>

#include "audit/cosignature.h"
#include "audit/tlog_proof.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const note::SignerKey signer{.name = "o", .seed = {1, 2, 3}};
  static const std::array log_keys{signer.verifier()};
  static const std::array witnesses{note::witness_key(signer)};
  if (const auto proof = TlogProof::parse(text)) {
    if (proof->str() != text) std::abort();
    if (proof->verify(proof->extra, log_keys)) std::abort();
    if (const auto cosigned = note::verify_cosignatures(proof->note, witnesses))
      if (!cosigned->empty()) std::abort();
  }
  if (const auto key = note::WitnessKey::parse(text))
    if (key->str() != text) std::abort();
  if (const auto read = note::parse_cosignatures(text))
    for (const note::Cosignature& one : *read) {
      const auto again = note::parse_cosignatures(one.line());
      if (!again || again->size() != 1 || again->front() != one) std::abort();
      if (note::verify("text\n", one, witnesses[0])) std::abort();
    }
  return 0;
}
