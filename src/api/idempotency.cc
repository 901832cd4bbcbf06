#include "api/idempotency.h"

#include "base/at_end.h"

namespace slipway {

Result<ApiResponse> IdempotentReplies::reply(const std::string& owner, const std::string& key,
                                             const Digest& fingerprint, const Work& work) {
  {
    const MutexLock lock(mutex_);
    const auto free = [&]() SLIPWAY_REQUIRES(mutex_) {
      const auto known = entries_.find(key);
      return known == entries_.end() || known->second.done ||
             known->second.fingerprint != fingerprint;
    };
    if (!changed_.wait_for(mutex_, limits_.wait, free))
      return fail(Errc::unavailable, "a request with this Idempotency-Key is still under way",
                  "try again with the same key");
    const auto [known, fresh] = entries_.try_emplace(key);
    Entry& entry = known->second;
    if (!fresh && entry.fingerprint != fingerprint)
      return fail(Errc::conflict, "this Idempotency-Key was used for another request",
                  "use a new key");
    if (!fresh) {
      ApiResponse again{.status = entry.status, .headers = entry.headers, .body = entry.body};
      again.headers.emplace_back("Idempotent-Replayed", "true");
      return again;
    }
    entry.fingerprint = fingerprint;
  }
  // Whatever becomes of it, also when it throws: nobody waits for it any longer.
  const AtEnd over([&] {
    const MutexLock lock(mutex_);
    if (const auto known = entries_.find(key); known != entries_.end() && !known->second.done)
      entries_.erase(known);
    changed_.notify_all();
  });
  ApiResponse response = work();
  const std::string* text = std::get_if<std::string>(&response.body);
  if (text != nullptr && response.status < 500 && response.status != 429 &&
      text->size() <= limits_.bytes_each_answer) {
    const MutexLock lock(mutex_);
    keep(key, owner, response, *text);
  }
  return response;
}

void IdempotentReplies::keep(const std::string& key, const std::string& owner,
                             const ApiResponse& response, const std::string& body) {
  Entry& entry = entries_[key];
  entry.done = true;
  entry.owner = owner;
  entry.status = response.status;
  entry.headers = response.headers;
  entry.body = body;
  entry.bytes = sizeof entry + 2 * key.size() + owner.size() + body.size();
  for (const auto& [name, value] : entry.headers) entry.bytes += name.size() + value.size();
  order_.push_back(key);
  Counts& own = owners_[owner];
  for (Counts* counts : {&own, &kept_}) {
    ++counts->answers;
    counts->bytes += entry.bytes;
  }
  const auto last = std::prev(order_.end());  // this one stays
  for (auto at = order_.begin(); at != last && (own.answers > limits_.answers_each_owner ||
                                                own.bytes > limits_.bytes_each_owner);) {
    const auto next = std::next(at);
    if (entries_.at(*at).owner == owner) drop(at);
    at = next;
  }
  while (order_.begin() != last && (kept_.answers > limits_.answers || kept_.bytes > limits_.bytes))
    drop(order_.begin());
}

void IdempotentReplies::drop(std::list<std::string>::iterator oldest) {
  const auto at = entries_.find(*oldest);
  const auto own = owners_.find(at->second.owner);
  for (Counts* counts : {&own->second, &kept_}) {
    --counts->answers;
    counts->bytes -= at->second.bytes;
  }
  if (own->second.answers == 0) owners_.erase(own);
  entries_.erase(at);
  order_.erase(oldest);
}

IdempotentReplies::Counts IdempotentReplies::counts() const {
  const MutexLock lock(mutex_);
  return kept_;
}

}  // namespace slipway
