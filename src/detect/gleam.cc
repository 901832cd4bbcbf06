#include <algorithm>

#include "base/text.h"
#include "detect/detectors.h"

namespace slipway::detection {

std::optional<Proposal> detect_gleam(const Root& root) {
  const json::value* manifest = root.has("gleam.toml") ? root.toml("gleam.toml") : nullptr;
  if (manifest == nullptr) return std::nullopt;
  const std::string name(string_at(*manifest, {"name"}));
  const std::string_view text = root.text("gleam.toml");
  const json::object& dependencies = object_at(*manifest, {"dependencies"});
  const json::object& development = object_at(*manifest, {"dev-dependencies"});
  if (name.empty() || !root.has("src/" + name + ".gleam")) return std::nullopt;
  Proposal proposal;
  Service& service = proposal.service;
  service.root = root.directory();
  service.provider = "gleam";
  service.package_manager = "gleam";
  service.runtime = {.name = "gleam", .version = "", .source = "default"};
  if (const std::string_view version = string_at(*manifest, {"gleam"}); !version.empty()) {
    service.runtime.version = version;
    service.runtime.source = "gleam.toml gleam";
  } else if (const auto tool = tool_version(root, {"gleam"})) {
    service.runtime.version = tool->version;
    service.runtime.source = std::string(base_name(tool->file));
  }
  for (const std::string_view framework : {"wisp", "mist", "glen", "lustre"})
    if (service.framework.empty() && dependencies.contains(framework)) {
      service.framework = framework;
      proposal.because(root.path("gleam.toml"), line_of(text, framework),
                       "depends on " + std::string(framework));
    }
  for (const auto& [package, driver] :
       {std::pair{"pog", "pg"}, std::pair{"gleam_pgo", "pg"}, std::pair{"sqlight", "sqlite3"}})
    if (dependencies.contains(package)) add_dependency(driver, service);
  service.install = "gleam deps download";
  for (const std::string_view file : {"gleam.toml", "manifest.toml"})
    if (root.has(file)) service.install_inputs.push_back(root.path(file));
  const bool tools =
      dependencies.contains("lustre_dev_tools") || development.contains("lustre_dev_tools");
  if (service.framework == "lustre" && tools && !dependencies.contains("mist")) {
    service.build = "gleam run -m lustre/dev build --minify";
    service.is_static = true;
    service.kind = "static";
    service.output_dir = "dist";
    service.fallback = StaticFallback::single_page_app;
    service.confidence = 0.8;
  } else if (string_at(*manifest, {"target"}) == "javascript") {
    service.build = "gleam build";
    service.start = "gleam run";
    service.confidence = 0.8;
  } else {
    service.build = "gleam export erlang-shipment";
    service.start = "./build/erlang-shipment/entrypoint.sh run";
    service.confidence = service.framework.empty() ? 0.7 : 0.93;
  }
  const std::vector<const SourceFacts*>& sources = root.sources(Language::gleam);
  if (service.framework.empty()) service.kind = "worker";
  if (!service.is_static) take_fixed_port(sources, "read PORT with envoy.get(\"PORT\")", proposal);
  add_source_facts(sources, root, proposal);
  proposal.reason = "gleam.toml";
  return proposal;
}

}  // namespace slipway::detection
