#include <algorithm>

#include "base/text.h"
#include "detect/detectors.h"

namespace slipway::detection {

std::optional<Proposal> detect_crystal(const Root& root) {
  const json::value* shard =
      root.has("shard.yml") ? root.project().yaml(root.path("shard.yml")) : nullptr;
  if (shard == nullptr) return std::nullopt;
  const std::string_view text = root.text("shard.yml");
  std::string target;
  for (const auto& [name, item] : object_at(*shard, {"targets"}))
    if (target.empty()) target = std::string_view{name};
  Proposal proposal;
  Service& service = proposal.service;
  service.root = root.directory();
  service.provider = "crystal";
  service.package_manager = "shards";
  service.runtime = {.name = "crystal", .version = "", .source = "default"};
  if (const std::string_view version = string_at(*shard, {"crystal"}); !version.empty()) {
    service.runtime.version = version;
    service.runtime.source = "shard.yml crystal";
    proposal.because(root.path("shard.yml"), line_of(text, "crystal:"),
                     "Crystal " + service.runtime.version);
  }
  const json::object& dependencies = object_at(*shard, {"dependencies"});
  for (const std::string_view framework : {"kemal", "lucky", "amber", "athena", "grip", "marten"})
    if (service.framework.empty() && dependencies.contains(framework)) {
      service.framework = framework;
      proposal.because(root.path("shard.yml"), line_of(text, framework),
                       "depends on " + std::string(framework));
    }
  for (const auto& [name, driver] : {std::pair{"pg", "pg"}, std::pair{"mysql", "mysql"},
                                     std::pair{"sqlite3", "sqlite3"}, std::pair{"redis", "redis"}})
    if (dependencies.contains(name)) add_dependency(driver, service);
  service.install = "shards install --production";
  for (const std::string_view file : {"shard.lock", "shard.yml"})
    if (root.has(file)) service.install_inputs.push_back(root.path(file));
  const std::string name(string_at(*shard, {"name"}));
  if (!target.empty()) {
    service.build = "shards build --production --release";
    service.start = "./bin/" + target;
  } else if (!name.empty() && root.has("src/" + name + ".cr")) {
    service.build = "mkdir -p bin && crystal build --release -o bin/" + shell_word(name) + " " +
                    shell_word("src/" + name + ".cr");
    service.start = "./bin/" + name;
  } else {
    return std::nullopt;
  }
  const std::vector<const SourceFacts*>& sources = root.sources(Language::crystal);
  // Kemal's own command line takes the port.
  if (service.framework == "kemal") *service.start += " --port $PORT --bind 0.0.0.0";
  const bool listens = std::ranges::any_of(
      sources, [](const SourceFacts* facts) { return !facts->listens.empty(); });
  if (service.framework.empty() && !listens) service.kind = "worker";
  if (service.framework.empty())
    take_fixed_port(sources, "listen on ENV.fetch(\"PORT\", …).to_i", proposal);
  service.confidence = !service.framework.empty() ? 0.95 : listens ? 0.9 : 0.7;
  add_source_facts(sources, root, proposal);
  proposal.reason = "shard.yml";
  return proposal;
}

}  // namespace slipway::detection
