#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "db/value_seal.h"

namespace slipway {

// Seals values with AES-256-GCM (NIST SP 800-38D) under keys that are kept in a file of their own
// (0600), outside the database. What was sealed for one context cannot be opened for another. The
// newest key seals; older ones still open until they are forgotten. Thread-safe.
class SecretBox {
 public:
  // Makes the file with a first key when there is none. Errors: corrupt when it is not ours.
  [[nodiscard]] static Result<SecretBox> open(std::filesystem::path key_file);
  SecretBox(SecretBox&& other) noexcept;

  // "1:<hex of nonce, ciphertext and tag>", where 1 is the key's number.
  [[nodiscard]] Result<std::string> seal(std::string_view text, std::string_view context) const;
  // Errors: corrupt when it was changed, sealed for another context, or its key is gone.
  [[nodiscard]] Result<std::string> unseal(std::string_view sealed, std::string_view context) const;

  // This box as what a store seals with. The box must outlive it.
  [[nodiscard]] ValueSeal values() const;
  // Tells whether two texts are the same without telling what they are, as long as the key is the
  // same.
  [[nodiscard]] std::string fingerprint(std::string_view text) const;

  // Held shared while a sealed value is on its way between the box and where it is stored, either
  // way: no key that opens it is forgotten meanwhile. Taken before the database, never after.
  [[nodiscard]] SharedMutex& in_use() const { return in_use_; }
  // A new key, which `reseal` seals everything with that is stored; then the old ones are
  // forgotten. When it fails, all keys stay. One at a time.
  [[nodiscard]] Status rotate(const std::function<Status()>& reseal);
  [[nodiscard]] std::size_t key_count() const;

 private:
  struct Key {
    std::uint32_t number = 0;
    std::string bytes;  // 32
  };
  explicit SecretBox(std::filesystem::path file) : file_(std::move(file)) {}
  [[nodiscard]] Status write(const std::vector<Key>& keys) const;
  [[nodiscard]] Status add_key();
  [[nodiscard]] Status forget_old_keys();
  // Until nobody has what was sealed, or read, before now.
  void wait_for_users();

  std::filesystem::path file_;
  Mutex rotating_;
  mutable SharedMutex in_use_;
  mutable Mutex mutex_;
  std::vector<Key> keys_ SLIPWAY_GUARDED_BY(mutex_);  // oldest first, never empty
  // Of the last rotation, in memory alone: who read a value before it was sealed anew opens it yet.
  std::vector<Key> retired_ SLIPWAY_GUARDED_BY(mutex_);
};

}  // namespace slipway
