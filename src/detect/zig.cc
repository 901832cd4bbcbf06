#include <algorithm>

#include "base/text.h"
#include "detect/detectors.h"

namespace slipway::detection {
namespace {

// The option that asks for an optimized build. Zig refuses one that build.zig does not declare.
std::string_view optimize_option(const std::vector<Token>& tokens) {
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (!tokens[i].is("standardOptimizeOption") || !tokens[i + 1].is("(")) continue;
    for (std::size_t k = i + 2; k < tokens[i + 1].partner; ++k)
      if (tokens[k].is("preferred_optimize_mode")) return " -Drelease";
    return " -Doptimize=ReleaseSafe";
  }
  return "";
}

}  // namespace

std::optional<Proposal> detect_zig(const Root& root) {
  if (!root.has("build.zig")) return std::nullopt;
  const std::vector<Token> tokens = tokenize(root.text("build.zig"), Language::zig);
  // addExecutable(.{ .name = "server", … })
  std::string name;
  int line = 0;
  for (std::size_t i = 0; i + 1 < tokens.size() && name.empty(); ++i) {
    if (!tokens[i].is("addExecutable") || !tokens[i + 1].is("(")) continue;
    const std::size_t end = tokens[i + 1].partner;
    for (std::size_t k = i + 2; k + 2 < end; ++k)
      if (tokens[k].is("name") && tokens[k + 1].is("=") && tokens[k + 2].string()) {
        name = tokens[k + 2].text;
        line = tokens[k].line;
        break;
      }
  }
  if (name.empty()) return std::nullopt;
  Proposal proposal;
  Service& service = proposal.service;
  service.root = root.directory();
  service.provider = "zig";
  service.package_manager = "zig";
  service.runtime = {.name = "zig", .version = "", .source = "default"};
  const std::vector<Token> package = tokenize(root.text("build.zig.zon"), Language::zig);
  for (std::size_t i = 0; i + 2 < package.size(); ++i) {
    if (package[i].is("minimum_zig_version") && package[i + 2].string()) {
      service.runtime.version = ">=" + std::string(package[i + 2].text);
      service.runtime.source = "build.zig.zon minimum_zig_version";
    }
    for (const std::string_view framework : {"zap", "httpz", "jetzig", "tokamak"})
      if (service.framework.empty() && package[i].is(framework) && i > 0 &&
          package[i - 1].is(".")) {
        service.framework = framework;
        proposal.because(root.path("build.zig.zon"), package[i].line,
                         "depends on " + std::string(framework));
      }
  }
  if (const auto tool = tool_version(root, {"zig"})) {
    service.runtime.version = tool->version;
    service.runtime.source = std::string(base_name(tool->file));
  }
  proposal.because(root.path("build.zig"), line, "executable " + name);
  service.build = "zig build" + std::string(optimize_option(tokens));
  service.start = "./zig-out/bin/" + name;
  const std::vector<const SourceFacts*>& sources = root.sources(Language::zig);
  const bool listens = std::ranges::any_of(
      sources, [](const SourceFacts* facts) { return !facts->listens.empty(); });
  if (service.framework.empty() && !listens) service.kind = "worker";
  take_fixed_port(sources, "read PORT with std.process.getEnvVarOwned", proposal);
  service.confidence = !service.framework.empty() ? 0.93 : listens ? 0.9 : 0.7;
  add_source_facts(sources, root, proposal);
  proposal.reason = "build.zig with executable " + name;
  return proposal;
}

}  // namespace slipway::detection
