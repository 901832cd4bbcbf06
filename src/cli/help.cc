// The texts of --help.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/command.h"

namespace slipway::cli {
namespace {

constexpr std::string_view environment_text =
    "  SLIPWAY_SERVER, SLIPWAY_TOKEN   the server and the key to it, before credentials.json\n"
    "  SLIPWAY_DATA                    data directory of the local server; used even when there\n"
    "                                  is a credentials.json\n"
    "  XDG_CONFIG_HOME, XDG_CACHE_HOME where credentials.json and the caches lie\n"
    "  NO_COLOR                        no colours\n";

constexpr std::string_view exit_text =
    "  0 done   2 bad usage or input   3 not found   4 conflict or unmet condition\n"
    "  5 over budget   6 denied by policy   7 the app's build or start failed\n"
    "  70 internal error   75 try again   77 not allowed   130 canceled\n";

std::string wrap(std::string_view text, std::size_t width, std::size_t indent) {
  std::string out;
  std::size_t column = 0;
  for (const std::string_view word : split(text, ' ')) {
    if (column > 0 && column + 1 + display_width(word) > width) {
      out += "\n" + std::string(indent, ' ');
      column = 0;
    }
    if (column > 0) out += ' ', ++column;
    out += word;
    column += display_width(word);
  }
  return out;
}

std::string left_of(const Arguments::Option& option) {
  std::string out = option.letter != 0 ? fmt::format("-{}", option.letter) : "  ";
  if (!option.name.empty())
    out += fmt::format("{} --{}", option.letter != 0 ? "," : " ", option.name);
  if (option.takes_value()) out += " " + option.placeholder;
  return out;
}

using Rows = std::vector<std::pair<std::string, std::string>>;

std::string two_columns(const Rows& rows, const Style& style) {
  std::size_t left = 0;
  for (const auto& [name, text] : rows) left = std::max(left, name.size());
  const auto total = static_cast<std::size_t>(std::clamp(style.width, 40, 100));
  const std::size_t indent = left + 4, room = total > indent + 20 ? total - indent : 20;
  std::string out;
  for (const auto& [name, text] : rows)
    out += fmt::format("  {}  {}\n", pad(name, left), wrap(text, room, indent));
  return out;
}

std::string examples_block(std::string_view examples, const Style& style) {
  std::string out;
  for (const std::string_view line : lines(examples)) {
    const auto comment = line.find(" # ");
    out += "  ";
    out += comment == std::string_view::npos
               ? std::string(line)
               : std::string(line.substr(0, comment + 1)) + style.dim(line.substr(comment + 1));
    out += '\n';
  }
  return out;
}

}  // namespace

std::string overview_help(const Style& style) {
  struct Section {
    Group group;
    std::string_view title;
  };
  constexpr Section sections[] = {{Group::deploy, "Deploy"}, {Group::release, "Release"},
                                  {Group::look, "Look"},     {Group::change, "Change"},
                                  {Group::govern, "Govern"}, {Group::server, "Server and setup"}};
  std::string out = "Slipway: from a folder to a live URL, in one command.\n\n" +
                    style.bold("Usage") + "\n  slipway COMMAND [options]\n";
  for (const Section& section : sections) {
    Rows rows;
    for (const Command& command : commands())
      if (command.group == section.group)
        rows.emplace_back(pad(command.name, 10), std::string(command.summary));
    out += fmt::format("\n{}\n{}", style.bold(section.title), two_columns(rows, style));
  }
  out += fmt::format(
      "\n{}\n{}", style.bold("Examples"),
      examples_block("slipway deploy              # the current folder, live\n"
                     "slipway promote shop        # its newest preview serves production\n"
                     "slipway ls                  # what there is\n"
                     "slipway logs shop -f        # what it writes\n"
                     "slipway deploy --help       # more about one command",
                     style));
  out += fmt::format("\n{}\n{}", style.bold("Environment"), environment_text);
  out += fmt::format("\n{}\n{}", style.bold("Exit codes"), exit_text);
  return out;
}

std::string command_help(const Command& command, const Arguments& arguments, const Style& style) {
  std::string out = fmt::format("{}.\n\n{}\n  slipway {}{} [options]\n", command.summary,
                                style.bold("Usage"), command.name, arguments.usage());
  if (!command.details.empty()) {
    const auto width = static_cast<std::size_t>(std::clamp(style.width, 40, 90));
    for (const std::string_view paragraph : lines(command.details))
      if (!paragraph.empty()) out += fmt::format("\n{}\n", wrap(paragraph, width, 0));
  }
  Rows positionals, own, common;
  for (const Arguments::Positional& spec : arguments.positional_specs())
    positionals.emplace_back(spec.name, spec.help);
  for (std::size_t i = 0; i < arguments.options().size(); ++i) {
    const Arguments::Option& option = arguments.options()[i];
    (i < arguments.common_from() ? own : common).emplace_back(left_of(option), option.help);
  }
  const auto section = [&](std::string_view title, const Rows& rows) {
    if (!rows.empty()) out += fmt::format("\n{}\n{}", style.bold(title), two_columns(rows, style));
  };
  section("Arguments", positionals);
  section("Options", own);
  section("Options of every command", common);
  if (!command.examples.empty())
    out += fmt::format("\n{}\n{}", style.bold("Examples"), examples_block(command.examples, style));
  return out;
}

}  // namespace slipway::cli
