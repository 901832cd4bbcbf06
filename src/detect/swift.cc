#include <algorithm>

#include "base/text.h"
#include "detect/detectors.h"

namespace slipway::detection {

std::optional<Proposal> detect_swift(const Root& root) {
  if (!root.has("Package.swift")) return std::nullopt;
  const std::string_view text = root.text("Package.swift");
  const std::vector<Token> tokens = tokenize(text, Language::swift);
  // .executableTarget(name: "App", …); a program of an old manifest is a target with main.swift.
  std::string target;
  int line = 0;
  for (std::size_t i = 0; i + 4 < tokens.size(); ++i)
    if ((tokens[i].is("executableTarget") || tokens[i].is("target")) && tokens[i + 1].is("(") &&
        tokens[i + 2].is("name") && tokens[i + 4].string()) {
      const std::string name(tokens[i + 4].text);
      const bool program =
          tokens[i].is("executableTarget") || root.has("Sources/" + name + "/main.swift");
      if (!program || !target.empty()) continue;
      target = name;
      line = tokens[i].line;
    }
  if (target.empty()) return std::nullopt;
  Proposal proposal;
  Service& service = proposal.service;
  service.root = root.directory();
  service.provider = "swift";
  service.package_manager = "swiftpm";
  service.runtime = {.name = "swift", .version = "", .source = "default"};
  const std::string_view first = text.substr(0, text.find('\n'));
  if (const auto fact = version_file(root, ".swift-version")) {
    service.runtime.version = fact->version;
    service.runtime.source = ".swift-version";
  } else if (const std::size_t at = first.find("swift-tools-version");
             at != std::string_view::npos) {
    service.runtime.version = ">=" + std::string(trim(first.substr(first.find(':', at) + 1)));
    service.runtime.source = "Package.swift swift-tools-version";
  }
  for (const auto& [mark, framework] :
       {std::pair{"vapor/vapor", "vapor"}, std::pair{"hummingbird", "hummingbird"},
        std::pair{"Kitura/Kitura", "kitura"}})
    if (service.framework.empty() && text.find(mark) != std::string_view::npos) {
      service.framework = framework;
      proposal.because(root.path("Package.swift"), line_of(text, mark),
                       std::string("depends on ") + framework);
    }
  for (const auto& [mark, driver] :
       {std::pair{"fluent-postgres-driver", "pg"}, std::pair{"postgres-nio", "pg"},
        std::pair{"fluent-mysql-driver", "mysql"}, std::pair{"fluent-sqlite-driver", "sqlite3"},
        std::pair{"fluent-mongo-driver", "mongodb"}, std::pair{"vapor/redis", "redis"}})
    if (text.find(mark) != std::string_view::npos) add_dependency(driver, service);
  proposal.because(root.path("Package.swift"), line, "executable " + target);
  service.install = "swift package resolve";
  service.build = "swift build -c release";
  service.start = "./.build/release/" + target;
  if (service.framework == "vapor") {
    *service.start += " serve --env production --hostname 0.0.0.0 --port $PORT";
    if (text.find("fluent") != std::string_view::npos &&
        root.project().files().has_directory(root.path("Sources/" + target + "/Migrations")))
      service.release = "./.build/release/" + target + " migrate --yes --env production";
  } else if (service.framework == "hummingbird") {
    *service.start += " --hostname 0.0.0.0 --port $PORT";
  }
  if (service.framework.empty()) service.kind = "worker";
  service.confidence = service.framework.empty() ? 0.75 : 0.95;
  add_source_facts(root.sources(Language::swift), root, proposal);
  proposal.reason = "Package.swift with executable " + target;
  return proposal;
}

}  // namespace slipway::detection
