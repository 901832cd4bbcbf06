#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <set>

#include "base/log.h"
#include "engine/disk_image.h"
#include "engine/disk_watch.h"
#include "engine/sandbox_state.h"
#include "sys/files.h"

namespace slipway {
namespace fs = std::filesystem;
namespace {

using namespace std::chrono_literals;

// Of the file system where a step that failed had run: less than this is none.
constexpr DiskSpace no_room{.bytes = 16u << 20, .inodes = 1024};
constexpr Duration kill_patience = 15s;

// Hands what a pipe holds to the sink, up to the limit of all output.
class OutputPump {
 public:
  OutputPump(Fd pipe, std::uint64_t limit, const StepRunner::OutputSink& sink)
      : pipe_(std::move(pipe)), left_(limit), sink_(sink) {}
  [[nodiscard]] int fd() const { return pipe_.get(); }
  [[nodiscard]] bool over_limit() const { return over_; }
  // Reads until the pipe is empty or ended.
  void drain() {
    std::array<char, 65536> buffer;
    while (pipe_.valid()) {
      const ssize_t n = ::read(pipe_.get(), buffer.data(), buffer.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return;
      if (n == 0) return pipe_.reset();
      const auto got = static_cast<std::uint64_t>(n);
      const std::uint64_t shown = std::min(got, left_);
      if (shown > 0) sink_(std::string_view(buffer.data(), shown));
      left_ -= shown;
      if (got > shown) over_ = true;
      if (over_) return;
    }
  }

 private:
  Fd pipe_;
  std::uint64_t left_;
  const StepRunner::OutputSink& sink_;
  bool over_ = false;
};

}  // namespace

Result<StepRunner::Outcome> SandboxEngine::State::run(const SandboxSpec& spec, Duration time_limit,
                                                      std::uint64_t output_limit_bytes,
                                                      const OutputSink& output,
                                                      std::stop_token stop) {
  SLIPWAY_CHECK(check(spec));
  const Error canceled{.code = Errc::canceled, .message = "the step was canceled"};
  if (stop.stop_requested()) return fail(canceled);
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
  Fd read_end(pipe[0]), write_end(pipe[1]);
  ::fcntl(read_end.get(), F_SETFL, O_NONBLOCK);
  const Fd stop_event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop_event.valid()) return fail_errno(errno, "eventfd");
  const std::stop_callback on_stop(std::move(stop), [&stop_event] {
    const std::uint64_t one = 1;
    std::ignore = ::write(stop_event.get(), &one, sizeof one);
  });

  SLIPWAY_TRY(const SandboxMeta meta, prepare(spec, ShimJob::Kind::step));
  Result<Launch> launched = launch(spec, meta, {.kind = ShimJob::Kind::step, .output = &write_end});
  write_end.reset();
  if (!launched) {
    std::ignore = dispose(meta);
    return fail(launched.error());
  }
  if (Status started = await_report(*launched); !started) {
    launched->control.reset();
    std::ignore = finish_off(launched->shim, meta, kill_patience);
    std::ignore = dispose(meta);
    return fail(started.error());
  }

  Outcome outcome;
  bool was_canceled = false;
  OutputPump pump(std::move(read_end), output_limit_bytes, output);
  const Deadline deadline = Deadline::after(clock_, time_limit);
  DiskWatch disk({spec.root.upper}, spec.root.measured, disk_limit(spec.limits.disk_bytes), clock_);
  const std::uint64_t keep_free =
      class_of_group(meta.cgroup) == WorkClass::production ? 0 : settings_.keep_free;
  const auto too_little_left = [&] {
    const auto left = keep_free > 0 ? disk_space_free(spec.root.upper) : fail(Errc::internal, "");
    return left && left->bytes < keep_free;
  };
  while (!was_canceled && !outcome.timed_out && !outcome.output_limit && !outcome.disk_limit &&
         !outcome.host_full) {
    Duration wait = std::min<Duration>(deadline.left(clock_), 1h);
    if (spec.limits.disk_bytes > 0 || keep_free > 0) wait = std::min(wait, DiskWatch::interval);
    std::array<pollfd, 3> polls{pollfd{launched->shim.fd(), POLLIN, 0},
                                pollfd{stop_event.get(), POLLIN, 0}, pollfd{pump.fd(), POLLIN, 0}};
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
    if (::poll(polls.data(), polls.size(), static_cast<int>(ms)) < 0 && errno != EINTR) break;
    pump.drain();
    if (polls[0].revents != 0) break;
    was_canceled = polls[1].revents != 0;
    outcome.output_limit = pump.over_limit();
    outcome.timed_out = deadline.passed(clock_);
    if (spec.limits.disk_bytes > 0) outcome.disk_limit = disk.over();
    if (!outcome.disk_limit) outcome.host_full = too_little_left();
  }
  launched->control.reset();  // what ends the sandbox, should it still run
  SLIPWAY_CHECK(finish_off(launched->shim, meta, kill_patience));
  if (!was_canceled) pump.drain();
  if (pump.over_limit()) outcome.output_limit = true;
  const std::optional<ExitRecord> record = exit_record(meta.id);
  // One that ended between two looks.
  if (spec.limits.disk_bytes > 0 && !was_canceled && !outcome.disk_limit)
    outcome.disk_limit = disk.over_at_last();
  if (const auto left = disk_space_free(spec.root.upper);
      left && !was_canceled && !outcome.host_full)
    outcome.host_full = no_room.exceeds(*left) && (!record || record->exit != SandboxExit{});
  SLIPWAY_CHECK(dispose(meta));
  if (was_canceled) return fail(canceled);
  if (!record && !outcome.host_full) return fail(Errc::internal, "the step's end was not recorded");
  outcome.exit = record ? record->exit : SandboxExit{.code = 1};
  if (record) outcome.usage = record->usage;
  return outcome;
}

}  // namespace slipway
