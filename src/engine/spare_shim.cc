#include "engine/spare_shim.h"

#include <signal.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "engine/shim.h"
#include "engine/shim_job.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

constexpr Duration kept_for = 10min;    // after the last start
constexpr Duration made_after = 300ms;  // not while the app just started needs the processors
constexpr Duration again_after = 1min;  // when one could not be made
constexpr std::size_t most_descriptors = 4;

// One byte, with or without descriptors. False when the other end is gone, or does not keep up.
bool send_byte(const Fd& control, std::span<const int> fds) {
  char byte = 0;
  iovec data{.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(most_descriptors * sizeof(int))> space{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = space.data();
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(rights), fds.data(), fds.size_bytes());
  }
  return ::sendmsg(control.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

}  // namespace

SpareShim::SpareShim(std::filesystem::path self_exe, std::filesystem::path cgroup_mount,
                     std::string runtime, std::filesystem::path state_dir,
                     std::function<std::string()> blank_image, const Clock& clock)
    : self_exe_(std::move(self_exe)),
      cgroup_mount_(std::move(cgroup_mount)),
      runtime_(std::move(runtime)),
      state_dir_(std::move(state_dir)),
      blank_image_(std::move(blank_image)),
      clock_(clock),
      keep_until_(clock.monotonic()) {
  const Status started = worker_.start([this](const std::stop_token& stop) {
    keep_up(stop);
    return std::nullopt;
  });
  if (!started) log_warn("no spare shims", {{"error", started.error().message}});
}

SpareShim::~SpareShim() {
  worker_.stop();
  end(std::move(spare_));
}

void SpareShim::expect() {
  {
    const MutexLock lock(mutex_);
    keep_until_ = clock_.monotonic() + kept_for;
    if (spare_) {
      std::ignore = send_byte(spare_->control, {});
      return;
    }
    make_at_ = clock_.monotonic();
  }
  changed_.notify_all();
}

std::optional<SpareShim::Shim> SpareShim::hand_over(std::span<const int> fds) {
  std::optional<Shim> taken;
  {
    MutexLock lock(mutex_);
    changed_.wait(mutex_, [&]() SLIPWAY_REQUIRES(mutex_) { return !making_; });
    const Duration now = clock_.monotonic();
    keep_until_ = now + kept_for;
    make_at_ = now + made_after;
    taken = std::exchange(spare_, std::nullopt);
  }
  changed_.notify_all();
  if (!taken || send_byte(taken->control, fds)) return taken;
  end(std::move(taken));
  return std::nullopt;
}

void SpareShim::keep_up(const std::stop_token& stop) {
  MutexLock lock(mutex_);
  while (!stop.stop_requested()) {
    const Duration now = clock_.monotonic();
    if (now >= keep_until_) {
      if (auto old = std::exchange(spare_, std::nullopt)) {
        lock.unlock();
        end(std::move(old));
        lock.lock();
        continue;
      }
      std::ignore = changed_.wait(mutex_, stop, [&]() SLIPWAY_REQUIRES(mutex_) {
        return clock_.monotonic() < keep_until_;
      });
    } else if (!spare_ && now >= make_at_) {
      making_ = true;
      lock.unlock();
      std::optional<Shim> made;
      run_guarded("spare shim", [&] { made = make(); });
      lock.lock();
      making_ = false;
      changed_.notify_all();
      if (!made) make_at_ = clock_.monotonic() + again_after;
      spare_ = std::move(made);
    } else {
      const Duration until = spare_ ? keep_until_ : std::min(make_at_, keep_until_);
      const bool had = spare_.has_value();
      changed_.wait_for(mutex_, stop, until - now, [&]() SLIPWAY_REQUIRES(mutex_) {
        return spare_.has_value() != had || (!spare_ && clock_.monotonic() >= make_at_);
      });
    }
  }
}

std::optional<SpareShim::Shim> SpareShim::make() const {
  std::array<int, 2> sockets{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets.data()) != 0)
    return std::nullopt;
  Fd ours(sockets[0]);
  const Fd theirs(sockets[1]);
  SpawnOptions options;
  options.session = SpawnOptions::Session::own;
  options.env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
  options.fds = {{theirs.get(), shim_control_fd}};
  const std::vector<std::string> argv{self_exe_.string(),     shim_command, shim_spare,
                                      cgroup_mount_.string(), runtime_,     state_dir_.string(),
                                      blank_image_()};
  Result<Pidfd> process = spawn(argv, options);
  if (!process) {
    log_warn("no spare shim", {{"error", process.error().message}});
    return std::nullopt;
  }
  return Shim{.process = std::move(*process), .control = std::move(ours)};
}

void SpareShim::end(std::optional<Shim> spare) {
  if (!spare) return;
  spare->control.reset();  // what ends it
  if (!spare->process.wait_exit(1s)) {
    std::ignore = spare->process.signal(SIGKILL);
    std::ignore = spare->process.wait_exit(5s);
  }
  std::ignore = spare->process.reap();
}

}  // namespace slipway
