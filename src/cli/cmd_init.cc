// slipway init: writes slipway.toml with what detection should do otherwise, and nothing else.
#include <fmt/format.h>

#include <fstream>
#include <memory>
#include <system_error>

#include "base/text.h"
#include "cli/api_client.h"
#include "cli/command.h"
#include "cli/folder_tree.h"
#include "cli/plan_options.h"
#include "cli/upload.h"
#include "detect/settings.h"
#include "store/workspace.h"

namespace slipway::cli {
namespace {

struct InitArguments {
  std::optional<std::string> path;
  PlanOptions options;
};

Result<int> write_settings(Context& context, const InitArguments& arguments) {
  std::error_code error;
  const std::string given = arguments.path.value_or(".");
  const std::filesystem::path folder = std::filesystem::canonical(context.env.cwd / given, error);
  if (error || !std::filesystem::is_directory(folder, error))
    return fail(Errc::invalid_argument, fmt::format("there is no folder {}", given));
  SLIPWAY_TRY(const DetectOptions options, arguments.options.read());
  SLIPWAY_TRY(const ScannedFolder scanned,
              scan_folder(folder, stat_cache_file(context.env.cache_dir, folder)));
  const FolderTree tree(folder, scanned.manifest);
  const std::string text = settings_file(tree, options);
  const std::filesystem::path file = folder / "slipway.toml";
  if (std::filesystem::exists(file, error) && !context.common.yes)
    return fail(Errc::failed_precondition, fmt::format("{} is there already", file.string()),
                "add -y to write it anew; what it says stays, options on the command line win");
  // Whole or not at all.
  const std::filesystem::path draft = folder / ".slipway.toml.new";
  {
    std::ofstream out(draft, std::ios::binary | std::ios::trunc);
    out << text;
    out.close();
    if (!out) return fail(Errc::io, fmt::format("{} could not be written", draft.string()));
  }
  std::filesystem::rename(draft, file, error);
  if (error) return fail(Errc::io, fmt::format("{}: {}", file.string(), error.message()));
  if (context.common.json)
    context.console.out(printable_json(json::object{{"file", file.string()}, {"text", text}}));
  else
    context.console.out(file.string() + "\n");
  if (!context.common.quiet && !context.common.json && text.find(" = ") == std::string::npos)
    context.console.err("detection needs no help here: the file holds no setting\n");
  return 0;
}

}  // namespace

Action define_init(Arguments& arguments, CommonOptions& common) {
  auto given = std::make_shared<InitArguments>();
  arguments.positional("PATH", given->path, "the folder (the current one unless given)",
                       ValueKind::folder, Presence::optional);
  given->options.declare(arguments);
  arguments.flag("-y, --yes", common.yes, "write over a slipway.toml that is there");
  arguments.flag("--json", common.json, "print the file and its text as JSON");
  return [given](Context& context) { return write_settings(context, *given); };
}

}  // namespace slipway::cli
