// slipway detect: what would be built and run, decided here and without a network.
#include <fmt/format.h>

#include <memory>
#include <system_error>

#include "cli/api_client.h"
#include "cli/command.h"
#include "cli/folder_tree.h"
#include "cli/plan_options.h"
#include "cli/upload.h"
#include "detect/describe.h"
#include "detect/detect.h"
#include "detect/explain.h"
#include "store/workspace.h"

namespace slipway::cli {
namespace {

struct DetectArguments {
  std::optional<std::string> path, explain;
  PlanOptions options;
};

Result<int> detect_folder(Context& context, const DetectArguments& arguments) {
  std::error_code error;
  const std::string given = arguments.path.value_or(".");
  const std::filesystem::path folder = std::filesystem::canonical(context.env.cwd / given, error);
  if (error || !std::filesystem::is_directory(folder, error))
    return fail(Errc::invalid_argument, fmt::format("there is no folder {}", given));
  SLIPWAY_TRY(const DetectOptions options, arguments.options.read());
  SLIPWAY_TRY(const ScannedFolder scanned,
              scan_folder(folder, stat_cache_file(context.env.cache_dir, folder)));
  const FolderTree tree(folder, scanned.manifest);
  const Plan plan = detect(tree, options);
  if (arguments.explain) {
    SLIPWAY_TRY(const std::string text, explain(plan, *arguments.explain));
    context.console.out(context.common.json ? printable_json(json::object{
                                                  {"field", *arguments.explain}, {"text", text}})
                                            : text);
    return 0;
  }
  context.console.out(context.common.json ? printable_json(to_json(plan)) : describe(plan));
  return 0;
}

}  // namespace

Action define_detect(Arguments& arguments, CommonOptions& common) {
  auto given = std::make_shared<DetectArguments>();
  arguments.positional("PATH", given->path, "the folder (the current one unless given)",
                       ValueKind::folder, Presence::optional);
  arguments.option("--explain", "FIELD", given->explain,
                   "say why one field is what it is: start, runtime, env, framework, ...");
  given->options.declare(arguments);
  arguments.flag("--json", common.json, "print the plan as JSON");
  return [given](Context& context) { return detect_folder(context, *given); };
}

}  // namespace slipway::cli
