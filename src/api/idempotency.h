#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "base/digest.h"
#include "base/mutex.h"
#include "http/message.h"

namespace slipway {

// Replies to POSTs by Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the same key and
// request get the first reply again, without being carried out again; one that is still being
// carried out is waited for. The newest are kept, in memory and within limits, of which each owner
// has a part; that a deployment is made only once also holds across a restart (Repository).
// Thread-safe.
class IdempotentReplies {
 public:
  using Work = std::function<ApiResponse()>;
  struct Limits {
    std::size_t answers = 4096, answers_each_owner = 512;
    std::uint64_t bytes = 32u << 20, bytes_each_owner = 4u << 20;
    std::uint64_t bytes_each_answer = 1u << 20;  // larger ones are not kept: they are readings
    Duration wait = std::chrono::seconds{10};    // for one that is being carried out
  };
  IdempotentReplies() = default;
  explicit IdempotentReplies(const Limits& limits) : limits_(limits) {}

  // `fingerprint` identifies the request; the same key with another one is Errc::conflict. `owner`:
  // whose part of the limits it takes. Replies that are no plain text, or tell of a passing failure
  // (5xx, 429), are not kept; nor is there one when `work` throws, which passes through. Errors:
  // conflict; unavailable when the first one is not done in time.
  [[nodiscard]] Result<ApiResponse> reply(const std::string& owner, const std::string& key,
                                          const Digest& fingerprint, const Work& work);

  struct Counts {
    std::size_t answers = 0;
    std::uint64_t bytes = 0;
  };
  [[nodiscard]] Counts counts() const;

 private:
  struct Entry {
    Digest fingerprint;
    bool done = false;
    std::string owner;
    int status = 0;
    HttpHeaders headers;
    std::string body;
    std::uint64_t bytes = 0;
  };
  void keep(const std::string& key, const std::string& owner, const ApiResponse& response,
            const std::string& body) SLIPWAY_REQUIRES(mutex_);
  void drop(std::list<std::string>::iterator oldest) SLIPWAY_REQUIRES(mutex_);

  const Limits limits_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::unordered_map<std::string, Entry> entries_ SLIPWAY_GUARDED_BY(mutex_);
  std::list<std::string> order_ SLIPWAY_GUARDED_BY(mutex_);  // keys of those done, oldest first
  std::unordered_map<std::string, Counts> owners_ SLIPWAY_GUARDED_BY(mutex_);
  Counts kept_ SLIPWAY_GUARDED_BY(mutex_);
};

}  // namespace slipway
