#include <algorithm>

#include "base/text.h"
#include "detect/detectors.h"

namespace slipway::detection {
namespace {

// Names of `executable x` stanzas, and whether a word stands among the dependencies.
std::vector<std::string> cabal_executables(std::string_view text) {
  std::vector<std::string> names;
  for (const std::string_view line : lines(text))
    if (to_lower(line.substr(0, 11)) == "executable ") names.emplace_back(trim(line.substr(11)));
  return names;
}

}  // namespace

std::optional<Proposal> detect_haskell(const Root& root) {
  std::string cabal;
  for (const std::string& file : root.files())
    if (cabal.empty() && file.ends_with(".cabal") && file.find('/') == std::string::npos)
      cabal = file;
  const bool stack = root.has("stack.yaml");
  const json::value* package =
      root.has("package.yaml") ? root.project().yaml(root.path("package.yaml")) : nullptr;
  if (cabal.empty() && package == nullptr) return std::nullopt;
  std::vector<std::string> executables = cabal_executables(root.text(cabal));
  if (package != nullptr)
    for (const auto& [name, item] : object_at(*package, {"executables"}))
      if (std::ranges::find(executables, std::string_view{name}) == executables.end())
        executables.emplace_back(std::string_view{name});
  if (executables.empty()) return std::nullopt;
  Proposal proposal;
  Service& service = proposal.service;
  const std::string manifest = package != nullptr ? "package.yaml" : cabal;
  const std::string_view text = root.text(manifest);
  service.root = root.directory();
  service.provider = "haskell";
  service.package_manager = stack ? "stack" : "cabal";
  service.runtime = {.name = "ghc", .version = "", .source = "default"};
  if (stack)
    if (const json::value* config = root.project().yaml(root.path("stack.yaml")))
      for (const std::string_view key : {"resolver", "snapshot"})
        if (const std::string_view version = string_at(*config, {key}); !version.empty()) {
          service.runtime.version = version;
          service.runtime.source = "stack.yaml " + std::string(key);
          proposal.because(root.path("stack.yaml"), line_of(root.text("stack.yaml"), key),
                           "snapshot " + std::string(version));
        }
  if (const auto tool = tool_version(root, {"ghc", "haskell"}); tool && !stack) {
    service.runtime.version = tool->version;
    service.runtime.source = std::string(base_name(tool->file));
  }
  for (const auto& [mark, framework] :
       {std::pair{"servant-server", "servant"}, std::pair{"scotty", "scotty"},
        std::pair{"yesod", "yesod"}, std::pair{"ihp", "ihp"}, std::pair{"Spock", "spock"},
        std::pair{"snap-server", "snap"}, std::pair{"warp", "warp"}})
    if (service.framework.empty() && text.find(mark) != std::string_view::npos) {
      service.framework = framework;
      proposal.because(root.path(manifest), line_of(text, mark), std::string("depends on ") + mark);
    }
  for (const auto& [mark, driver] :
       {std::pair{"postgresql-simple", "pg"}, std::pair{"persistent-postgresql", "pg"},
        std::pair{"hasql", "pg"}, std::pair{"sqlite-simple", "sqlite3"},
        std::pair{"persistent-sqlite", "sqlite3"}, std::pair{"mysql-simple", "mysql"}})
    if (text.find(mark) != std::string_view::npos) add_dependency(driver, service);
  const std::string& name = executables.front();
  if (executables.size() > 1)
    proposal.questions.push_back({.id = "haskell_executable",
                                  .text = "which executable?",
                                  .choices = executables,
                                  .default_choice = name,
                                  .flag = "--start './bin/<name>'"});
  service.build = stack ? "stack build --copy-bins --local-bin-path bin"
                        : "cabal update && cabal install exe:" + shell_word(name) +
                              " --installdir=bin --install-method=copy --overwrite-policy=always";
  service.start = "./bin/" + name;
  proposal.because(root.path(manifest), line_of(text, name), "executable " + name);
  const std::vector<const SourceFacts*>& sources = root.sources(Language::haskell);
  const bool listens = std::ranges::any_of(
      sources, [](const SourceFacts* facts) { return !facts->listens.empty(); });
  if (service.framework.empty() && !listens) service.kind = "worker";
  take_fixed_port(sources, "read the port with lookupEnv \"PORT\"", proposal);
  service.confidence = !service.framework.empty() ? 0.93 : listens ? 0.85 : 0.7;
  add_source_facts(sources, root, proposal);
  proposal.reason = manifest + " with executable " + name;
  return proposal;
}

}  // namespace slipway::detection
