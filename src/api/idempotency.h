#pragma once

#include <deque>
#include <functional>
#include <string>
#include <unordered_map>

#include "base/digest.h"
#include "base/mutex.h"
#include "http/message.h"

namespace slipway {

// Replies to POSTs by Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the same key and
// request get the first reply again, without being carried out again; one that is still being
// carried out is waited for. The newest 4,096 are kept, in memory; that a deployment is made only
// once also holds across a restart (Repository). Thread-safe.
class IdempotentReplies {
 public:
  using Work = std::function<ApiResponse()>;
  // `fingerprint` identifies the request; the same key with another one is Errc::conflict. Replies
  // that are no plain text or tell of a passing failure (5xx, 429) are not kept.
  [[nodiscard]] Result<ApiResponse> reply(const std::string& key, const Digest& fingerprint,
                                          const Work& work);

 private:
  struct Entry {
    Digest fingerprint;
    bool done = false;
    int status = 0;
    HttpHeaders headers;
    std::string body;
  };
  static constexpr std::size_t kept = 4096;
  Mutex mutex_;
  CondVar changed_;
  std::unordered_map<std::string, Entry> entries_ SLIPWAY_GUARDED_BY(mutex_);
  std::deque<std::string> order_ SLIPWAY_GUARDED_BY(mutex_);
};

}  // namespace slipway
