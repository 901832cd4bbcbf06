#include "api/idempotency.h"

namespace slipway {

Result<ApiResponse> IdempotentReplies::reply(const std::string& key, const Digest& fingerprint,
                                             const Work& work) {
  MutexLock lock(mutex_);
  for (;;) {
    const auto known = entries_.find(key);
    if (known == entries_.end()) break;
    if (known->second.fingerprint != fingerprint)
      return fail(Errc::conflict, "this Idempotency-Key was used for another request",
                  "use a new key");
    if (known->second.done) {
      const Entry& entry = known->second;
      ApiResponse again{.status = entry.status, .headers = entry.headers, .body = entry.body};
      again.headers.emplace_back("Idempotent-Replayed", "true");
      return again;
    }
    changed_.wait(mutex_);
  }
  entries_[key].fingerprint = fingerprint;
  lock.unlock();
  ApiResponse response = work();
  lock.lock();
  const std::string* text = std::get_if<std::string>(&response.body);
  if (text == nullptr || response.status >= 500 || response.status == 429) {
    entries_.erase(key);
  } else {
    Entry& entry = entries_[key];
    entry.done = true;
    entry.status = response.status;
    entry.headers = response.headers;
    entry.body = *text;
    order_.push_back(key);
    if (order_.size() > kept) {
      entries_.erase(order_.front());
      order_.pop_front();
    }
  }
  changed_.notify_all();
  return response;
}

}  // namespace slipway
