// The verifier of exports: lines of any kind end in an error or in a verdict, and with a key that
// nobody has signed with, never in a good one.
#include <cstdint>
#include <cstdlib>

#include "audit/export.h"
#include "base/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const note::VerifierKey key =
      note::SignerKey{.name = "slipway-audit/fuzz", .seed = {9, 9, 9}}.verifier();
  ExportVerifier strict({.keys = {key}}), trusting({});
  bool good = true, whole = true;
  for (const std::string_view line : split(text, '\n')) {
    good = good && strict.line(line).has_value();
    whole = whole && trusting.line(line).has_value();
  }
  if (good && strict.finish()) std::abort();
  if (whole) std::ignore = trusting.finish();
  if (const auto proof = RecordProof::parse(text)) std::ignore = proof->verify({});
  return 0;
}
