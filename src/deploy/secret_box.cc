#include "deploy/secret_box.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <charconv>
#include <memory>
#include <optional>

#include "base/digest.h"
#include "base/text.h"
#include "sys/files.h"

namespace slipway {
namespace {

constexpr std::size_t key_bytes = 32, nonce_bytes = 12, tag_bytes = 16;

using Cipher = std::unique_ptr<EVP_CIPHER_CTX, decltype(&::EVP_CIPHER_CTX_free)>;
Cipher cipher() { return {::EVP_CIPHER_CTX_new(), ::EVP_CIPHER_CTX_free}; }

unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
int length_of(std::string_view text) { return static_cast<int>(text.size()); }

Result<std::string> random_bytes(std::size_t count) {
  std::string out(count, '\0');
  if (::RAND_bytes(bytes_of(out), static_cast<int>(count)) != 1)
    return fail(Errc::internal, "no random bytes could be had");
  return out;
}

std::string hex(std::string_view bytes) {
  return to_hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, value, 16);
    if (error != std::errc{} || end != text.data() + i + 2) return std::nullopt;
    out += static_cast<char>(value);
  }
  return out;
}

std::optional<std::pair<std::uint32_t, std::string>> parse_numbered(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + colon, number);
  auto bytes = from_hex(text.substr(colon + 1));
  if (error != std::errc{} || end != text.data() + colon || number == 0 || !bytes)
    return std::nullopt;
  return std::pair{number, *std::move(bytes)};
}

}  // namespace

SecretBox::SecretBox(SecretBox&& other) noexcept
    : file_(std::move(other.file_)),
      keys_(std::move(other.keys_)),
      retired_(std::move(other.retired_)) {}

Result<SecretBox> SecretBox::open(std::filesystem::path key_file) {
  SecretBox box(std::move(key_file));
  const auto text = read_file(box.file_);
  if (!text && text.error().code == Errc::not_found) {
    SLIPWAY_CHECK(box.add_key());
    return box;
  }
  if (!text) return fail(text.error());
  std::vector<Key> keys;
  for (const std::string_view line : lines(*text)) {
    const auto key = parse_numbered(line);
    if (!key || key->second.size() != key_bytes)
      return fail(Errc::corrupt, fmt::format("{} is no file of keys", box.file_.string()),
                  "put back the file from a backup: what it sealed cannot be read without it");
    keys.push_back({key->first, key->second});
  }
  if (keys.empty())
    return fail(Errc::corrupt, fmt::format("{} has no key", box.file_.string()),
                "put back the file from a backup: what it sealed cannot be read without it");
  {
    const MutexLock lock(box.mutex_);
    box.keys_ = std::move(keys);
  }
  return box;
}

Status SecretBox::write(const std::vector<Key>& keys) const {
  std::string text;
  for (const Key& key : keys) text += fmt::format("{}:{}\n", key.number, hex(key.bytes));
  return write_file_atomic(file_, text, 0600);
}

Status SecretBox::add_key() {
  const MutexLock lock(mutex_);
  std::vector<Key> keys = keys_;
  SLIPWAY_TRY(std::string bytes, random_bytes(key_bytes));
  keys.push_back({keys.empty() ? 1 : keys.back().number + 1, std::move(bytes)});
  SLIPWAY_CHECK(write(keys));
  keys_ = std::move(keys);
  return {};
}

void SecretBox::wait_for_users() { const WriterLock none(in_use_); }

Status SecretBox::rotate(const std::function<Status()>& reseal) {
  const MutexLock one_at_a_time(rotating_);
  SLIPWAY_CHECK(add_key());
  wait_for_users();  // who sealed with an old key has stored it by now
  SLIPWAY_CHECK(reseal());
  wait_for_users();  // who read what an old key sealed has opened it by now
  return forget_old_keys();
}

Status SecretBox::forget_old_keys() {
  const MutexLock lock(mutex_);
  std::vector<Key> keys{keys_.back()};
  SLIPWAY_CHECK(write(keys));
  keys_.pop_back();
  retired_ = std::exchange(keys_, std::move(keys));
  return {};
}

