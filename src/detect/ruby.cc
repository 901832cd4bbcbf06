#include <algorithm>
#include <map>

#include "base/text.h"
#include "detect/detectors.h"
#include "detect/listed.h"

namespace slipway::detection {
namespace {

struct Gemfile {
  std::map<std::string, int> gems;  // name -> line
  std::string ruby;
  int ruby_line = 0;
  bool local = false;  // path: gems or a gemspec: the install reads sources
  [[nodiscard]] bool has(const std::string& name) const { return gems.contains(name); }
};

// Gemfile is Ruby; `gem "x"` and `ruby "3.3"` at a line's start are what counts.
Gemfile read_gemfile(std::string_view text) {
  Gemfile gemfile;
  const std::vector<Token> tokens = tokenize(text, Language::ruby);
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    const bool first = i == 0 || tokens[i - 1].line != tokens[i].line;
    const Token& argument =
        tokens[i + 1].is("(") && i + 2 < tokens.size() ? tokens[i + 2] : tokens[i + 1];
    if (tokens[i].is("path") && tokens[i + 1].is(":")) gemfile.local = true;
    if (!first) continue;
    if (tokens[i].is("gemspec")) gemfile.local = true;
    if (!argument.string()) continue;
    if (tokens[i].is("gem")) gemfile.gems.emplace(argument.text, argument.line);
    if (tokens[i].is("ruby")) {
      gemfile.ruby = argument.text;
      gemfile.ruby_line = argument.line;
    }
  }
  return gemfile;
}

void plan_runtime(const Root& root, const Gemfile& gemfile, Proposal& proposal) {
  RuntimeNeed& need = proposal.service.runtime;
  need = {.name = "ruby", .version = "", .source = "default"};
  if (const auto fact = version_file(root, ".ruby-version")) {
    need.version = fact->version.starts_with("ruby-") ? fact->version.substr(5) : fact->version;
    need.source = ".ruby-version";
  } else if (!gemfile.ruby.empty()) {
    need.version = gemfile.ruby;
    need.source = "Gemfile";
    proposal.because(root.path("Gemfile"), gemfile.ruby_line, "Ruby " + gemfile.ruby);
  } else if (const auto tool = tool_version(root, {"ruby"})) {
    need.version = tool->version;
    need.source = std::string(base_name(tool->file));
  }
}

void plan_rails(const Root& root, const Gemfile& gemfile, Proposal& proposal) {
  Service& service = proposal.service;
  service.framework = "rails";
  const bool assets = gemfile.has("sprockets-rails") || gemfile.has("propshaft") ||
                      gemfile.has("webpacker") || gemfile.has("vite_rails") ||
                      root.has("app/assets/config/manifest.js");
  if (assets)
    service.build =
        "SECRET_KEY_BASE_DUMMY=1 RAILS_ENV=production bundle exec rails assets:precompile";
  if (root.has("package.json") && assets &&
      (gemfile.has("jsbundling-rails") || gemfile.has("cssbundling-rails") ||
       gemfile.has("vite_rails")))
    service.system_packages = {"nodejs"};
  service.start =
      "RAILS_ENV=production RAILS_SERVE_STATIC_FILES=1 RAILS_LOG_TO_STDOUT=1 bundle exec rails "
      "server -b 0.0.0.0 -p $PORT";
  if (root.project().files().has_directory(root.path("db/migrate")) || root.has("db/schema.rb"))
    service.release = "RAILS_ENV=production bundle exec rails db:prepare";
  if (root.text("config/routes.rb").find("rails/health#show") != std::string_view::npos)
    service.health_path = "/up";
  service.env.push_back({.name = "SECRET_KEY_BASE",
                         .required = true,
                         .kind = "secret",
                         .evidence = root.path("config/application.rb") + ":1"});
  proposal.service.confidence = 0.97;
}

}  // namespace

