#include <algorithm>

#include "base/text.h"
#include "detect/detectors.h"

namespace slipway::detection {
namespace {

void make_page(Service& service, std::string output) {
  service.is_static = true;
  service.kind = "static";
  service.output_dir = std::move(output);
  service.fallback = StaticFallback::single_page_app;
}

}  // namespace

std::optional<Proposal> detect_dart(const Root& root) {
  const json::value* manifest =
      root.has("pubspec.yaml") ? root.project().yaml(root.path("pubspec.yaml")) : nullptr;
  if (manifest == nullptr) return std::nullopt;
  const std::string_view text = root.text("pubspec.yaml");
  const json::object& dependencies = object_at(*manifest, {"dependencies"});
  Proposal proposal;
  Service& service = proposal.service;
  service.root = root.directory();
  service.provider = "dart";
  service.package_manager = "pub";
  service.runtime = {.name = "dart", .version = "", .source = "default"};
  if (const std::string_view sdk = string_at(*manifest, {"environment", "sdk"}); !sdk.empty()) {
    service.runtime.version = sdk;
    service.runtime.source = "pubspec.yaml environment.sdk";
    proposal.because(root.path("pubspec.yaml"), line_of(text, "sdk:"),
                     "Dart " + service.runtime.version);
  }
  const auto uses = [&](std::string_view package) {
    if (!dependencies.contains(package)) return false;
    service.framework = package;
    proposal.because(root.path("pubspec.yaml"), line_of(text, std::string(package) + ":"),
                     "depends on " + std::string(package));
    return true;
  };
  service.install = "dart pub get";
  for (const std::string_view file : {"pubspec.lock", "pubspec.yaml"})
    if (root.has(file)) service.install_inputs.push_back(root.path(file));
  for (const auto& [package, driver] :
       {std::pair{"postgres", "pg"}, std::pair{"mysql1", "mysql"}, std::pair{"sqlite3", "sqlite3"},
        std::pair{"redis", "redis"}, std::pair{"mongo_dart", "mongodb"}})
    if (dependencies.contains(package)) add_dependency(driver, service);
  const std::vector<const SourceFacts*>& sources = root.sources(Language::dart);
  proposal.reason = "pubspec.yaml";
  if (dependencies.contains("flutter")) {
    service.framework = "flutter";
    service.runtime = {.name = "flutter", .version = "", .source = "default"};
    service.install = "flutter pub get";
    service.build = "flutter build web --release";
    make_page(service, "build/web");
    proposal.because(root.path("pubspec.yaml"), line_of(text, "flutter:"), "a Flutter app");
    service.confidence = root.has("web/index.html") ? 0.95 : 0.5;
    if (!root.has("web/index.html"))
      proposal.warn("flutter_web", "the app has no web/ folder: it is not made for browsers",
                    root.path("pubspec.yaml"), 0, "flutter create . --platforms web");
    return proposal;
  }
  if (uses("jaspr")) {
    service.build =
        "dart pub global activate jaspr_cli && dart pub global run jaspr_cli:jaspr build";
    make_page(service, "build/jaspr");
    service.confidence = 0.8;
    return proposal;
  }
  if (uses("dart_frog")) {
    service.build =
        "dart pub global activate dart_frog_cli && dart pub global run dart_frog_cli:dart_frog "
        "build";
    service.start = "dart build/bin/server.dart";
    service.confidence = 0.95;
    add_source_facts(sources, root, proposal);
    return proposal;
  }
  const std::string name(string_at(*manifest, {"name"}));
  std::string entry;
  for (const std::string& file :
       {std::string("bin/server.dart"), "bin/" + name + ".dart", std::string("bin/main.dart"),
        std::string("server.dart"), std::string("main.dart")})
    if (entry.empty() && root.has(file)) entry = file;
  if (entry.empty()) return std::nullopt;
  const bool framework = uses("shelf") || uses("alfred") || uses("angel3_framework") ||
                         uses("serverpod") || uses("conduit_core");
  service.build = "dart compile exe " + shell_word(entry) + " -o build/server";
  service.build = "mkdir -p build && " + *service.build;
  service.start = "./build/server";
  proposal.because(root.path(entry), 0, "the program");
  const bool listens = framework || std::ranges::any_of(sources, [](const SourceFacts* facts) {
                         return !facts->listens.empty();
                       });
  if (!listens) service.kind = "worker";
  take_fixed_port(sources, "listen on int.parse(Platform.environment['PORT'] ?? '8080')", proposal);
  service.confidence = framework ? 0.93 : listens ? 0.9 : 0.7;
  add_source_facts(sources, root, proposal);
  return proposal;
}

}  // namespace slipway::detection