std::size_t SecretBox::key_count() const {
  const MutexLock lock(mutex_);
  return keys_.size();
}

Result<std::string> SecretBox::seal(std::string_view text, std::string_view context) const {
  Key key;
  {
    const MutexLock lock(mutex_);
    key = keys_.back();
  }
  SLIPWAY_TRY(std::string out, random_bytes(nonce_bytes));
  std::string sealed(text.size(), '\0'), tag(tag_bytes, '\0');
  const Cipher state = cipher();
  int length = 0;
  const bool good =
      ::EVP_EncryptInit_ex(state.get(), ::EVP_aes_256_gcm(), nullptr, bytes_of(key.bytes),
                           bytes_of(out)) == 1 &&
      ::EVP_EncryptUpdate(state.get(), nullptr, &length, bytes_of(context), length_of(context)) ==
          1 &&
      ::EVP_EncryptUpdate(state.get(), bytes_of(sealed), &length, bytes_of(text),
                          length_of(text)) == 1 &&
      ::EVP_EncryptFinal_ex(state.get(), bytes_of(sealed) + sealed.size(), &length) == 1 &&
      ::EVP_CIPHER_CTX_ctrl(state.get(), EVP_CTRL_GCM_GET_TAG, tag_bytes, tag.data()) == 1;
  if (!good) return fail(Errc::internal, "a value could not be sealed");
  return fmt::format("{}:{}", key.number, hex(out + sealed + tag));
}

ValueSeal SecretBox::values() const {
  return {.seal = [this](std::string_view text,
                         std::string_view context) { return seal(text, context); },
          .unseal = [this](std::string_view sealed,
                           std::string_view context) { return unseal(sealed, context); }};
}

std::string SecretBox::fingerprint(std::string_view text) const {
  std::string key;
  {
    const MutexLock lock(mutex_);
    key = "fingerprint" + keys_.back().bytes;
  }
  std::string out(EVP_MAX_MD_SIZE, '\0');
  unsigned length = 0;
  ::HMAC(::EVP_sha256(), key.data(), length_of(key), bytes_of(text), text.size(), bytes_of(out),
         &length);
  out.resize(length);
  return hex(out);
}

Result<std::string> SecretBox::unseal(std::string_view sealed, std::string_view context) const {
  const auto parsed = parse_numbered(sealed);
  if (!parsed || parsed->second.size() < nonce_bytes + tag_bytes)
    return fail(Errc::corrupt, "a sealed value is damaged");
  Key key;
  {
    const MutexLock lock(mutex_);
    for (const auto* kept : {&retired_, &keys_})
      for (const Key& each : *kept)
        if (each.number == parsed->first) key = each;
  }
  if (key.number == 0)
    return fail(Errc::corrupt, fmt::format("key {} of the secrets is gone", parsed->first),
                "put back the file of keys from a backup, or set the value again");
  const std::string_view all = parsed->second;
  const std::string_view nonce = all.substr(0, nonce_bytes),
                         body = all.substr(nonce_bytes, all.size() - nonce_bytes - tag_bytes);
  std::string tag(all.substr(all.size() - tag_bytes)), out(body.size(), '\0');
  const Cipher state = cipher();
  int length = 0;
  const bool good =
      ::EVP_DecryptInit_ex(state.get(), ::EVP_aes_256_gcm(), nullptr, bytes_of(key.bytes),
                           bytes_of(nonce)) == 1 &&
      ::EVP_DecryptUpdate(state.get(), nullptr, &length, bytes_of(context), length_of(context)) ==
          1 &&
      ::EVP_DecryptUpdate(state.get(), bytes_of(out), &length, bytes_of(body), length_of(body)) ==
          1 &&
      ::EVP_CIPHER_CTX_ctrl(state.get(), EVP_CTRL_GCM_SET_TAG, tag_bytes, tag.data()) == 1 &&
      ::EVP_DecryptFinal_ex(state.get(), bytes_of(out) + out.size(), &length) == 1;
  if (!good) return fail(Errc::corrupt, "a sealed value was changed, or is another's");
  return out;
}

}  // namespace slipway
