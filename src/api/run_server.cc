// The server as a process: its signals, its limits, and reading its configuration again.
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "api/server.h"
#include "base/log.h"
#include "base/log_level.h"
#include "base/text.h"
#include "engine/reserves.h"
#include "sys/files.h"
#include "sys/limits.h"
#include "sys/scheduling.h"

namespace slipway {
namespace {

// What a reload applies; everything else is read by parts that have no lock around it.
constexpr std::string_view reloaded_keys[] = {"log.level"};

std::vector<std::string> changed_keys(const std::map<std::string, std::string>& before,
                                      const std::map<std::string, std::string>& now) {
  std::vector<std::string> out;
  for (const auto& [key, value] : before)
    if (const auto known = now.find(key); known == now.end() || known->second != value)
      out.push_back(key);
  for (const auto& [key, value] : now)
    if (!before.contains(key)) out.push_back(key);
  return out;
}

void reload(ServerConfiguration& running, const ReadConfiguration& read_again) {
  const auto now = read_again();
  if (!now) {
    log_error("the configuration was not read again: " + now.error().message,
              {{"hint", now.error().hint}});
    return;
  }
  std::vector<std::string> applied, later;
  for (const std::string& key : changed_keys(running.values, now->values))
    (std::ranges::find(reloaded_keys, key) == std::end(reloaded_keys) ? later : applied)
        .push_back(key);
  set_log_level(now->settings.log.level);
  // What waits for a restart is said again at the next reload.
  for (const std::string& key : applied) {
    const auto value = now->values.find(key);
    if (value == now->values.end())
      running.values.erase(key);
    else
      running.values[key] = value->second;
  }
  log_info("the configuration was read again", {{"applied", join(applied, " ")}});
  if (!later.empty())
    log_warn("settings that hold from the next start on", {{"settings", join(later, " ")}});
}

// When the machine runs out of memory the kernel ends a sandbox, not the one process that all
// depend on; and what a burst needed is given back instead of being kept by each thread's arena.
// Before there is any other thread.
void place_process() {
  // A request needs a core for a moment: it must not wait until a build had its turn.
  if (const Status brief = take_turns(Turns::brief); !brief)
    log_debug("the server's turns on a core are ordinary ones", {{"error", brief.error().message}});
  const auto score = open_file("/proc/self/oom_score_adj", O_WRONLY);
  const Status scored = score ? write_all(score->get(), std::to_string(server_oom_score))
                              : Status(fail(score.error()));
  if (!scored)  // in a container without CAP_SYS_RESOURCE; sandboxes still go first
    log_info("the server is as likely as others to be ended when memory runs out",
             {{"error", scored.error().message}});
  constexpr int arenas = 4;
  ::mallopt(M_ARENA_MAX, arenas);
}

}  // namespace

int run_server(const ServerConfiguration& configuration, ServerEnvironment environment,
               const ReadConfiguration& read_again) {
  // Not the caller's folder: a server that it started may outlive it.
  if (::chdir("/") != 0) return info(Errc::io).exit_code;
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ServerConfiguration running = configuration;
  configure_log(running.settings.log.level, running.settings.log.format);
  place_process();
  if (const auto raised = raise_descriptor_limit(); !raised)
    log_warn("the limit of open files was not raised", {{"error", raised.error().message}});

  auto server = Server::start(running.settings, std::move(environment));
  if (!server) {
    const Error& error = server.error();
    log_error("the server did not start: " + error.message,
              {{"code", info(error.code).name}, {"hint", error.hint}});
    return info(error.code).exit_code;
  }
  int signal = 0;
  for (;;) {
    sigwait(&signals, &signal);
    if (signal != SIGHUP) break;
    reload(running, read_again);
  }
  log_info("stopping", {{"signal", signal}});
  (*server)->stop();
  log_info("stopped");
  return 0;
}

}  // namespace slipway
