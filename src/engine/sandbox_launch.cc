#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/log.h"
#include "engine/disk_image.h"
#include "engine/oci_config.h"
#include "engine/reserves.h"
#include "engine/sandbox_state.h"
#include "engine/shim.h"
#include "sys/files.h"

namespace slipway {
namespace fs = std::filesystem;
namespace {

using namespace std::chrono_literals;

constexpr Duration report_patience = 75s;  // more than the shim's own for the runtime
constexpr std::uint32_t slot_limit = 65'000;
constexpr const char* image_init = "/.slipway-init";

bool is_name(std::string_view text) {
  if (text.empty() || text.size() > 100) return false;
  for (const char c : text)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
          c == '_'))
      return false;
  return true;
}

bool is_clean_absolute(std::string_view path) {
  return path.starts_with('/') && path.find("/../") == std::string_view::npos &&
         !path.ends_with("/..") && path.find('\0') == std::string_view::npos;
}

Status prepare_upper(const fs::path& upper, const fs::path& work, SandboxRoot::Base base) {
  SLIPWAY_CHECK(make_directories(upper.parent_path()));
  SLIPWAY_CHECK(remove_tree(work));
  SLIPWAY_TRY(const Fd parent, open_file(upper.parent_path(), O_RDONLY | O_DIRECTORY));
  return make_upper(parent, upper.filename(), work.filename(), base);
}

Result<Fd> memory_file(std::string_view text) {
  Fd fd(::memfd_create("slipway-job", MFD_CLOEXEC));
  if (!fd.valid()) return fail_errno(errno, "memfd_create");
  SLIPWAY_CHECK(write_all(fd.get(), text));
  return fd;
}

}  // namespace

