#include "cli/interrupt.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

namespace slipway::cli {

InterruptWatch::InterruptWatch(Handler handler) {
  sigset_t caught;
  ::sigemptyset(&caught);
  ::sigaddset(&caught, SIGINT);
  ::sigaddset(&caught, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &caught, &before_);
  signals_ = Fd(::signalfd(-1, &caught, SFD_CLOEXEC));
  stop_ = Fd(::eventfd(0, EFD_CLOEXEC));
  if (!signals_.valid() || !stop_.valid()) return;  // then Ctrl-C waits until the end
  std::ignore =
      thread_.start([this, own = std::move(handler)](const std::stop_token&) { watch(own); });
}

InterruptWatch::~InterruptWatch() {
  const std::uint64_t one = 1;
  if (stop_.valid()) std::ignore = ::write(stop_.get(), &one, sizeof one);
  thread_.stop();
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void InterruptWatch::watch(const Handler& handler) {
  for (int count = 0;;) {
    pollfd waits[] = {{.fd = signals_.get(), .events = POLLIN, .revents = 0},
                      {.fd = stop_.get(), .events = POLLIN, .revents = 0}};
    if (::poll(waits, 2, -1) < 0 && errno != EINTR) return;
    if ((waits[1].revents & POLLIN) != 0) return;
    if ((waits[0].revents & POLLIN) == 0) continue;
    signalfd_siginfo signal{};
    if (::read(signals_.get(), &signal, sizeof signal) == sizeof signal) handler(++count);
  }
}

}  // namespace slipway::cli
