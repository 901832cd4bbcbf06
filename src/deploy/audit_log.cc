#include "deploy/audit_log.h"

#include <algorithm>
#include <array>

#include "base/log.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

constexpr auto sign_after = 1s;
constexpr std::uint64_t sign_at_records = 256, cut_at_once = 10'000;
constexpr Duration retention_interval = 1h;

}  // namespace

AuditLog::AuditLog(AuditKeys keys, AuditStore& store, const Clock& clock, Duration keep)
    : store_(store), clock_(clock), keep_(keep), keys_(std::move(keys)) {}

Result<std::unique_ptr<AuditLog>> AuditLog::open(const std::filesystem::path& key_file,
                                                 AuditStore& store, const Clock& clock,
                                                 Duration keep) {
  SLIPWAY_TRY(AuditKeys keys, AuditKeys::open(key_file, clock));
  std::unique_ptr<AuditLog> log(new AuditLog(std::move(keys), store, clock, keep));
  SLIPWAY_TRY([[maybe_unused]] const SignedCheckpoint first, log->sign());
  store.on_append([raw = log.get()](std::uint64_t) {
    const MutexLock lock(raw->mutex_);
    ++raw->appends_;
    if (raw->idle_ || raw->appends_ - raw->signed_appends_ >= sign_at_records)
      raw->changed_.notify_all();
  });
  SLIPWAY_CHECK(log->worker_.start(
      [raw = log.get()](const std::stop_token& stop) { return raw->sign_next(stop); }));
  return log;
}

AuditLog::~AuditLog() {
  worker_.stop();
  store_.on_append({});
}

std::shared_ptr<const AuditLog::Latest> AuditLog::latest() const {
  const MutexLock lock(mutex_);
  return latest_;
}

Result<SignedCheckpoint> AuditLog::sign() {
  const MutexLock signing(signing_);
  SLIPWAY_TRY(const AuditStore::Head head, store_.head());
  const auto before = latest();
  if (before && before->checkpoint.checkpoint.size == head.size) return before->checkpoint;
  auto next = std::make_shared<Latest>();
  next->checkpoint = SignedCheckpoint::make(
      {.origin = keys_.origin(), .size = head.size, .root = head.root}, keys_.signers());
  next->compact = next->checkpoint.compact();
  if (head.size > 0) store_.keep(next->checkpoint);
  const MutexLock lock(mutex_);
  latest_ = next;
  return next->checkpoint;
}

std::vector<note::VerifierKey> AuditLog::keys() const {
  const MutexLock signing(signing_);
  return keys_.verifiers();
}

Result<note::VerifierKey> AuditLog::rotate(const AuditContext& by) {
  note::VerifierKey made;
  {
    const MutexLock signing(signing_);
    const note::SignerKey next = keys_.make();
    made = next.verifier();
    SLIPWAY_CHECK(
        store_.record({.event = "audit.key_rotated",
                       .action = "team_manage",
                       .by = by,
                       .resource = "audit",
                       .detail = {{"old", keys_.verifiers().back().str()}, {"new", made.str()}}}));
    SLIPWAY_CHECK(keys_.adopt(next, clock_.now()));
  }
  SLIPWAY_TRY([[maybe_unused]] const SignedCheckpoint both, sign());
  return made;
}

std::optional<Duration> AuditLog::sign_next(const std::stop_token& stop) {
  MutexLock lock(mutex_);
  idle_ = true;
  const bool more = changed_.wait(
      mutex_, stop, [&]() SLIPWAY_REQUIRES(mutex_) { return appends_ != signed_appends_; });
  idle_ = false;
  if (!more) return std::nullopt;
  changed_.wait_for(mutex_, stop, sign_after, [&]() SLIPWAY_REQUIRES(mutex_) {
    return appends_ - signed_appends_ >= sign_at_records;
  });
  // An append announces itself before its commit and under the database's lock, which sign()
  // takes: what is counted here is committed, or undone, by the time it looks.
  const std::uint64_t counted = appends_;
  lock.unlock();
  const auto signed_one = sign();
  if (!signed_one)
    log_error("no audit checkpoint was signed", {{"error", signed_one.error().message}});
  retain();
  lock.lock();
  if (!signed_one) return sign_after;
  signed_appends_ = counted;
  return Duration{0};
}

void AuditLog::retain() {
  if (keep_ <= Duration::zero()) return;
  const Duration now = clock_.monotonic();
  if (retained_at_ != Duration{} && now - retained_at_ < std::min(keep_, retention_interval))
    return;
  retained_at_ = now;
  const auto gone = store_.truncate(by_system("retention"), clock_.now() - keep_, cut_at_once);
  if (!gone)
    log_error("old audit records were not cut off", {{"error", gone.error().message}});
  else if (*gone > 0)
    log_info("cut off old audit records", {{"records", *gone}});
}

}  // namespace slipway
