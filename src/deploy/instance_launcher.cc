#include "deploy/instance_launcher.h"

#include <charconv>

#include "base/log.h"
#include "base/text.h"
#include "build/failure.h"
#include "deploy/logs.h"
#include "deploy/readiness.h"
#include "engine/disk_image.h"
#include "sys/files.h"

namespace slipway {

using namespace std::chrono_literals;

namespace {

// A worker that lives this long has started.
constexpr Duration worker_settle = 1s;
// How long the news may take that an instance has ended.
constexpr Duration last_words = 5s;
// Beside an instance's files: the port at which it answered, and "6" when over IPv6.
constexpr const char* endpoint_file = "endpoint";

}  // namespace

InstanceLauncher::InstanceLauncher(Parts parts, ExitHandler ended)
    : parts_(parts), ended_(std::move(ended)) {
  listener_ = parts_.engine.on_exit(
      [this](const std::string& sandbox, const SandboxExit& exit) { handle_exit(sandbox, exit); });
}

InstanceLauncher::~InstanceLauncher() = default;

std::filesystem::path InstanceLauncher::home(const std::string& sandbox) const {
  return parts_.spec.settings.data / "instances" / sandbox;
}

void InstanceLauncher::watch(const std::string& sandbox, std::optional<int> port) {
  const MutexLock lock(mutex_);
  running_[sandbox] = {.exit = {}, .port = port};
}

void InstanceLauncher::handle_exit(const std::string& sandbox, const SandboxExit& exit) {
  {
    const MutexLock lock(mutex_);
    const auto at = running_.find(sandbox);
    if (at == running_.end()) return;  // another's, or we stopped it ourselves
    at->second.exit = exit;
  }
  exited_.notify_all();
  ended_(sandbox, exit);
}

Status InstanceLauncher::launch(const Subject& subject) {
  SLIPWAY_TRY(const SandboxSpec spec, instance_spec(parts_.spec, subject.deployment, subject.unit,
                                                    subject.sandbox, {}, subject.placement));
  SLIPWAY_CHECK(make_directories(home(subject.sandbox)));
  watch(subject.sandbox, expected_port(spec.env, subject.unit));
  Status started =
      parts_.engine.start(spec, subject.log_directory, parts_.spec.settings.instances.log_bytes);
  if (!started) stop(subject.sandbox);
  return started;
}

void InstanceLauncher::adopt(const std::string& sandbox) { watch(sandbox, std::nullopt); }

std::optional<Backend::Endpoint> InstanceLauncher::remembered_endpoint(
    const std::string& sandbox) const {
  const auto text = read_file(home(sandbox) / endpoint_file, 64);
  if (!text) return std::nullopt;
  const std::string_view trimmed = trim(*text);
  Backend::Endpoint endpoint;
  const auto [rest, error] =
      std::from_chars(trimmed.data(), trimmed.data() + trimmed.size(), endpoint.port);
  if (error != std::errc{}) return std::nullopt;
  endpoint.ipv6 = std::string_view(rest, trimmed.data() + trimmed.size()) == " 6";
  auto dialer = parts_.engine.dialer(sandbox);
  if (!dialer) return std::nullopt;
  endpoint.dialer = *std::move(dialer);
  return endpoint;
}

void InstanceLauncher::join_siblings(
    const Subject& subject,
    const std::function<Links::Connect(std::string_view label)>& connect_to) {
  const std::vector<Unit> units = units_of(subject.deployment);
  if (units.size() < 2) return;
  Links* links = nullptr;  // once made, it stays
  {
    const MutexLock lock(mutex_);
    if (!links_) {
      if (auto made = Links::create()) links_ = *std::move(made);
    }
    if (!links_) return;
    links = links_.get();
  }
  const auto dialer = parts_.engine.dialer(subject.sandbox);
  for (std::size_t i = 0; dialer && i < units.size(); ++i) {
    if (!units[i].has_instance() || !units[i].is_routed() || units[i].label == subject.unit.label)
      continue;
    auto listener = (*dialer)->listen(sibling_address(i), parts_.spec.names.port());
    if (!listener) {
      log_warn("a service cannot reach another",
               {{"deployment", subject.deployment.id.str()}, {"error", listener.error().message}});
      continue;
    }
    links->open(subject.sandbox, *std::move(listener), connect_to(units[i].label));
  }
}

void InstanceLauncher::stop(const std::string& sandbox) {
  {
    const MutexLock lock(mutex_);
    running_.erase(sandbox);
    if (links_) links_->close(sandbox);
  }
  if (Status stopped = parts_.engine.stop(sandbox, parts_.spec.settings.instances.stop_grace);
      !stopped)
    log_warn("an instance was not stopped cleanly",
             {{"sandbox", sandbox}, {"error", stopped.error().message}});
  if (Status removed = remove_tree(home(sandbox)); !removed)
    log_warn("an instance's files were not removed",
             {{"sandbox", sandbox}, {"error", removed.error().message}});
}

Result<Backend::Endpoint> InstanceLauncher::wait_until_ready(const Subject& subject,
                                                             std::stop_token stop) {
  const std::string& sandbox = subject.sandbox;
  if (!subject.unit.is_routed()) {  // a worker: it answers nothing, so that it lives must do
    const Duration slice = 50ms;
    for (Duration waited{}; waited < worker_settle; waited += slice) {
      if (stop.stop_requested()) return fail(Errc::canceled, "canceled while starting");
      if (exit_of(sandbox, slice))
        return fail(
            why_not_ready({.code = Errc::start_failed, .message = "it ended at once"}, subject));
    }
    return Backend::Endpoint{};
  }
  const auto opened = parts_.engine.dialer(sandbox);
  if (!opened) {  // gone before anybody could look
    std::ignore = exit_of(sandbox, last_words);
    return fail(why_not_ready(
        {.code = Errc::start_failed, .message = "the app ended before it was ready"}, subject));
  }
  const std::shared_ptr<const Dialer>& dialer = *opened;
  std::optional<int> port;
  {
    const MutexLock lock(mutex_);
    if (const auto at = running_.find(sandbox); at != running_.end()) port = at->second.port;
  }
  const Deployment& deployment = subject.deployment;
  const ReadinessQuestion question{
      .dialer = dialer,
      .host = subject.placement.host ? subject.placement.host(subject.unit.label)
                                     : parts_.spec.names.unit_host(deployment, subject.unit.label),
      .health_path = subject.unit.artifact->health_path,
      .port = port.value_or(expected_port(deployment, subject.unit)),
      .other_listener = units_of(deployment).size() > 1 ? parts_.spec.names.port() : 0,
      .timeout = parts_.spec.settings.instances.start_timeout};
  auto answer = wait_for_readiness(question, parts_.clock, stop,
                                   [&](Duration wait) { return exit_of(sandbox, wait); });
  if (!answer) return fail(why_not_ready(std::move(answer).error(), subject));
  note_endpoint(sandbox, *answer);
  if (answer->port != question.port) {
    const MutexLock lock(mutex_);
    if (const auto at = running_.find(sandbox); at != running_.end())
      at->second.elsewhere = question;
  }
  // It may have answered with its last breath.
  if (exit_of(sandbox, Duration::zero()))
    return fail(why_not_ready(
        {.code = Errc::start_failed, .message = "the app ended before it was ready"}, subject));
  return answer;
}

void InstanceLauncher::note_endpoint(const std::string& sandbox,
                                     const Backend::Endpoint& endpoint) const {
  if (Status kept =
          write_file_atomic(home(sandbox) / endpoint_file,
                            fmt::format("{}{}\n", endpoint.port, endpoint.ipv6 ? " 6" : ""), 0600);
      !kept)
    log_warn("where an instance answers was not noted",
             {{"sandbox", sandbox}, {"error", kept.error().message}});
}

bool InstanceLauncher::is_elsewhere(const std::string& sandbox) {
  const MutexLock lock(mutex_);
  const auto at = running_.find(sandbox);
  return at != running_.end() && at->second.elsewhere;
}

std::optional<Backend::Endpoint> InstanceLauncher::better_endpoint(const std::string& sandbox) {
  std::optional<ReadinessQuestion> question;
  {
    const MutexLock lock(mutex_);
    if (const auto at = running_.find(sandbox); at != running_.end())
      question = at->second.elsewhere;
  }
  if (!question) return std::nullopt;
  auto endpoint = answers_at(*question, question->port, 1s);
  if (!endpoint) return std::nullopt;
  {
    const MutexLock lock(mutex_);
    const auto at = running_.find(sandbox);
    if (at == running_.end() || at->second.exit) return std::nullopt;
    at->second.elsewhere.reset();
  }
  note_endpoint(sandbox, *endpoint);
  return endpoint;
}

std::string InstanceLauncher::log_of(const Subject& subject, std::size_t bytes) const {
  const Placement& placement = subject.placement;
  const auto values =
      placement.config_version
          ? parts_.spec.environments.values_for(subject.deployment.project, placement.environment,
                                                *placement.config_version)
          : parts_.spec.environments.values_for(subject.deployment);
  return values ? mask_secrets(log_tail(subject.log_directory, bytes), values->secrets)
                : std::string();
}

Error InstanceLauncher::why_not_ready(Error error, const Subject& subject) {
  if (error.code == Errc::canceled) return error;
  const Unit& unit = subject.unit;
  const std::string& command = unit.artifact->start;
  if (const auto exit = exit_of(subject.sandbox, Duration::zero())) {
    const std::string log = log_of(subject, 64u << 10);
    error = explain_failure({.phase = "start", .command = command, .exit = *exit, .log = log},
                            unit.service ? *unit.service : Service{});
    error.code = Errc::start_failed;
    if (!unit.is_routed() && *exit == SandboxExit{}) {
      error.message = fmt::format("{} is run as a worker, and it ended at once with status 0",
                                  sanitize_line(unit.name()));
      error.hint =
          "a worker stays and waits for work; what runs once belongs into a release "
          "command or a schedule";
    }
  } else {
    error.command = command;
    const std::string log = log_of(subject, 4u << 10);
    for (const std::string_view line : lines(log)) error.excerpt.push_back(sanitize_line(line));
    if (error.excerpt.size() > 12)
      error.excerpt.erase(error.excerpt.begin(), error.excerpt.end() - 12);
  }
  if (error.next.empty() && subject.placement.release == 0)
    error.next.push_back({fmt::format("slipway logs {}", subject.deployment.id.str()),
                          "to read all that the app wrote"});
  return error;
}

std::optional<SandboxExit> InstanceLauncher::exit_of(const std::string& sandbox, Duration wait) {
  MutexLock lock(mutex_);
  const auto ended = [&]() SLIPWAY_REQUIRES(mutex_) -> std::optional<SandboxExit> {
    const auto at = running_.find(sandbox);
    return at == running_.end() ? std::nullopt : at->second.exit;
  };
  exited_.wait_for(mutex_, wait, [&]() SLIPWAY_REQUIRES(mutex_) { return ended().has_value(); });
  return ended();
}

bool InstanceLauncher::outgrew_disk(const std::string& sandbox) const {
  const std::uint64_t limit = parts_.spec.settings.instances.limits.disk_bytes;
  if (limit == 0) return false;
  const DiskSpace most = disk_limit(limit);
  return disk_space_used(home(sandbox) / "upper", most).exceeds(most);
}

}  // namespace slipway
