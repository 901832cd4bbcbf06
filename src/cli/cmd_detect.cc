// slipway detect: what would be built and run, decided here and without a network.
#include <fmt/format.h>

#include <memory>
#include <system_error>

#include "cli/api_client.h"
#include "cli/command.h"
#include "cli/folder_tree.h"
#include "cli/upload.h"
#include "cli/view.h"
#include "detect/detect.h"
#include "store/workspace.h"

namespace slipway::cli {
namespace {

Result<int> detect_folder(Context& context, const std::optional<std::string>& path) {
  std::error_code error;
  const std::filesystem::path folder =
      std::filesystem::canonical(context.env.cwd / path.value_or("."), error);
  if (error || !std::filesystem::is_directory(folder, error))
    return fail(Errc::invalid_argument, fmt::format("there is no folder {}", path.value_or(".")));
  SLIPWAY_TRY(const ScannedFolder scanned,
              scan_folder(folder, stat_cache_file(context.env.cache_dir, folder)));
  const FolderTree tree(folder, scanned.manifest);
  const Plan plan = detect(tree);
  context.console.out(context.common.json ? printable_json(to_json(plan))
                                          : render_plan(plan, context.console.out_style()));
  return 0;
}

}  // namespace

Action define_detect(Arguments& arguments, CommonOptions& common) {
  auto path = std::make_shared<std::optional<std::string>>();
  arguments.positional("PATH", *path, "the folder (the current one unless given)",
                       ValueKind::folder, Presence::optional);
  arguments.flag("--json", common.json, "print the plan as JSON");
  return [path](Context& context) { return detect_folder(context, *path); };
}

}  // namespace slipway::cli
