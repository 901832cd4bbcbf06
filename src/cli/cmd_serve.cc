// slipway serve: the server, in the foreground.
#include <memory>

#include "cli/command.h"

namespace slipway::cli {

Action define_serve(Arguments& arguments, CommonOptions&) {
  struct Own {
    std::optional<std::string> data, listen, domain, config;
  };
  auto own = std::make_shared<Own>();
  arguments.option("--data", "DIR", own->data,
                   "where everything is kept (/var/lib/slipway as root)", ValueKind::folder);
  arguments.option("--listen", "ADDR:PORT", own->listen,
                   "where to listen (127.0.0.1:7070); port 0 is any free one");
  arguments.option("--domain", "NAME", own->domain, "apps get host names below this (localhost)");
  arguments.option("--config", "FILE", own->config, "settings, in TOML", ValueKind::file);
  return [own](Context& context) -> Result<int> {
    if (!context.env.serve) return fail(Errc::internal, "this program has no server in it");
    const auto absolute = [&](const std::optional<std::string>& path) {
      return path ? std::optional((context.env.cwd / *path).lexically_normal()) : std::nullopt;
    };
    ServeOptions options{.data = absolute(own->data),
                         .listen = own->listen,
                         .domain = own->domain,
                         .config = absolute(own->config)};
    // The variable that says where commands look for the local server says where it lives, too.
    if (!options.data && !context.env.variable("SLIPWAY_DATA").empty())
      options.data = context.env.data_dir;
    return context.env.serve(options);
  };
}

}  // namespace slipway::cli
