#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "detect/project.h"

namespace slipway::detection {

// One language or way to run. `detect` looks at one root and says what it would make of it, or
// nothing. All detectors see every root; the surest proposal wins, and among equals the earlier
// row.
struct Detector {
  std::string_view provider;
  std::optional<Proposal> (*detect)(const Root& root);
  std::string_view summary;  // for the table in the docs
};
[[nodiscard]] std::span<const Detector> detectors();

[[nodiscard]] std::optional<Proposal> detect_node(const Root& root);
[[nodiscard]] std::optional<Proposal> detect_deno(const Root& root);
[[nodiscard]] std::optional<Proposal> detect_python(const Root& root);
[[nodiscard]] std::optional<Proposal> detect_go(const Root& root);
[[nodiscard]] std::optional<Proposal> detect_rust(const Root& root);
[[nodiscard]] std::optional<Proposal> detect_java(const Root& root);
[[nodiscard]] std::optional<Proposal> detect_ruby(const Root& root);
[[nodiscard]] std::optional<Proposal> detect_php(const Root& root);
[[nodiscard]] std::optional<Proposal> detect_elixir(const Root& root);
[[nodiscard]] std::optional<Proposal> detect_dotnet(const Root& root);
[[nodiscard]] std::optional<Proposal> detect_scala(const Root& root);
[[nodiscard]] std::optional<Proposal> detect_clojure(const Root& root);
[[nodiscard]] std::optional<Proposal> detect_swift(const Root& root);
[[nodiscard]] std::optional<Proposal> detect_crystal(const Root& root);
[[nodiscard]] std::optional<Proposal> detect_gleam(const Root& root);
[[nodiscard]] std::optional<Proposal> detect_dart(const Root& root);
[[nodiscard]] std::optional<Proposal> detect_zig(const Root& root);
[[nodiscard]] std::optional<Proposal> detect_haskell(const Root& root);
[[nodiscard]] std::optional<Proposal> detect_cpp(const Root& root);
[[nodiscard]] std::optional<Proposal> detect_site_generator(const Root& root);
[[nodiscard]] std::optional<Proposal> detect_static(const Root& root);
[[nodiscard]] std::optional<Proposal> detect_dockerfile(const Root& root);
[[nodiscard]] std::optional<Proposal> detect_shell(const Root& root);

// .java-version, system.properties, .sdkmanrc, .tool-versions: for everything that runs on a JVM.
void read_java_version(const Root& root, Proposal& proposal);
// The port that sources fix although PORT says otherwise, with its warning.
void take_fixed_port(const std::vector<const SourceFacts*>& sources, std::string_view fix,
                     Proposal& proposal);

// A file of another platform; those about the whole project (compose) have no `read` (listed.h).
struct DeclaredFile {
  std::string_view names;  // separated by '|'
  std::string_view summary;
  void (*read)(const Root& root, Proposal& proposal);
};
[[nodiscard]] std::span<const DeclaredFile> declared_files();
// What other platforms' files declare (Procfile, netlify.toml, vercel.json, fly.toml, render.yaml,
// railway.json, app.json, nixpacks.toml), applied to a proposal for the same root.
void apply_declared_intent(const Root& root, Proposal& proposal);

}  // namespace slipway::detection
