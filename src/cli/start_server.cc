// Starting a local server on behalf of a command.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "base/text.h"
#include "cli/server.h"
#include "sys/files.h"
#include "sys/process.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration start_limit = 30s;
constexpr Duration poll_interval = 5ms;
constexpr off_t log_limit = 8 << 20;

// A session of its own: it outlives this command and its terminal.
Result<Pidfd> spawn_server(const CliEnvironment& env, const std::filesystem::path& log) {
  SLIPWAY_TRY(const Fd output, open_file(log, O_WRONLY | O_CREAT | O_APPEND, 0600));
  SpawnOptions options;
  options.fds = {{output.get(), 1}, {output.get(), 2}};
  options.session = SpawnOptions::Session::own;
  for (const auto& [name, value] : env.variables)
    options.env.push_back(fmt::format("{}={}", name, value));
  const std::vector<std::string> argv{env.self.string(), "serve", "--data", env.data_dir.string()};
  return spawn(argv, options);
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
      context.env.connect ? context.env.connect(file.reach()) : connect_http(file.reach());
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
  const bool port_taken = std::ranges::any_of(
      error.excerpt, [](const std::string& line) { return line.contains(" is in use"); });
  if (port_taken)
    error.next = {{"slipway serve --listen 127.0.0.1:7071",
                   "to run it on another port; commands find it there"}};
  else
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
  SLIPWAY_TRY(const Pidfd server, spawn_server(env, log));

  const Deadline deadline = Deadline::after(context.clock, start_limit);
  while (!deadline.passed(context.clock)) {
    if (const auto file = read_server_file(env.data_dir);
        file && file->pid == server.pid() && answers(context, *file))
      return *file;
    if (const std::optional<ProcessExit> exit = server.reap()) {
      // It found another server at work on the same data directory, say.
      if (const auto file = read_server_file(env.data_dir); file && answers(context, *file))
        return *file;
      const std::string how = exit->signal != 0 ? fmt::format("signal {}", exit->signal)
                                                : fmt::format("exit code {}", exit->code);
      return did_not_start(env, fmt::format("the local server did not start ({})", how),
                           log_tail(log, offset));
    }
    std::this_thread::sleep_for(poll_interval);
  }
  return did_not_start(env,
                       fmt::format("the local server (process {}) did not answer within {}",
                                   server.pid(), format_duration(start_limit)),
                       log_tail(log, offset));
}

}  // namespace slipway::cli