std::optional<Proposal> detect_ruby(const Root& root) {
  const std::vector<const SourceFacts*>& sources = root.sources(Language::ruby);
  const bool manifest = root.has("Gemfile");
  if (!manifest && !root.has("config.ru") && !root.has("_config.yml") && sources.empty())
    return std::nullopt;
  Proposal proposal;
  Service& service = proposal.service;
  service.root = root.directory();
  service.provider = "ruby";
  const Gemfile gemfile = read_gemfile(root.text("Gemfile"));
  plan_runtime(root, gemfile, proposal);
  if (manifest) {
    service.package_manager = "bundler";
    service.install = "bundle config set --local path vendor/bundle && bundle install";
    if (!gemfile.local)
      for (const std::string_view file : {".ruby-version", "Gemfile", "Gemfile.lock"})
        if (root.has(file)) service.install_inputs.push_back(root.path(file));
    if (!root.has("Gemfile.lock"))
      proposal.warn("no_lockfile",
                    "no Gemfile.lock: versions may differ from one build to the next",
                    root.path("Gemfile"), 0, "run bundle lock");
  }
  const auto uses = [&](const std::string& gem) {
    if (gemfile.has(gem))
      proposal.because(root.path("Gemfile"), gemfile.gems.at(gem), "gem " + gem);
    return gemfile.has(gem);
  };
  const auto file_that_requires = [&](std::string_view library) -> std::string {
    for (const SourceFacts* facts : sources)
      for (const Import& import : facts->imports)
        if (import.module == library || import.module.starts_with(std::string(library) + "/"))
          return root.relative(facts->path);
    return {};
  };
  proposal.reason = manifest ? "Gemfile" : "Ruby sources";
  if (uses("rails") || (manifest && root.has("config/application.rb") && root.has("bin/rails"))) {
    plan_rails(root, gemfile, proposal);
  } else if (uses("jekyll") || uses("github-pages") ||
             (root.has("_config.yml") &&
              (root.has("_layouts/default.html") || root.has("_posts/.keep") ||
               root.project().files().has_directory(root.path("_posts"))))) {
    service.framework = "jekyll";
    if (!manifest) service.install = "gem install --user-install jekyll";
    service.build = manifest ? "bundle exec jekyll build" : "jekyll build";
    // In production, GitHub's plugin wants the repository that the pages belong to.
    if (!gemfile.has("github-pages") && !gemfile.has("jekyll-github-metadata"))
      service.build = "JEKYLL_ENV=production " + *service.build;
    service.is_static = true;
    service.kind = "static";
    service.output_dir = "_site";
    service.confidence = 0.95;
  } else if (uses("middleman")) {
    service.framework = "middleman";
    service.build = "bundle exec middleman build";
    service.is_static = true;
    service.kind = "static";
    service.output_dir = "build";
    service.confidence = 0.95;
  } else {
    std::string file = file_that_requires("sinatra");
    const bool sinatra = uses("sinatra") || !file.empty();
    const bool hanami = uses("hanami");
    service.framework = hanami                  ? "hanami"
                        : sinatra               ? "sinatra"
                        : uses("roda")          ? "roda"
                        : uses("grape")         ? "grape"
                        : root.has("config.ru") ? "rack"
                                                : "";
    const std::string prefix = manifest ? "bundle exec " : "";
    if (root.has("config.ru")) {
      service.start = gemfile.has("puma") || hanami ? prefix + "puma -b tcp://0.0.0.0:$PORT"
                                                    : prefix + "rackup -o 0.0.0.0 -p $PORT";
      service.confidence = 0.96;
      proposal.because(root.path("config.ru"), 0, "a Rack application");
    } else if (sinatra && !file.empty()) {
      if (!manifest) {
        service.install = "gem install --install-dir .gems sinatra rackup puma";
        service.start = "GEM_PATH=.gems ruby " + file + " -o 0.0.0.0 -p $PORT";
        proposal.warn("no_manifest", "no Gemfile: sinatra found from requires", root.path(file), 0,
                      "write a Gemfile with sinatra, rackup and puma");
      } else {
        service.start = prefix + "ruby " + file + " -o 0.0.0.0 -p $PORT";
      }
      service.confidence = manifest ? 0.95 : 0.85;
    } else {
      for (const std::string_view name : {"app.rb", "server.rb", "main.rb", "bot.rb"})
        if (root.has(name) && !service.start) {
          service.start = prefix + "ruby " + std::string(name);
          const SourceFacts* facts = root.source(name);
          const bool serves =
              facts != nullptr && std::ranges::any_of(facts->imports, [](const Import& import) {
                return import.module == "webrick" || import.module == "socket";
              });
          service.confidence = serves ? 0.85 : 0.55;
          if (!serves) service.kind = "worker";
        }
      if (!service.start) return std::nullopt;
    }
  }
  for (const auto& [gem, line] : gemfile.gems) add_dependency(gem, service);
  const auto work = [&](const std::string& gem, std::string command) {
    if (!gemfile.has(gem) || service.is_static || !service.start) return;
    Service worker =
        process_of(service, gem == "sidekiq" ? "sidekiq" : "jobs", "worker", std::move(command));
    worker.evidence = {
        {.file = root.path("Gemfile"), .line = gemfile.gems.at(gem), .fact = "gem " + gem}};
    proposal.others.push_back(std::move(worker));
  };
  work("sidekiq", "RAILS_ENV=production bundle exec sidekiq");
  if (root.has("bin/jobs")) work("solid_queue", "RAILS_ENV=production bin/jobs");
  add_source_facts(sources, root, proposal);
  if (service.is_static) service.health_path = "/";
  return proposal;
}

}  // namespace slipway::detection
