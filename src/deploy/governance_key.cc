#include "deploy/governance_key.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "sys/files.h"

namespace slipway {
namespace {

constexpr std::size_t key_bytes = 32, signature_bytes = 64;

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Context = std::unique_ptr<EVP_MD_CTX, Free>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string to_base64(std::string_view raw) {
  std::string out(4 * ((raw.size() + 2) / 3) + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes_of(raw),
                                     static_cast<int>(raw.size()));
  out.resize(static_cast<std::size_t>(length));
  return out;
}

std::string from_base64(std::string_view text) {
  if (text.size() % 4 != 0 || text.size() > 1024) return {};
  std::string out(text.size() / 4 * 3, '\0');
  const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes_of(text),
                                     static_cast<int>(text.size()));
  if (length < 0) return {};
  const auto padding = static_cast<std::size_t>(std::ranges::count(text, '='));
  out.resize(static_cast<std::size_t>(length) -
             std::min(padding, static_cast<std::size_t>(length)));
  return out;
}

}  // namespace

Result<GovernanceKey> GovernanceKey::open(const std::filesystem::path& file) {
  std::string secret;
  if (auto kept = read_file(file, 256)) {
    secret = from_base64(*kept);
  } else if (kept.error().code == Errc::not_found) {
    secret.resize(key_bytes);
    if (RAND_priv_bytes(reinterpret_cast<unsigned char*>(secret.data()), key_bytes) != 1)
      return fail(Errc::internal, "no random bytes for the governance key");
    SLIPWAY_CHECK(write_file_atomic(file, to_base64(secret), 0600));
  } else {
    return fail(kept.error());
  }
  if (secret.size() != key_bytes)
    return fail(Errc::corrupt, fmt::format("{} is not a governance key", file.string()),
                "restore it from a backup, or remove it to have a new one made");
  GovernanceKey out(std::move(secret));
  const Key key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes_of(out.secret_), key_bytes));
  std::string raw(key_bytes, '\0');
  std::size_t length = raw.size();
  if (!key || EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(raw.data()),
                                          &length) != 1)
    return fail(Errc::internal, "the governance key cannot be used");
  out.public_key_ = to_base64(raw);
  return out;
}

Result<std::string> GovernanceKey::sign(std::string_view message) const {
  const Key key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes_of(secret_), key_bytes));
  const Context context(EVP_MD_CTX_new());
  std::string signature(signature_bytes, '\0');
  std::size_t length = signature.size();
  if (!key || !context ||
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &length,
                     bytes_of(message), message.size()) != 1)
    return fail(Errc::internal, "the policy could not be signed");
  return to_base64(signature);
}

bool verify_signature(std::string_view public_key, std::string_view message,
                      std::string_view signature) {
  const std::string raw_key = from_base64(public_key), raw = from_base64(signature);
  if (raw_key.size() != key_bytes || raw.size() != signature_bytes) return false;
  const Key key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(raw_key), key_bytes));
  const Context context(EVP_MD_CTX_new());
  return key && context &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), bytes_of(raw), raw.size(), bytes_of(message),
                          message.size()) == 1;
}

}  // namespace slipway
