#include <algorithm>

#include "base/text.h"
#include "detect/detectors.h"

namespace slipway::detection {

std::optional<Proposal> detect_deno(const Root& root) {
  const std::string config = root.first_of({"deno.json", "deno.jsonc"});
  const json::value* document = config.empty() ? nullptr : root.json(config);
  const std::vector<const SourceFacts*>& sources = root.sources(Language::javascript);
  const auto deno_import = [](const Import& import) {
    return import.module.starts_with("jsr:") || import.module.starts_with("https://deno.land/") ||
           import.module.starts_with("npm:");
  };
  const SourceFacts* user = nullptr;
  for (const SourceFacts* facts : sources)
    if (user == nullptr && (facts->uses_deno || std::ranges::any_of(facts->imports, deno_import)))
      user = facts;
  if (document == nullptr && (user == nullptr || root.has("package.json"))) return std::nullopt;
  Proposal proposal;
  Service& service = proposal.service;
  service.root = root.directory();
  service.provider = "deno";
  service.package_manager = "deno";
  service.runtime = {.name = "deno", .version = "", .source = "default"};
  if (const auto fact = version_file(root, ".dvmrc"))
    service.runtime.version = fact->version, service.runtime.source = ".dvmrc";
  else if (const auto tool = tool_version(root, {"deno"}))
    service.runtime.version = tool->version,
    service.runtime.source = std::string(base_name(tool->file));
  const auto task = [&](std::string_view name) {
    return document == nullptr ? std::string_view{} : string_at(*document, {"tasks", name});
  };
  const auto mentions = [&](std::string_view module) {
    if (document != nullptr)
      for (const auto& [name, target] : object_at(*document, {"imports"}))
        if (target.is_string() && view(target.as_string()).find(module) != std::string_view::npos)
          return true;
    return std::ranges::any_of(sources, [&](const SourceFacts* facts) {
      return std::ranges::any_of(facts->imports, [&](const Import& import) {
        return import.module.find(module) != std::string::npos;
      });
    });
  };
  service.framework = mentions("@fresh/") || mentions("$fresh") || mentions("deno.land/x/fresh")
                          ? "fresh"
                      : mentions("@oak/oak") || mentions("deno.land/x/oak") ? "oak"
                      : mentions("hono")                                    ? "hono"
                                                                            : "";
  if (!task("build").empty()) service.build = "deno task build";
  std::string entry;
  for (const std::string_view file :
       {"main.ts", "server.ts", "mod.ts", "index.ts", "app.ts", "src/main.ts", "src/server.ts",
        "main.js", "server.js", "main.tsx"})
    if (entry.empty() && root.has(file)) entry = file;
  if (entry.empty() && user != nullptr) entry = root.relative(user->path);
  const std::string_view start = task("start");
  const bool development = start.find("--watch") != std::string_view::npos;
  if (!start.empty() && !development) {
    service.start = "deno task start";
    proposal.because(root.path(config), line_of(root.text(config), "\"start\""),
                     "tasks.start: " + std::string(start.substr(0, 120)));
  } else if (service.framework == "fresh" && !task("preview").empty()) {
    service.start = "deno task preview";
  } else if (!entry.empty()) {
    service.start = "deno run -A " + entry;
    proposal.because(root.path(entry), 0, "the program");
  } else {
    return std::nullopt;
  }
  if (!entry.empty()) {
    service.install = "deno cache " + entry;
    if (const SourceFacts* facts = root.source(entry))
      for (const Listen& listen : facts->listens) {
        // Deno.serve without a port ignores PORT and takes 8000.
        if (!listen.from_env && listen.port && !service.port && !facts->reads_port &&
            start.find("--port") == std::string_view::npos)
          service.port = listen.port;
        proposal.because(facts->path, listen.line, "listens");
      }
  }
  const bool serves = std::ranges::any_of(
      sources, [](const SourceFacts* facts) { return !facts->listens.empty(); });
  // A program that is all here and listens nowhere answers no request.
  if (!serves && service.framework.empty() && !entry.empty() &&
      (start.empty() || start.find(entry) != std::string_view::npos))
    service.kind = "worker";
  service.confidence = serves || !service.framework.empty() ? 0.97
                       : document != nullptr                ? 0.8
                                                            : 0.6;
  // A deno.json beside a package.json with scripts of its own is often only for the editor.
  if (root.has("package.json") && start.empty()) service.confidence = 0.6;
  proposal.reason = document != nullptr ? config : "sources that use Deno";
  add_source_facts(sources, root, proposal);
  return proposal;
}

}  // namespace slipway::detection
