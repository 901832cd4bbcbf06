#include <algorithm>

#include "base/text.h"
#include "detect/detectors.h"

namespace slipway::detection {
namespace {

// Names may hold '-', '/' and '.': the text from `from` to a blank or bracket.
std::string_view symbol(std::string_view text, std::size_t from) {
  const std::size_t end = text.find_first_of(" \t\r\n()[]{}\"", from);
  return text.substr(from, end == std::string_view::npos ? end : end - from);
}

std::string_view after(std::string_view text, std::string_view mark) {
  const std::size_t at = text.find(mark);
  if (at == std::string_view::npos) return {};
  return trim(text.substr(at + mark.size()));
}

std::string quoted(std::string_view text) {
  if (!text.starts_with('"')) return {};
  return std::string(text.substr(1, text.find('"', 1) - 1));
}

// The text without its ';' comments.
std::string without_comments(std::string_view text) {
  std::string out;
  for (const std::string_view line : lines(text)) {
    out += line.substr(0, line.find(';'));
    out += '\n';
  }
  return out;
}

}  // namespace

std::optional<Proposal> detect_clojure(const Root& root) {
  const std::string file = root.first_of({"project.clj", "deps.edn"});
  if (file.empty()) return std::nullopt;
  Proposal proposal;
  Service& service = proposal.service;
  const std::string text = without_comments(root.text(file));
  service.root = root.directory();
  service.provider = "java";
  service.runtime = {.name = "java", .version = "", .source = "default"};
  read_java_version(root, proposal);
  for (const std::string_view framework :
       {"io.pedestal", "metosin/reitit", "luminus", "compojure", "http-kit", "aleph", "ring/ring"})
    if (const std::size_t at = text.find(framework);
        at != std::string::npos && service.framework.empty()) {
      service.framework = framework == "io.pedestal"      ? "pedestal"
                          : framework == "metosin/reitit" ? "reitit"
                          : framework == "ring/ring"      ? "ring"
                                                          : framework;
      proposal.because(root.path(file), line_of(root.text(file), framework),
                       "depends on " + std::string(framework));
    }
  for (const auto& [artifact, driver] :
       {std::pair{"org.postgresql/postgresql", "pg"}, std::pair{"mysql/mysql-connector", "mysql"},
        std::pair{"org.xerial/sqlite-jdbc", "sqlite3"}, std::pair{"com.taoensso/carmine", "redis"}})
    if (text.find(artifact) != std::string::npos) add_dependency(driver, service);
  if (file == "project.clj") {
    const std::string_view head = after(text, "(defproject");
    std::string_view name = symbol(head, 0);
    const std::string version = quoted(trim(head.substr(name.size())));
    if (const std::size_t slash = name.rfind('/'); slash != std::string_view::npos)
      name = name.substr(slash + 1);
    if (name.empty()) return std::nullopt;
    service.package_manager = "leiningen";
    service.install = "lein deps";
    service.install_inputs = {root.path("project.clj")};
    service.build = "lein uberjar";
    std::string jar = quoted(after(text, ":uberjar-name"));
    if (jar.empty()) jar = std::string(name) + "-" + version + "-standalone.jar";
    const bool profiles = text.find(":target-path \"target/%s\"") != std::string::npos;
    service.start = std::string("java -jar target/") + (profiles ? "uberjar/" : "") + jar;
    service.confidence = text.find(":main") == std::string::npos ? 0.6 : 0.93;
    proposal.because(root.path(file), line_of(root.text(file), "defproject"),
                     "a Leiningen project");
  } else {
    service.package_manager = "clojure";
    service.install = "clojure -P";
    const bool tools = root.has("build.clj") && text.find(":build") != std::string::npos;
    std::string alias;
    for (const std::string_view name : {":run-m", ":run", ":main", ":server", ":start"})
      if (alias.empty() && text.find(std::string(name) + " ") != std::string::npos) alias = name;
    if (!alias.empty() && text.find(":main-opts") != std::string::npos) {
      service.start = "clojure -M" + alias;
      service.confidence = 0.9;
    } else if (!alias.empty()) {
      service.start = "clojure -X" + alias;
      service.confidence = 0.85;
    } else if (tools) {
      service.build = "clojure -T:build uber";
      service.start = "java -jar target/*.jar";
      service.confidence = 0.85;
    } else {
      return std::nullopt;
    }
    proposal.because(root.path(file), line_of(root.text(file), alias.empty() ? ":build" : alias),
                     alias.empty() ? "build.clj makes a jar" : "alias " + alias);
  }
  const std::vector<const SourceFacts*>& sources = root.sources(Language::clojure);
  if (service.framework.empty()) service.kind = "worker";
  add_source_facts(sources, root, proposal);
  proposal.reason = file;
  return proposal;
}

}  // namespace slipway::detection
