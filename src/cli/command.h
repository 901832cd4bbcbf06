#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "cli/arguments.h"
#include "cli/cli.h"
#include "cli/console.h"
#include "identity/permission.h"

namespace slipway::cli {

// What every command understands.
struct CommonOptions {
  std::optional<std::string> server, token;
  bool verbose = false, quiet = false, help = false;
  // Set by the commands that have --json and -y.
  bool json = false, yes = false;
};

// What a command works with. Lives as long as the command runs.
struct Context {
  const CliEnvironment& env;
  const Clock& clock;
  Console& console;
  const CommonOptions& common;
};

// Does the work after the command line was understood; the exit code, or the error to show.
using Action = std::function<Result<int>(Context&)>;

enum class Group { deploy, release, look, change, govern, server };

// One command: a file of its own (cmd_<name>.cc) and a row in the table of commands.cc.
struct Command {
  std::string_view name;
  Group group = Group::deploy;
  std::string_view summary;   // one line, for the overview
  std::string_view details;   // the rest of its --help, in paragraphs
  std::string_view examples;  // lines of commands, with comments
  // Declares the options, bound to state that the action owns.
  Action (*define)(Arguments& arguments, CommonOptions& common);
  // What it may need on the server, all its words together; none for what asks no server.
  PermissionSet needs = {};
};

// In the order of the overview.
[[nodiscard]] std::span<const Command> commands();
[[nodiscard]] const Command* find_command(std::string_view name);
void add_common_options(Arguments& arguments, CommonOptions& common);

// Texts of --help, for `slipway` and for one command.
[[nodiscard]] std::string overview_help(const Style& style);
[[nodiscard]] std::string command_help(const Command& command, const Arguments& arguments,
                                       const Style& style);

// One a file.
Action define_deploy(Arguments& arguments, CommonOptions& common);
Action define_detect(Arguments& arguments, CommonOptions& common);
Action define_init(Arguments& arguments, CommonOptions& common);
Action define_ls(Arguments& arguments, CommonOptions& common);
Action define_inspect(Arguments& arguments, CommonOptions& common);
Action define_logs(Arguments& arguments, CommonOptions& common);
Action define_env(Arguments& arguments, CommonOptions& common);
Action define_alerts(Arguments& arguments, CommonOptions& common);
Action define_open(Arguments& arguments, CommonOptions& common);
Action define_domain(Arguments& arguments, CommonOptions& common);
Action define_volume(Arguments& arguments, CommonOptions& common);
Action define_redeploy(Arguments& arguments, CommonOptions& common);
Action define_promote(Arguments& arguments, CommonOptions& common);
Action define_rollback(Arguments& arguments, CommonOptions& common);
Action define_releases(Arguments& arguments, CommonOptions& common);
Action define_rollouts(Arguments& arguments, CommonOptions& common);
Action define_rollout(Arguments& arguments, CommonOptions& common);
Action define_resume(Arguments& arguments, CommonOptions& common);
Action define_restart(Arguments& arguments, CommonOptions& common);
Action define_scale(Arguments& arguments, CommonOptions& common);
Action define_rm(Arguments& arguments, CommonOptions& common);
Action define_undo(Arguments& arguments, CommonOptions& common);
Action define_audit(Arguments& arguments, CommonOptions& common);
Action define_why(Arguments& arguments, CommonOptions& common);
Action define_policy(Arguments& arguments, CommonOptions& common);
Action define_approvals(Arguments& arguments, CommonOptions& common);
Action define_approve(Arguments& arguments, CommonOptions& common);
Action define_reject(Arguments& arguments, CommonOptions& common);
Action define_waive(Arguments& arguments, CommonOptions& common);
Action define_break_glass(Arguments& arguments, CommonOptions& common);
Action define_gc(Arguments& arguments, CommonOptions& common);
Action define_down(Arguments& arguments, CommonOptions& common);
Action define_serve(Arguments& arguments, CommonOptions& common);
Action define_doctor(Arguments& arguments, CommonOptions& common);
Action define_login(Arguments& arguments, CommonOptions& common);
Action define_whoami(Arguments& arguments, CommonOptions& common);
Action define_token(Arguments& arguments, CommonOptions& common);
Action define_agent(Arguments& arguments, CommonOptions& common);
Action define_team(Arguments& arguments, CommonOptions& common);
Action define_completion(Arguments& arguments, CommonOptions& common);
Action define_version(Arguments& arguments, CommonOptions& common);

}  // namespace slipway::cli
