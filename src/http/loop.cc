#include "http/loop.h"

#include <boost/asio/post.hpp>

#include "base/mutex.h"
#include "http/loop_impl.h"

namespace slipway {

// The reactor is used by one thread only, so it needs no locks; posting stays safe.
Loop::Impl::Impl(Duration tick_length_)
    : context(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO),
      work(context.get_executor()),
      timer(context),
      tick_length(tick_length_),
      now(steady_now()) {
  gate->context = &context;
}

Duration Loop::Impl::steady_now() {
  return std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch());
}

void Loop::Impl::add(Alarm& alarm) {
  alarm.next_ = first;
  if (first != nullptr) first->previous_ = &alarm;
  first = &alarm;
  if (!ticking) {
    ticking = true;
    now = steady_now();
    schedule();
  }
}

void Loop::Impl::remove(Alarm& alarm) {
  if (cursor == &alarm) cursor = alarm.next_;
  if (alarm.previous_ != nullptr) alarm.previous_->next_ = alarm.next_;
  if (alarm.next_ != nullptr) alarm.next_->previous_ = alarm.previous_;
  if (first == &alarm) first = alarm.next_;
}

void Loop::Impl::schedule() {
  timer.expires_after(tick_length);
  timer.async_wait([this](boost::system::error_code error) {
    if (!error) tick();
  });
}

void Loop::Impl::tick() {
  now = steady_now();
  for (cursor = first; cursor != nullptr;) {
    Alarm& alarm = *cursor;
    cursor = alarm.next_;
    if (alarm.due_ > now) continue;
    alarm.due_ = Duration::max();
    alarm.expired_();  // may destroy other alarms
  }
  if (first == nullptr)
    ticking = false;
  else
    schedule();
}

Loop::Loop(Duration tick) : impl_(std::make_unique<Impl>(tick)) {}

Loop::~Loop() {
  const MutexLock lock(impl_->gate->mutex);
  impl_->gate->context = nullptr;
}

void Loop::run() { impl_->context.run(); }
void Loop::stop() {
  boost::asio::post(impl_->context, [this] { impl_->context.stop(); });
}
void Loop::post(std::function<void()> work) { boost::asio::post(impl_->context, std::move(work)); }

std::function<void(std::function<void()>)> Loop::poster() {
  return [gate = impl_->gate](std::function<void()> work) {
    const MutexLock lock(gate->mutex);
    if (gate->context != nullptr) boost::asio::post(*gate->context, std::move(work));
  };
}

Duration Loop::coarse_now() const { return impl_->now; }
Loop::Sleep Loop::sleep(Duration wait) { return {*this, wait}; }

void Loop::Sleep::await_suspend(std::coroutine_handle<> waiter) {
  auto timer = std::make_unique<boost::asio::steady_timer>(loop.impl().context, wait);
  auto& reference = *timer;
  reference.async_wait(
      [timer = std::move(timer), waiter](boost::system::error_code) { waiter.resume(); });
}

Alarm::Alarm(Loop& loop, std::function<void()> expired)
    : loop_(loop), expired_(std::move(expired)) {
  loop_.impl_->add(*this);
}
Alarm::~Alarm() { loop_.impl_->remove(*this); }
void Alarm::set(Duration wait) {
  // `now` may be a tick old; never early.
  due_ = loop_.impl_->now + wait + loop_.impl_->tick_length;
}

}  // namespace slipway
