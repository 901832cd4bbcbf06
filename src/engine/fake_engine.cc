#include "engine/fake_engine.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>

namespace slipway {

struct FakeEngine::Instance {
  SandboxSpec spec;
  std::atomic<bool> running = true;
  std::optional<SandboxExit> exit;
  Usage usage;
};

struct FakeEngine::Ports {
  Mutex mutex;
  std::map<int, int> local SLIPWAY_GUARDED_BY(mutex);  // by the port inside
};

std::shared_ptr<FakeEngine::Ports> FakeEngine::make_ports() { return std::make_shared<Ports>(); }

class FakeEngine::PortDialer final : public Dialer {
 public:
  PortDialer(std::shared_ptr<Instance> instance, std::shared_ptr<Ports> ports)
      : instance_(std::move(instance)), ports_(std::move(ports)) {}

  Result<Fd> dial(int port, bool /*ipv6*/) const override {
    if (!instance_->running) return fail(Errc::unavailable, "the instance has ended");
    int local = 0;
    {
      const MutexLock lock(ports_->mutex);
      const auto found = ports_->local.find(port);
      if (found == ports_->local.end())
        return fail(Errc::io, fmt::format("connect to port {}: Connection refused", port));
      local = found->second;
    }
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket.valid()) return fail_errno(errno, "make a socket");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(local));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
        errno != EINPROGRESS)
      return fail_errno(errno, fmt::format("connect to port {}", port));
    return socket;
  }

  Result<std::vector<int>> listening_ports() const override {
    if (!instance_->running) return fail(Errc::unavailable, "the instance has ended");
    const MutexLock lock(ports_->mutex);
    std::vector<int> out;
    for (const auto& [inside, local] : ports_->local) out.push_back(inside);
    return out;
  }

  // Anywhere on this machine's loopback.
  Result<Fd> listen(std::string_view /*address*/, int /*port*/) const override {
    if (!instance_->running) return fail(Errc::unavailable, "the instance has ended");
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!socket.valid() ||
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(socket.get(), 16) != 0)
      return fail_errno(errno, "listen on loopback");
    return socket;
  }

 private:
  std::shared_ptr<Instance> instance_;
  std::shared_ptr<Ports> ports_;
};

Status FakeEngine::start(const SandboxSpec& spec, const std::filesystem::path& /*log_directory*/,
                         std::uint64_t /*log_limit_bytes*/) {
  const MutexLock lock(mutex_);
  if (spec.argv.empty()) return fail(Errc::invalid_argument, "a sandbox needs a command");
  if (const auto found = instances_.find(spec.id);
      found != instances_.end() && found->second->running)
    return fail(Errc::conflict, spec.id + " runs already");
  if (!failures_.empty()) {
    Error error = std::move(failures_.front());
    failures_.pop_front();
    return fail(std::move(error));
  }
  auto instance = std::make_shared<Instance>();
  instance->spec = spec;
  instances_[spec.id] = std::move(instance);
  started_.push_back(spec);
  return {};
}

Status FakeEngine::stop(const std::string& id, Duration /*grace*/) {
  std::function<void(const std::string&)> script;
  {
    const MutexLock lock(mutex_);
    script = stop_script_;
  }
  if (script) script(id);
  const MutexLock lock(mutex_);
  const auto found = instances_.find(id);
  if (found == instances_.end()) return {};
  found->second->running = false;
  instances_.erase(found);
  return {};
}

Result<std::vector<SandboxInfo>> FakeEngine::list() {
  const MutexLock lock(mutex_);
  std::vector<SandboxInfo> out;
  for (const auto& [id, instance] : instances_)
    out.push_back({id, instance->running, instance->exit, instance->spec.labels});
  return out;
}

Result<Usage> FakeEngine::usage(const std::string& id) {
  const MutexLock lock(mutex_);
  const auto found = instances_.find(id);
  if (found == instances_.end()) return fail(Errc::not_found, "no instance " + id);
  return found->second->usage;
}

Result<std::shared_ptr<const Dialer>> FakeEngine::dialer(const std::string& id) {
  const MutexLock lock(mutex_);
  const auto found = instances_.find(id);
  if (found == instances_.end()) return fail(Errc::not_found, "no instance " + id);
  return std::shared_ptr<const Dialer>(std::make_shared<PortDialer>(found->second, ports_));
}

ExitListener FakeEngine::on_exit(ExitHandler handler) { return listeners_.add(std::move(handler)); }

Result<StepRunner::Outcome> FakeEngine::run(const SandboxSpec& spec, Duration /*time_limit*/,
                                            std::uint64_t /*output_limit_bytes*/,
                                            const OutputSink& output, std::stop_token stop) {
  StepScript script;
  {
    const MutexLock lock(mutex_);
    steps_.push_back(spec);
    script = script_;
  }
  if (spec.argv.empty()) return fail(Errc::invalid_argument, "a sandbox needs a command");
  if (stop.stop_requested()) return fail(Errc::canceled, "the step was canceled");
  return script ? script(spec, output, std::move(stop)) : Outcome{};
}

void FakeEngine::fail_next_start(Error error) {
  const MutexLock lock(mutex_);
  failures_.push_back(std::move(error));
}

void FakeEngine::exit(const std::string& id, SandboxExit how) {
  std::shared_ptr<Instance> instance;
  {
    const MutexLock lock(mutex_);
    const auto found = instances_.find(id);
    if (found == instances_.end() || !found->second->running) return;
    instance = found->second;
    instance->running = false;
    instance->exit = how;
  }
  if (!listeners_.any()) return;  // kept for list(), as in a real engine
  listeners_.tell(id, how);
  const MutexLock lock(mutex_);
  if (const auto found = instances_.find(id);
      found != instances_.end() && found->second == instance)
    instances_.erase(found);
}

void FakeEngine::map_port(int inside, int local) {
  const MutexLock lock(ports_->mutex);
  if (local == 0)
    ports_->local.erase(inside);
  else
    ports_->local[inside] = local;
}

void FakeEngine::set_usage(const std::string& id, Usage usage) {
  const MutexLock lock(mutex_);
  if (const auto found = instances_.find(id); found != instances_.end())
    found->second->usage = usage;
}

void FakeEngine::on_step(StepScript script) {
  const MutexLock lock(mutex_);
  script_ = std::move(script);
}

void FakeEngine::on_stop(std::function<void(const std::string& id)> script) {
  const MutexLock lock(mutex_);
  stop_script_ = std::move(script);
}

std::vector<std::string> FakeEngine::running() const {
  const MutexLock lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [id, instance] : instances_)
    if (instance->running) out.push_back(id);
  return out;
}

std::vector<SandboxSpec> FakeEngine::started() const {
  const MutexLock lock(mutex_);
  return started_;
}

std::vector<SandboxSpec> FakeEngine::steps() const {
  const MutexLock lock(mutex_);
  return steps_;
}

}  // namespace slipway
