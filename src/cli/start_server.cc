// Starting a local server on behalf of a command.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "base/text.h"
#include "cli/server.h"
#include "sys/files.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration start_limit = 30s;
constexpr Duration poll_interval = 5ms;
constexpr off_t log_limit = 8 << 20;

struct SpawnActions {
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
  SpawnActions() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
  }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  ~SpawnActions() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
};

// The child is a session of its own with default signals: it outlives this command and its
// terminal.
Result<pid_t> spawn_server(const CliEnvironment& env, const std::filesystem::path& log) {
  SpawnActions spawn;
  ::posix_spawn_file_actions_addopen(&spawn.actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&spawn.actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                     0600);
  ::posix_spawn_file_actions_adddup2(&spawn.actions, 1, 2);
  ::posix_spawn_file_actions_addchdir_np(&spawn.actions, "/");
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&spawn.attributes, &none);
  ::posix_spawnattr_setsigdefault(&spawn.attributes, &all);
  ::posix_spawnattr_setflags(&spawn.attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::vector<std::string> words{env.self.string(), "serve", "--data", env.data_dir.string()};
  std::vector<std::string> variables;
  for (const auto& [name, value] : env.variables) variables.push_back(name + "=" + value);
  const auto pointers = [](std::vector<std::string>& strings) {
    std::vector<char*> out;
    for (std::string& text : strings) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
  };
  std::vector<char*> argv = pointers(words), envp = pointers(variables);
  pid_t pid = 0;
  if (const int error = ::posix_spawn(&pid, env.self.c_str(), &spawn.actions, &spawn.attributes,
                                      argv.data(), envp.data());
      error != 0)
    return fail_errno(error, fmt::format("start {}", env.self.string()));
  return pid;
}

// The last lines that the server wrote, from `offset` on.
std::vector<std::string> log_tail(const std::filesystem::path& log, std::size_t offset) {
  const Result<std::string> text = read_file(log, 64u << 20);
  std::vector<std::string> out;
  if (!text || offset > text->size()) return out;
  const std::string fresh = text->substr(offset);
  const std::vector<std::string_view> all = lines(fresh);
  for (std::size_t i = all.size() > 12 ? all.size() - 12 : 0; i < all.size(); ++i)
    out.push_back(sanitize_line(all[i]));
  return out;
}

Result<Fd> lock_start(const std::filesystem::path& data_dir) {
  SLIPWAY_TRY(Fd lock, open_file(data_dir / "start.lock", O_RDWR | O_CREAT, 0600));
  while (::flock(lock.get(), LOCK_EX) != 0)
    if (errno != EINTR) return fail_errno(errno, "lock start.lock");
  return lock;
}

bool answers(Context& context, const ServerFile& file) {
  Result<std::unique_ptr<HttpTransport>> transport =
      context.env.connect ? context.env.connect(file.url) : connect_http(file.url);
  if (!transport) return false;
  (*transport)->set_timeout(2s);
  const Result<ClientResponse> health = (*transport)->request("GET", "/healthz", {});
  return health && health->status == 200;
}

std::unexpected<Error> did_not_start(const CliEnvironment& env, std::string message,
                                     std::vector<std::string> excerpt) {
  Error error{.code = Errc::unavailable,
              .message = std::move(message),
              .hint = fmt::format("its log is {}", (env.data_dir / "server.log").string()),
              .excerpt = std::move(excerpt)};
  error.next = {{"slipway doctor", "to see what this machine lacks"},
                {"slipway serve", "to run the server in the foreground and watch it"}};
  return fail(std::move(error));
}

}  // namespace

Result<ServerFile> start_local_server(Context& context) {
  const CliEnvironment& env = context.env;
  if (Status made = make_directories(env.data_dir, 0700); !made)
    return fail(std::move(made.error()).with_hint("choose another place with SLIPWAY_DATA=DIR"));
  SLIPWAY_TRY(const Fd lock, lock_start(env.data_dir));
  // Somebody else may have started it while this one waited for the lock.
  if (const auto file = read_server_file(env.data_dir); file && answers(context, *file))
    return *file;

  const std::filesystem::path log = env.data_dir / "server.log";
  struct stat status{};
  std::size_t offset =
      ::stat(log.c_str(), &status) == 0 ? static_cast<std::size_t>(status.st_size) : 0;
  if (static_cast<off_t>(offset) > log_limit &&
      ::rename(log.c_str(), (log.string() + ".1").c_str()) == 0)
    offset = 0;
  SLIPWAY_TRY(const pid_t pid, spawn_server(env, log));

  const Deadline deadline = Deadline::after(context.clock, start_limit);
  while (!deadline.passed(context.clock)) {
    if (const auto file = read_server_file(env.data_dir);
        file && file->pid == pid && answers(context, *file))
      return *file;
    int exited = 0;
    if (::waitpid(pid, &exited, WNOHANG) == pid) {
      // It found another server at work on the same data directory, say.
      if (const auto file = read_server_file(env.data_dir); file && answers(context, *file))
        return *file;
      const std::string how = WIFEXITED(exited) ? fmt::format("exit code {}", WEXITSTATUS(exited))
                                                : fmt::format("signal {}", WTERMSIG(exited));
      return did_not_start(env, fmt::format("the local server did not start ({})", how),
                           log_tail(log, offset));
    }
    std::this_thread::sleep_for(poll_interval);
  }
  return did_not_start(env,
                       fmt::format("the local server (process {}) did not answer within {}", pid,
                                   format_duration(start_limit)),
                       log_tail(log, offset));
}

}  // namespace slipway::cli
