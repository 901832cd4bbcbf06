#include "deploy/links.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <list>
#include <optional>
#include <system_error>
#include <vector>

#include "base/limiter.h"
#include "base/log.h"
#include "base/mutex.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;
using Time = std::chrono::steady_clock::time_point;

// One instance holds a share at the most, whatever it opens and leaves.
constexpr Limiter::Limits limits{
    .units = 2048, .per_key = Links::connections_per_owner, .kept = {}, .waiting = 0};
constexpr int poll_pause_ms = 100;
constexpr auto patience = 60s;
constexpr int retry_ms = 20;

// One direction of a connection.
struct Flow {
  std::array<char, 32768> bytes{};
  std::size_t begin = 0, end = 0;
  bool ended = false, shut = false;  // nothing more to read; told the other side

  [[nodiscard]] bool empty() const { return begin == end; }
};

struct Connection {
  std::optional<Limiter::Slot> slot;
  std::string owner;
  Fd near, far;  // `far` invalid until the other side could be dialed
  Links::Connect connect;
  Time give_up;
  Flow out, back;  // near to far, far to near
  bool broken = false;
};

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

// Moves what can be moved now; false when the connection broke.
bool move_bytes(const Fd& from, const Fd& to, Flow& flow) {
  for (;;) {
    if (flow.empty() && !flow.ended) {
      const ssize_t got = ::recv(from.get(), flow.bytes.data(), flow.bytes.size(), 0);
      if (got < 0) return would_block();
      flow.ended = got == 0;
      flow.begin = 0;
      flow.end = static_cast<std::size_t>(got);
    }
    if (flow.empty()) {
      if (flow.ended && !flow.shut) {
        ::shutdown(to.get(), SHUT_WR);
        flow.shut = true;
      }
      return true;
    }
    const ssize_t sent =
        ::send(to.get(), flow.bytes.data() + flow.begin, flow.end - flow.begin, MSG_NOSIGNAL);
    if (sent < 0) return would_block();
    flow.begin += static_cast<std::size_t>(sent);
  }
}

short interest(const Flow& reads, const Flow& writes) {
  short events = 0;
  if (reads.empty() && !reads.ended) events |= POLLIN;
  if (!writes.empty()) events |= POLLOUT;
  return events;
}

}  // namespace

struct Links::State {
  struct Listener {
    std::string owner;
    std::shared_ptr<const Fd> socket;
    Connect connect;
  };
  Mutex mutex;
  std::vector<Listener> listeners SLIPWAY_GUARDED_BY(mutex);
  std::vector<std::string> closed SLIPWAY_GUARDED_BY(mutex);  // owners whose connections must end
  Fd wake;
  Limiter limiter{limits};

  void ring() const {
    const std::uint64_t one = 1;
    std::ignore = ::write(wake.get(), &one, sizeof one);
  }
  void run(std::stop_token stop);
  void accept_from(const Listener& listener, std::list<Connection>& connections);
};

void Links::State::accept_from(const Listener& listener, std::list<Connection>& connections) {
  for (;;) {
    Fd near(::accept4(listener.socket->get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!near.valid()) return;
    auto slot = limiter.try_enter({.work = WorkClass::preview, .key = listener.owner});
    if (!slot) continue;  // closed at once
    Connection& added = connections.emplace_back();
    added.slot = std::move(slot);
    added.owner = listener.owner;
    added.near = std::move(near);
    added.connect = listener.connect;
    added.give_up = std::chrono::steady_clock::now() + patience;
  }
}

void Links::State::run(std::stop_token stop) {
  const std::stop_callback on_stop(stop, [this] { ring(); });
  std::list<Connection> connections;
  while (!stop.stop_requested()) {
    std::vector<Listener> current;
    {
      const MutexLock lock(mutex);
      for (const std::string& owner : std::exchange(closed, {}))
        std::erase_if(connections, [&](const Connection& each) { return each.owner == owner; });
      current = listeners;
    }
    std::vector<pollfd> fds{{.fd = wake.get(), .events = POLLIN, .revents = 0}};
    for (const Listener& listener : current)
      fds.push_back({.fd = listener.socket->get(), .events = POLLIN, .revents = 0});
    bool waiting = false;
    for (Connection& each : connections) {
      if (!each.far.valid()) {
        if (auto far = each.connect())
          each.far = *std::move(far);
        else if (far.error().code != Errc::unavailable ||
                 std::chrono::steady_clock::now() > each.give_up)
          each.broken = true;
      }
      waiting = waiting || !each.far.valid();
      const bool open = each.far.valid() && !each.broken;
      const short near = open ? interest(each.out, each.back) : short{0};
      const short far = open ? interest(each.back, each.out) : short{0};
      // A hung-up socket is always ready: those we want nothing of stay out.
      fds.push_back({.fd = near != 0 ? each.near.get() : -1, .events = near, .revents = 0});
      fds.push_back({.fd = far != 0 ? each.far.get() : -1, .events = far, .revents = 0});
    }
    std::erase_if(connections, [](const Connection& each) { return each.broken; });
    if (fds.size() != 1 + current.size() + 2 * connections.size()) continue;
    if (::poll(fds.data(), fds.size(), waiting ? retry_ms : -1) < 0) {
      if (errno == EINTR) continue;
      // No memory, or more descriptors than may be polled: those that came last go, the rest goes
      // on.
      const int error = errno;
      log_error("connections between services cannot be watched",
                {{"error", std::generic_category().message(error)}, {"open", connections.size()}});
      for (std::size_t gone = (connections.size() + 1) / 2; gone > 0; --gone)
        connections.pop_back();
      ::poll(nullptr, 0, poll_pause_ms);
      continue;
    }
    std::uint64_t count = 0;
    if (fds[0].revents != 0) std::ignore = ::read(wake.get(), &count, sizeof count);
    std::size_t at = 1 + current.size();
    for (Connection& each : connections) {
      const short near = fds[at].revents, far = fds[at + 1].revents;
      at += 2;
      if (near == 0 && far == 0) continue;
      each.broken = ((near | far) & (POLLERR | POLLNVAL)) != 0 ||
                    !move_bytes(each.near, each.far, each.out) ||
                    !move_bytes(each.far, each.near, each.back) ||
                    (each.out.shut && each.back.shut);
    }
    std::erase_if(connections, [](const Connection& each) { return each.broken; });
    for (std::size_t i = 0; i < current.size(); ++i)
      if (fds[i + 1].revents != 0) accept_from(current[i], connections);
  }
}

Result<std::unique_ptr<Links>> Links::create() {
  auto state = std::make_unique<State>();
  state->wake = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!state->wake.valid()) return fail_errno(errno, "make an eventfd");
  std::unique_ptr<Links> links(new Links(std::move(state)));
  // run() returns early only when the system is at its limits; connections end then.
  SLIPWAY_CHECK(links->worker_.start([state = links->state_.get()](const std::stop_token& stop) {
    state->run(stop);
    return std::optional<Duration>(100ms);
  }));
  return links;
}

Links::Links(std::unique_ptr<State> state) : state_(std::move(state)) {}

Links::~Links() = default;

void Links::open(const std::string& owner, Fd listener, Connect connect) {
  {
    const MutexLock lock(state_->mutex);
    state_->listeners.push_back(
        {owner, std::make_shared<const Fd>(std::move(listener)), std::move(connect)});
  }
  state_->ring();
}

void Links::close(const std::string& owner) {
  {
    const MutexLock lock(state_->mutex);
    std::erase_if(state_->listeners, [&](const auto& each) { return each.owner == owner; });
    state_->closed.push_back(owner);
  }
  state_->ring();
}

}  // namespace slipway
