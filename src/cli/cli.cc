#include "cli/cli.h"

#include <fmt/format.h>
#include <signal.h>

#include "base/text.h"
#include "cli/api_client.h"
#include "cli/command.h"
#include "cli/complete.h"
#include "cli/decision_view.h"
#include "cli/view.h"

namespace slipway {
namespace cli {
namespace {

// The words in two: the options that came before the command's name go behind it.
struct Split {
  std::string name;
  std::vector<std::string> words;
};

Split split_command(const std::vector<std::string>& words) {
  Split out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (out.name.empty() && !word.starts_with('-')) {
      out.name = word;
      continue;
    }
    out.words.push_back(word);
    const bool takes_value = word == "--server" || word == "--token";
    if (out.name.empty() && takes_value && i + 1 < words.size()) out.words.push_back(words[++i]);
  }
  return out;
}

// What the rules let pass once people agree is not denied: it waits.
int exit_code_of(const Error& error) {
  if (error.code == Errc::denied_by_policy && !error.decision.empty())
    if (const auto decision = parse_json(error.decision); decision && decision->is_object())
      if (const int code = cli::exit_code_of(decision->get_object()); code != 0) return code;
  return info(error.code).exit_code;
}

int report(Console& console, const CommonOptions& common, const Error& error) {
  if (common.json) {
    json::object out{{"error", to_json(error)}};
    add_what_it_waits_for(error, out);
    console.out(printable_json(out));
  }
  console.err(render_error(error, console.err_style()));
  return exit_code_of(error);
}

bool asks_for_json(const std::vector<std::string>& words) {
  const auto end = std::ranges::find(words, "--");
  return std::find(words.begin(), end, "--json") != end;
}

int unknown_command(Console& console, const Split& wrong) {
  const std::string& name = wrong.name;
  std::vector<std::string> names;
  for (const Command& command : commands()) names.emplace_back(command.name);
  const auto meant = nearest(name, names);
  Error error{.code = Errc::invalid_argument,
              .message = fmt::format("there is no command '{}'", sanitize_line(name)),
              .hint = meant ? fmt::format("did you mean: slipway {}", *meant) : ""};
  error.next.push_back({"slipway --help", "for all commands"});
  CommonOptions common;
  common.json = asks_for_json(wrong.words);
  return report(console, common, error);
}

int run_command(Context& context, CommonOptions& common, const Command& command,
                const std::vector<std::string>& words) {
  Arguments arguments;
  const Action action = command.define(arguments, common);
  add_common_options(arguments, common);
  Status parsed = arguments.parse(words);
  if (parsed && common.help) {
    context.console.out(command_help(command, arguments, context.console.out_style()));
    return 0;
  }
  if (parsed) parsed = arguments.check_complete();
  if (!parsed) {
    common.json = common.json || asks_for_json(words);  // it may stand behind what is wrong
    Error error = std::move(parsed).error();
    error.next.push_back({fmt::format("slipway {} --help", command.name), "for how it is used"});
    return report(context.console, common, error);
  }
  const Result<int> outcome = action(context);
  return outcome ? *outcome : report(context.console, common, outcome.error());
}

int run(const std::vector<std::string>& words, const CliEnvironment& env) {
  Console console(env);
  const SystemClock clock;
  CommonOptions common;
  Context context{.env = env, .clock = clock, .console = console, .common = common};
  if (!words.empty() && words[0] == "__complete")
    return complete(context, {words.begin() + 1, words.end()});
  Split command = split_command(words);
  if (command.name.empty() || command.name == "help") {
    for (const std::string& word : command.words) {
      if (word == "--version" || word == "-V") {
        console.out("slipway " SLIPWAY_VERSION "\n");
        return 0;
      }
      if (const Command* about = find_command(word)) {  // slipway help deploy
        common.help = true;
        return run_command(context, common, *about, {});
      }
      if (word != "--help" && word != "-h")
        return report(console, common,
                      Error{.code = Errc::invalid_argument,
                            .message = fmt::format("what is {}?", sanitize_line(word)),
                            .hint = "slipway --help shows all commands"});
    }
    const std::string help = overview_help(console.out_style());
    const bool asked = !command.words.empty() || command.name == "help";
    asked ? console.out(help) : console.err(help);
    return asked ? 0 : 2;
  }
  const Command* found = find_command(command.name);
  if (found == nullptr) return unknown_command(console, command);
  return run_command(context, common, *found, command.words);
}

}  // namespace
}  // namespace cli

int run_cli(int argc, char** argv, const CliEnvironment& env) {
  ::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of write(), which is handled
  return cli::run({argv + (argc > 0 ? 1 : 0), argv + argc}, env);
}

}  // namespace slipway