Status SandboxEngine::State::check(const SandboxSpec& spec) const {
  const auto bad = [](std::string text) { return fail(Errc::invalid_argument, std::move(text)); };
  if (!is_name(spec.id)) return bad("bad sandbox id '" + spec.id + "'");
  if (!is_name(spec.cgroup)) return bad("bad control group '" + spec.cgroup + "'");
  if (spec.argv.empty()) return bad("a sandbox needs a command");
  if (spec.uid_slot >= slot_limit) return bad(fmt::format("no uid slot {}", spec.uid_slot));
  if (!is_clean_absolute(spec.workdir)) return bad("bad working directory " + spec.workdir);
  if (!is_clean_absolute(spec.root.upper.string()) || !spec.root.upper.has_filename() ||
      spec.root.upper.filename().string().find_first_of(":,\\") != std::string::npos)
    return bad("bad upper directory " + spec.root.upper.string());
  for (const BindMount& bind : spec.root.binds)
    if (!is_clean_absolute(bind.target) ||
        (!bind.link.empty() && (!is_clean_absolute(bind.link) || !is_clean_absolute(bind.link_to))))
      return bad("bad mount target " + bind.target);
  for (const auto& [name, value] : spec.env)
    if (name.empty() || name.find_first_of(std::string_view("=\0", 2)) != std::string::npos ||
        value.find('\0') != std::string::npos)
      return bad("bad environment variable '" + name + "'");
  if (spec.user.uid > 65'535 || spec.user.gid > 65'535 ||
      std::ranges::any_of(spec.user.groups, [](std::uint32_t id) { return id > 65'535; }))
    return bad("a sandbox has the users and groups 0 to 65535");
  if (spec.stop_signal < 1 || spec.stop_signal > 64) return bad("bad stop signal");
  if (spec.hostname.size() > 63 || !is_name(spec.hostname)) return bad("bad host name");
  return {};
}

std::string SandboxEngine::State::init_of(const SandboxSpec& spec) const {
  if (spec.root.base == SandboxRoot::Base::host) return init_;
  // An image has no init of ours, nor libraries for one.
  return init_.ends_with("-static") ? image_init : "";
}

Result<SandboxMeta> SandboxEngine::State::prepare(const SandboxSpec& spec, ShimJob::Kind kind) {
  SandboxMeta meta;
  meta.kind = kind;
  meta.id = spec.id;
  meta.owner = owner_;
  meta.cgroup = sandbox_group(spec.cgroup, spec.id);
  meta.work = spec.root.upper.string() + ".work";
  meta.labels = spec.labels;
  meta.stop_signal = spec.stop_signal;
  meta.init = init_of(spec).empty() ? SandboxMeta::Init::none : SandboxMeta::Init::ours;
  if (spec.egress != Egress::none) {
    if (!network_) return fail(network_error_);
    SLIPWAY_TRY(meta.network_slot, network_->take(class_of_group(meta.cgroup)));
  }
  bool ours = false;
  Status made = [&]() -> Status {
    if (::mkdir(directory(spec.id).c_str(), 0700) != 0)
      return errno == EEXIST ? Status(fail(Errc::conflict, spec.id + " exists already"))
                             : Status(fail_errno(errno, "mkdir " + directory(spec.id).string()));
    ours = true;
    SLIPWAY_TRY(const Fd fd,
                open_file(directory(spec.id) / meta_file, O_WRONLY | O_CREAT | O_EXCL, 0600));
    return write_all(fd.get(), encode(meta));
  }();
  if (!made) {
    if (network_) network_->release(meta.network_slot);
    if (ours) std::ignore = remove_tree(directory(spec.id));
    return fail(made.error());
  }
  if (Status upper = prepare_upper(spec.root.upper, meta.work, spec.root.base); !upper) {
    std::ignore = dispose(meta);
    return fail(upper.error());
  }
  return meta;
}

std::string SandboxEngine::State::blank_image(std::uint64_t disk_bytes) {
  if (disk_bytes == 0) return {};
  auto images = blank_images_.lock();
  const auto [at, fresh] = images->try_emplace(disk_bytes);
  if (!fresh) return at->second;
  const fs::path blank = settings_.state_dir / fmt::format("{}{}", blank_prefix, disk_bytes);
  if (Status made = make_blank_image(blank, disk_limit(disk_bytes)); made) {
    at->second = blank;
  } else {
    log_warn("what instances write is counted now and then, not limited as they write",
             {{"error", made.error().message}});
  }
  return at->second;
}

Result<SandboxEngine::State::Launch> SandboxEngine::State::launch(const SandboxSpec& spec,
                                                                  const SandboxMeta& meta,
                                                                  const LaunchTarget& target) {
  ShimJob job;
  job.kind = target.kind;
  job.id = spec.id;
  job.directory = directory(spec.id);
  job.runtime = runtime_;
  job.runtime_root = settings_.state_dir / "runtime";
  job.cgroup_mount = settings_.cgroup_mount;
  job.cgroup = meta.cgroup;
  // Anywhere the runtime, inside its user namespace, can get to, and that hides nothing it needs.
  job.stage = settings_.state_dir.string().starts_with("/run/") ? "/mnt" : "/run";
  job.id_base = settings_.id_base + spec.uid_slot * 65'536;
  job.root = spec.root;
  if (spec.root.upper_kind == SandboxRoot::Upper::image)
    job.blank_image = blank_image(spec.limits.disk_bytes);
  job.work = meta.work;
  job.hostname = spec.hostname;
  job.engine_lock = settings_.state_dir / "lock";
  job.orphan_check = settings_.orphan_check;
  if (meta.network_slot >= 0) job.network = network_->job(meta.network_slot, spec.egress);
  job.log_directory = target.log_directory;
  job.log_limit_bytes = target.log_limit_bytes;
  const Filter& filter = spec.powers == Powers::image_build   ? image_build_filter_
                         : target.kind == ShimJob::Kind::step ? step_filter_
                                                              : filter_;
  const std::string init = init_of(spec);
  if (init == image_init) job.root.binds.push_back({.source = init_, .target = image_init});
  OciSettings oci{.rootfs = job.stage + "/root",
                  .cgroup = "/" + meta.cgroup,
                  .id_base = job.id_base,
                  .seccomp = filter.oci,
                  .seccomp_program = filter.program,
                  .oom_score = oom_score_of_group(meta.cgroup),
                  .swap_accounting = swap_accounting_,
                  .cgroup_v2 = cgroups_.layout() == CgroupLayout::v2,
                  .init = init,
                  .open_files_ceiling = open_files_ceiling_};
  job.oci_config = make_oci_config(spec, oci);

  SLIPWAY_TRY(const Fd job_file, memory_file(encode(job)));
  SLIPWAY_TRY(const Fd lock, open_file(directory(spec.id) / lock_file, O_RDWR | O_CREAT, 0600));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return fail_errno(errno, "lock a sandbox");

  // Not the server's own stderr: an instance's shim would hold it open long after the server.
  SLIPWAY_TRY(const Fd errors,
              open_file(directory(spec.id) / shim_log_file, O_WRONLY | O_CREAT | O_APPEND, 0600));

  std::vector<int> fds{job_file.get(), lock.get(), errors.get()};
  if (target.output != nullptr) fds.push_back(target.output->get());
  if (auto spare = spare_->hand_over(fds))
    return Launch{.shim = std::move(spare->process), .control = std::move(spare->control)};

  std::array<int, 2> sockets{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets.data()) != 0)
    return fail_errno(errno, "socketpair");
  Launch out{.shim = {}, .control = Fd(sockets[0])};
  const Fd theirs(sockets[1]);
  SpawnOptions options;
  options.session = SpawnOptions::Session::own;
  options.env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
  options.fds = {{theirs.get(), shim_control_fd},
                 {job_file.get(), shim_job_fd},
                 {lock.get(), shim_lock_fd},
                 {errors.get(), STDERR_FILENO}};
  if (target.output != nullptr) options.fds.emplace_back(target.output->get(), shim_output_fd);
  const std::vector<std::string> argv{settings_.self_exe.string(), shim_command, spec.id};
  SLIPWAY_TRY(out.shim, spawn(argv, options));
  return out;
}

Status SandboxEngine::State::await_report(Launch& launch) const {
  const Deadline deadline = Deadline::after(clock_, report_patience);
  std::array<char, 8192> buffer;
  for (;;) {
    std::array<pollfd, 1> polls{pollfd{launch.control.get(), POLLIN, 0}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.left(clock_));
    const int n = ::poll(polls.data(), polls.size(), static_cast<int>(left.count()));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail(Errc::deadline_exceeded, "the sandbox did not start in time");
    const ssize_t got = ::recv(launch.control.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fail(Errc::internal, "the process that starts the sandbox died");
    SLIPWAY_TRY(ShimReport report,
                decode_shim_report({buffer.data(), static_cast<std::size_t>(got)}));
    if (report.error) return fail(std::move(*report.error));
    launch.init_pid = report.init_pid;
    return {};
  }
}

Status SandboxEngine::State::finish_off(const Pidfd& shim, const SandboxMeta& meta,
                                        Duration patience) {
  if (shim.valid() && !shim.wait_exit(patience)) {
    log_warn("a sandbox's shim does not end; killing it", {{"id", meta.id}});
    std::ignore = cgroups_.kill(meta.cgroup, 5s);
    if (!shim.wait_exit(1s)) std::ignore = shim.signal(SIGKILL);
    if (!shim.wait_exit(5s))
      return fail(Errc::deadline_exceeded, "the sandbox " + meta.id + " does not end");
  }
  if (shim.valid()) std::ignore = shim.reap();
  // Nothing to do after an orderly end; everything, when the shim was killed.
  return cgroups_.kill(meta.cgroup, 5s);
}

Status SandboxEngine::State::dispose(const SandboxMeta& meta) {
  if (const auto said = read_file(directory(meta.id) / shim_log_file, 4096); said && !said->empty())
    log_warn("a sandbox's shim had trouble", {{"id", meta.id}, {"said", *said}});
  if (network_) network_->release(meta.network_slot);
  SLIPWAY_CHECK(cgroups_.remove(meta.cgroup));
  SLIPWAY_CHECK(remove_tree(settings_.state_dir / "runtime" / meta.id));
  if (!meta.work.empty()) SLIPWAY_CHECK(remove_tree(meta.work));
  return remove_tree(directory(meta.id));
}

std::optional<ExitRecord> SandboxEngine::State::exit_record(const std::string& id) const {
  const Result<std::string> text = read_file(directory(id) / exit_file, 4096);
  if (!text) return std::nullopt;
  Result<ExitRecord> record = decode_exit_record(*text);
  if (!record) return std::nullopt;
  return *record;
}

}  // namespace slipway
