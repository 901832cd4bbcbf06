// slipway version
#include <fmt/format.h>

#include "cli/api_client.h"
#include "cli/command.h"

namespace slipway::cli {

Action define_version(Arguments& arguments, CommonOptions& common) {
  arguments.flag("--json", common.json, "print {\"version\": \"...\"}");
  return [](Context& context) -> Result<int> {
    context.console.out(context.common.json
                            ? printable_json(json::object{{"version", SLIPWAY_VERSION}})
                            : "slipway " SLIPWAY_VERSION "\n");
    return 0;
  };
}

}  // namespace slipway::cli
