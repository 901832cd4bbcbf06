// Site generators that are one program with no language of their own to install.
#include "base/text.h"
#include "detect/detectors.h"

namespace slipway::detection {
namespace {

struct Generator {
  std::string_view name, config, also;  // `also`: something that must be there besides
  std::string_view build, output, key;  // `key`: of the config, moves the output
};
constexpr Generator generators[] = {
    {"hugo", "hugo.toml", "", "hugo --gc --minify", "public", "publishDir"},
    {"hugo", "hugo.yaml", "", "hugo --gc --minify", "public", "publishDir"},
    {"hugo", "config/_default/hugo.toml", "", "hugo --gc --minify", "public", "publishDir"},
    {"hugo", "config.toml", "archetypes", "hugo --gc --minify", "public", "publishDir"},
    {"hugo", "config.yaml", "archetypes", "hugo --gc --minify", "public", "publishDir"},
    {"hugo", "config.toml", "layouts", "hugo --gc --minify", "public", "publishDir"},
    {"hugo", "config.toml", "content", "hugo --gc --minify", "public", "publishDir"},
    {"hugo", "config.yaml", "content", "hugo --gc --minify", "public", "publishDir"},
    {"zola", "config.toml", "content", "zola build", "public", "output_dir"},
    {"mdbook", "book.toml", "", "mdbook build", "book", ""},
    {"pelican", "pelicanconf.py", "", "pelican content", "output", ""},
};

}  // namespace

std::optional<Proposal> detect_site_generator(const Root& root) {
  for (const Generator& generator : generators) {
    if (!root.has(generator.config)) continue;
    if (!generator.also.empty() && !root.project().files().has_directory(root.path(generator.also)))
      continue;
    if (generator.name == "zola" && !root.project().files().has_directory(root.path("templates")) &&
        !root.project().files().has_directory(root.path("sass")) &&
        !root.project().files().has_directory(root.path("themes")))
      continue;
    // Hugo's and Zola's old names are one: Hugo's has baseURL, Zola's base_url.
    if (generator.config == "config.toml") {
      const json::value* document = root.toml(generator.config);
      if (document == nullptr) continue;
      const bool zola = find(*document, {"base_url"}) != nullptr;
      if (zola != (generator.name == "zola")) continue;
      if (!zola && generator.also != "archetypes" && find(*document, {"baseURL"}) == nullptr &&
          find(*document, {"baseurl"}) == nullptr)
        continue;
    }
    if (generator.config == "config.yaml" && generator.also == "content" &&
        root.text(generator.config).find("baseURL") == std::string_view::npos)
      continue;
    Proposal proposal;
    // A theme is a submodule as often as not, and those are not part of a folder's files.
    if (generator.name == "hugo" && generator.config.ends_with(".toml"))
      if (const json::value* document = root.toml(generator.config))
        if (const std::string theme(string_at(*document, {"theme"}));
            !theme.empty() && !root.has("go.mod") &&
            !root.project().files().has_directory(root.path("themes/" + theme)))
          proposal.warn("theme_missing", "the theme " + theme + " is not in themes/",
                        root.path(generator.config), line_of(root.text(generator.config), "theme"),
                        "git submodule update --init, then deploy again");
    Service& service = proposal.service;
    service.root = root.directory();
    service.provider = "static";
    service.framework = generator.name;
    service.kind = "static";
    service.is_static = true;
    service.runtime = {.name = std::string(generator.name), .version = "", .source = "default"};
    service.build = generator.build;
    service.output_dir = generator.output;
    if (generator.config.ends_with(".toml") && !generator.key.empty())
      if (const json::value* document = root.toml(generator.config))
        if (const std::string_view output = string_at(*document, {generator.key}); !output.empty())
          service.output_dir = output;
    if (const auto tool = tool_version(root, {generator.name}))
      service.runtime.version = tool->version,
      service.runtime.source = std::string(base_name(tool->file));
    service.confidence = generator.also.empty() ? 0.95 : 0.9;
    proposal.because(root.path(generator.config), 0, "a " + std::string(generator.name) + " site");
    proposal.reason = std::string(generator.config);
    return proposal;
  }
  return std::nullopt;
}

}  // namespace slipway::detection
