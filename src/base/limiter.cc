#include "base/limiter.h"

#include <algorithm>

namespace slipway {

namespace {
constexpr std::size_t row(WorkClass work) { return static_cast<std::size_t>(work); }
}  // namespace

// What the classes above keep free is out of reach.
Limiter::Room Limiter::room(const Claim& claim) const {
  std::uint64_t kept = 0;
  for (std::size_t above = 0; above < row(claim.work); ++above) kept += limits_.kept[above];
  const std::uint64_t reach = limits_.units > kept ? limits_.units - kept : 0;
  if (claim.units > reach || held_ > reach - claim.units) return Room::no;
  const auto& held = lines_[row(claim.work)].held;
  const auto mine = held.find(claim.key);
  const std::uint64_t had = mine == held.end() ? 0 : mine->second;
  return had > limits_.per_key || claim.units > limits_.per_key - had ? Room::not_for_key
                                                                      : Room::yes;
}

Status Limiter::may_wait(const Claim& claim) const {
  std::uint64_t kept = 0;
  for (std::size_t above = 0; above < row(claim.work); ++above) kept += limits_.kept[above];
  if (claim.units > limits_.per_key || claim.units + kept > limits_.units)
    return fail(Errc::too_large, "more is asked for than one may ever have");
  if (waiting_ >= limits_.waiting)
    return fail(Errc::unavailable, "too many wait already", "try again in a moment");
  const auto& waiting = lines_[row(claim.work)].waiting;
  const auto mine = waiting.find(claim.key);
  if (mine != waiting.end() && mine->second.size() >= limits_.waiting_per_key)
    return fail(Errc::rate_limited, "too many of yours wait already",
                "wait for some of them to be answered");
  return {};
}

std::shared_ptr<Limiter::Ticket> Limiter::stand(const Claim& claim, Admitted admitted) {
  auto ticket = std::make_shared<Ticket>(Ticket{.claim = claim, .admitted = std::move(admitted)});
  lines_[row(claim.work)].waiting[claim.key].push_back(ticket);
  ++waiting_;
  return ticket;
}

void Limiter::withdraw(const Ticket& ticket) {
  auto& waiting = lines_[row(ticket.claim.work)].waiting;
  const auto line = waiting.find(ticket.claim.key);
  std::erase_if(line->second, [&](const auto& each) { return each.get() == &ticket; });
  if (line->second.empty()) waiting.erase(line);
  --waiting_;
}

std::vector<std::shared_ptr<Limiter::Ticket>> Limiter::admit() {
  std::vector<std::shared_ptr<Ticket>> out;
  bool woken = false;
  for (Lines& lines : lines_) {
    // Once around for each that is let in, beginning behind the key that was served last.
    for (bool again = true; again && !lines.waiting.empty();) {
      again = false;
      auto next = lines.waiting.upper_bound(lines.last_key);
      for (std::size_t left = lines.waiting.size(); left > 0; --left, ++next) {
        if (next == lines.waiting.end()) next = lines.waiting.begin();
        const std::shared_ptr<Ticket> ticket = next->second.front();
        const Room there = room(ticket->claim);
        if (there == Room::not_for_key) continue;
        // It waits for room, and so does everybody behind it.
        if (there == Room::no) {
          if (woken) changed_.notify_all();
          return out;
        }
        held_ += ticket->claim.units;
        lines.held[ticket->claim.key] += ticket->claim.units;
        lines.last_key = next->first;
        next->second.pop_front();
        if (next->second.empty()) lines.waiting.erase(next);
        --waiting_;
        ticket->in = true;
        if (ticket->admitted)
          out.push_back(ticket);
        else
          woken = true;
        again = true;
        break;
      }
    }
  }
  if (woken) changed_.notify_all();
  return out;
}

void Limiter::call(const std::vector<std::shared_ptr<Ticket>>& tickets) {
  for (const auto& ticket : tickets) ticket->admitted(Slot(this, ticket->claim));
}

std::optional<Limiter::Slot> Limiter::try_enter(const Claim& claim) {
  const MutexLock lock(mutex_);
  const auto ticket = stand(claim, {});
  // Nobody else has room, or they would be in: this lets in nobody but the new one.
  std::ignore = admit();
  if (ticket->in) return Slot(this, claim);
  withdraw(*ticket);
  return std::nullopt;
}

Result<Limiter::Slot> Limiter::enter(const Claim& claim, std::stop_token stop,
                                     std::optional<Duration> most_wait) {
  MutexLock lock(mutex_);
  auto ticket = stand(claim, {});
  std::ignore = admit();
  if (ticket->in) return Slot(this, claim);
  withdraw(*ticket);
  SLIPWAY_CHECK(may_wait(claim));
  ticket = stand(claim, {});
  const auto in = [&] { return ticket->in; };
  const bool let_in =
      most_wait ? changed_.wait_for(mutex_, stop, *most_wait, in) : changed_.wait(mutex_, stop, in);
  if (let_in) return Slot(this, claim);
  withdraw(*ticket);
  // Those behind it may have waited for nothing but it.
  const auto admitted = admit();
  lock.unlock();
  call(admitted);
  return stop.stop_requested() ? fail(Errc::canceled, "canceled while waiting in line")
                               : fail(Errc::deadline_exceeded, "nobody made room in time");
}

Status Limiter::enter_later(const Claim& claim, Admitted admitted) {
  std::vector<std::shared_ptr<Ticket>> now;
  {
    const MutexLock lock(mutex_);
    auto ticket = stand(claim, admitted);
    now = admit();
    if (!ticket->in) {
      withdraw(*ticket);
      SLIPWAY_CHECK(may_wait(claim));
      std::ignore = stand(claim, std::move(admitted));
    }
  }
  call(now);
  return {};
}

void Limiter::leave(const Claim& claim) {
  std::vector<std::shared_ptr<Ticket>> next;
  {
    const MutexLock lock(mutex_);
    held_ -= claim.units;
    auto& held = lines_[row(claim.work)].held;
    const auto mine = held.find(claim.key);
    mine->second -= claim.units;
    if (mine->second == 0) held.erase(mine);
    next = admit();
  }
  call(next);
}

bool Limiter::Slot::grow(std::uint64_t units) {
  if (limiter_ == nullptr) return false;
  const MutexLock lock(limiter_->mutex_);
  Claim more = claim_;
  more.units = units;
  // Who holds something already goes before those who wait: it could not give back what it has.
  if (limiter_->room(more) != Room::yes) return false;
  limiter_->held_ += units;
  limiter_->lines_[row(claim_.work)].held[claim_.key] += units;
  claim_.units += units;
  return true;
}

std::uint64_t Limiter::held() const {
  const MutexLock lock(mutex_);
  return held_;
}

std::size_t Limiter::waiting() const {
  const MutexLock lock(mutex_);
  return waiting_;
}

}  // namespace slipway
