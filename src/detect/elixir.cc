#include <algorithm>
#include <ranges>

#include "detect/detectors.h"

namespace slipway::detection {
namespace {

// app: :name in mix.exs.
std::string app_name(const std::vector<Token>& tokens) {
  for (std::size_t i = 0; i + 3 < tokens.size(); ++i)
    if (tokens[i].is("app") && tokens[i + 1].is(":") && tokens[i + 2].is(":"))
      return std::string(tokens[i + 3].text);
  return {};
}

// {:phoenix, "~> 1.7"}
bool depends(const std::vector<Token>& tokens, std::string_view name) {
  for (std::size_t i = 0; i + 2 < tokens.size(); ++i)
    if (tokens[i].is("{") && tokens[i + 1].is(":") && tokens[i + 2].is(name)) return true;
  return false;
}

}  // namespace

std::optional<Proposal> detect_elixir(const Root& root) {
  if (!root.has("mix.exs")) return std::nullopt;
  Proposal proposal;
  Service& service = proposal.service;
  const std::string_view text = root.text("mix.exs");
  const std::vector<Token> tokens = tokenize(text, Language::elixir);
  const std::string app = app_name(tokens);
  if (app.empty()) return std::nullopt;
  service.root = root.directory();
  service.provider = "elixir";
  service.package_manager = "mix";
  service.runtime = {.name = "elixir", .version = "", .source = "default"};
  for (std::size_t i = 0; i + 2 < tokens.size(); ++i)
    if (tokens[i].is("elixir") && tokens[i + 1].is(":") && tokens[i + 2].string()) {
      service.runtime.version = tokens[i + 2].text;
      service.runtime.source = "mix.exs elixir";
      proposal.because(root.path("mix.exs"), tokens[i].line, "Elixir " + service.runtime.version);
    }
  if (const auto tool = tool_version(root, {"elixir"}))
    service.runtime.version = tool->version,
    service.runtime.source = std::string(base_name(tool->file));
  // Without dependencies nothing is fetched, Hex itself included.
  const bool dependencies = std::ranges::any_of(
      std::views::iota(std::size_t{2}, std::max<std::size_t>(tokens.size(), 2)),
      [&](std::size_t i) {
        return tokens[i - 2].is("{") && tokens[i - 1].is(":") && tokens[i].word();
      });
  if (dependencies)
    service.install =
        "mix local.hex --force && mix local.rebar --force && MIX_ENV=prod mix deps.get --only prod";
  if (dependencies)
    for (const std::string_view file : {"mix.exs", "mix.lock"})
      if (root.has(file)) service.install_inputs.push_back(root.path(file));
  const bool phoenix = depends(tokens, "phoenix");
  const bool assets = text.find("\"assets.deploy\"") != std::string_view::npos;
  service.build = std::string("MIX_ENV=prod mix compile") +
                  (assets ? " && MIX_ENV=prod mix assets.deploy" : "") +
                  " && MIX_ENV=prod mix release --overwrite";
  service.start = (phoenix ? "PHX_SERVER=true " : "") + std::string("_build/prod/rel/") + app +
                  "/bin/" + app + " start";
  if (phoenix) {
    service.framework = "phoenix";
    proposal.because(root.path("mix.exs"), line_of(text, ":phoenix,"), "depends on phoenix");
    service.env.push_back({.name = "SECRET_KEY_BASE",
                           .required = true,
                           .kind = "secret",
                           .evidence = root.path("config/runtime.exs") + ":1"});
  } else if (depends(tokens, "plug_cowboy") || depends(tokens, "bandit")) {
    service.framework = "plug";
  }
  for (const std::string_view driver : {"postgrex", "myxql"})
    if (depends(tokens, driver)) add_dependency(driver, service);
  if (depends(tokens, "ecto_sql") && phoenix)
    service.release = "_build/prod/rel/" + app + "/bin/" + app + " eval \"" +
                      "Enum.each(Application.fetch_env!(:" + app +
                      ", :ecto_repos), &Ecto.Migrator.with_repo(&1, fn r -> Ecto.Migrator.run(r, "
                      ":up, all: true) end))\"";
  service.confidence = phoenix ? 0.96 : service.framework.empty() ? 0.7 : 0.9;
  const std::vector<const SourceFacts*>& sources = root.sources(Language::elixir);
  const bool serves =
      std::ranges::any_of(sources, [](const SourceFacts* facts) { return facts->reads_port; });
  if (service.framework.empty() && serves) service.confidence = 0.85;
  if (service.framework.empty() && !serves) service.kind = "worker";
  proposal.reason = "mix.exs";
  add_source_facts(sources, root, proposal);
  return proposal;
}

}  // namespace slipway::detection
