#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "detect/detectors.h"

namespace slipway::detection {
namespace {

constexpr std::array frameworks{
    std::string_view("axum"),   std::string_view("actix-web"),   std::string_view("rocket"),
    std::string_view("warp"),   std::string_view("leptos_axum"), std::string_view("poem"),
    std::string_view("salvo"),  std::string_view("tide"),        std::string_view("loco-rs"),
    std::string_view("gotham"), std::string_view("ntex"),        std::string_view("dioxus"),
    std::string_view("tonic"),  std::string_view("hyper"),       std::string_view("tiny_http"),
    std::string_view("rouille")};

struct Binary {
  std::string name, package, directory, file;  // directory of its package, relative to the root
  bool is_default = false;
};

void add_binaries(const Root& root, const std::string& directory, std::vector<Binary>& found) {
  const json::value* manifest = root.toml(join_path(directory, "Cargo.toml"));
  if (manifest == nullptr) return;
  const std::string package(string_at(*manifest, {"package", "name"}));
  if (package.empty()) return;
  const std::string preferred(string_at(*manifest, {"package", "default-run"}));
  std::set<std::string> names;
  const auto add = [&](std::string name, std::string file) {
    if (!names.insert(name).second) return;
    found.push_back({.name = name,
                     .package = package,
                     .directory = directory,
                     .file = std::move(file),
                     .is_default = name == preferred});
  };
  if (const json::value* list = find(*manifest, {"bin"}); list != nullptr && list->is_array())
    for (const json::value& item : list->as_array())
      if (const std::string name(string_at(item, {"name"})); !name.empty()) {
        const std::string path(string_at(item, {"path"}));
        add(name, join_path(directory, path.empty() ? "src/main.rs" : path));
      }
  const std::string main = join_path(directory, "src/main.rs");
  const bool claimed =
      std::ranges::any_of(found, [&](const Binary& binary) { return binary.file == main; });
  if (root.project().files().has(root.path(main)) && !claimed) add(package, main);
  const std::string bins = join_path(directory, "src/bin") + "/";
  for (const std::string& path : root.project().files().all_below(root.path(bins) + "/")) {
    const std::string inner(path.substr(root.path(bins).size() + 1));
    if (inner.find('/') == std::string::npos && inner.ends_with(".rs"))
      add(std::string(without_extension(inner)), root.relative(path));
    else if (inner.ends_with("/main.rs"))
      add(inner.substr(0, inner.find('/')), root.relative(path));
  }
}

bool serves(const Root& root, const Binary& binary) {
  const SourceFacts* facts = root.project().source(root.path(binary.file));
  return facts != nullptr && !facts->listens.empty();
}

int rank_of(const Root& root, const Binary& binary) {
  constexpr std::array names{std::string_view("server"), std::string_view("web"),
                             std::string_view("api"), std::string_view("app"),
                             std::string_view("backend")};
  if (binary.is_default) return -10;
  int rank = static_cast<int>(std::ranges::find(names, binary.name) - names.begin());
  if (binary.name == binary.package) rank = std::min(rank, 2);
  return rank + (serves(root, binary) ? 0 : 10);
}

}  // namespace

std::optional<Proposal> detect_rust(const Root& root) {
  if (!root.has("Cargo.toml")) return std::nullopt;
  Proposal proposal;
  Service& service = proposal.service;
  service.root = root.directory();
  service.provider = "rust";
  service.package_manager = "cargo";
  service.runtime = {.name = "rust", .version = "", .source = "default"};
  const json::value* manifest = root.toml("Cargo.toml");
  if (manifest == nullptr) return std::nullopt;
  std::vector<Binary> binaries;
  add_binaries(root, "", binaries);
  std::vector<std::string> members{""};
  for (const std::string& pattern : strings_at(*manifest, {"workspace", "members"}))
    for (const std::string& other : root.project().roots())
      if (other != root.directory() && is_within(other, root.directory()) &&
          glob_matches(pattern, relative_to(other, root.directory()))) {
        members.emplace_back(relative_to(other, root.directory()));
        add_binaries(root, members.back(), binaries);
      }
  if (binaries.empty()) return std::nullopt;
  stable_order(binaries, [&](const Binary& binary) { return rank_of(root, binary); });
  const Binary& chosen = binaries.front();
  proposal.because(root.path(join_path(chosen.directory, "Cargo.toml")),
                   line_of(root.text(join_path(chosen.directory, "Cargo.toml")), chosen.name),
                   "binary " + chosen.name);
  if (binaries.size() > 1 && !chosen.is_default) {
    Question question{.id = "cargo_bin",
                      .text = "which binary?",
                      .default_choice = chosen.name,
                      .flag = "--build 'cargo build --release --bin <name>'"};
    for (const Binary& binary : binaries) question.choices.push_back(binary.name);
    std::ranges::sort(question.choices);
    proposal.questions.push_back(std::move(question));
  }
  // The toolchain: rust-toolchain.toml, rust-toolchain, rust-version.
  if (const json::value* toolchain = root.toml("rust-toolchain.toml");
      toolchain != nullptr && !string_at(*toolchain, {"toolchain", "channel"}).empty()) {
    service.runtime.version = string_at(*toolchain, {"toolchain", "channel"});
    service.runtime.source = "rust-toolchain.toml";
  } else if (const auto fact = version_file(root, "rust-toolchain");
             fact && fact->version.find('[') == std::string::npos) {
    service.runtime.version = fact->version;
    service.runtime.source = "rust-toolchain";
  } else if (const json::value* package = root.toml(join_path(chosen.directory, "Cargo.toml"));
             package != nullptr && !string_at(*package, {"package", "rust-version"}).empty()) {
    service.runtime.version = string_at(*package, {"package", "rust-version"});
    service.runtime.source = "Cargo.toml rust-version";
  } else if (const auto tool = tool_version(root, {"rust"})) {
    service.runtime.version = tool->version;
    service.runtime.source = std::string(base_name(tool->file));
  }
  service.build = "cargo build --release --bin " + chosen.name;
  service.start = "./target/release/" + chosen.name;

  std::set<std::string> dependencies;
  const auto read = [&](const json::value& document, std::initializer_list<std::string_view> path) {
    for (const auto& [name, value] : object_at(document, path))
      dependencies.emplace(std::string_view{name});
  };
  if (const json::value* own = root.toml(join_path(chosen.directory, "Cargo.toml")))
    read(*own, {"dependencies"});
  for (const std::string_view framework : frameworks)
    if (dependencies.contains(std::string(framework))) {
      service.framework = framework == "actix-web"     ? "actix"
                          : framework == "loco-rs"     ? "loco"
                          : framework == "leptos_axum" ? "leptos"
                                                       : framework;
      proposal.because(root.path(join_path(chosen.directory, "Cargo.toml")),
                       line_of(root.text(join_path(chosen.directory, "Cargo.toml")), framework),
                       "dependency " + std::string(framework));
      break;
    }
  for (const std::string& name : dependencies) add_dependency(name, service);
  if (const json::value* own = root.toml(join_path(chosen.directory, "Cargo.toml")))
    for (const std::string_view orm : {"sqlx", "diesel", "sea-orm"})
      for (const std::string& feature : strings_at(*own, {"dependencies", orm, "features"}))
        for (const auto& [mark, driver] : {std::pair{"postgres", "pg"}, std::pair{"mysql", "mysql"},
                                           std::pair{"sqlite", "sqlite"}})
          if (feature.find(mark) != std::string::npos) add_dependency(driver, service);

  std::vector<const SourceFacts*> sources;
  const std::string prefix = root.path(chosen.directory);
  const Root inner(root.project(), prefix);
  for (const SourceFacts* facts : inner.sources(Language::rust)) sources.push_back(facts);
  if (service.framework == "rocket")
    service.start = "ROCKET_ADDRESS=0.0.0.0 ROCKET_PORT=$PORT " + *service.start;
  bool reads_port = false, listens = false;
  for (const SourceFacts* facts : sources) {
    reads_port |= facts->reads_port;
    listens |= !facts->listens.empty();
  }
  if (!reads_port && service.framework != "rocket")
    for (const SourceFacts* facts : sources)
      for (const Listen& listen : facts->listens)
        if (listen.port && !listen.from_env && !service.port) {
          service.port = listen.port;
          proposal.because(facts->path, listen.line, "listens on " + std::to_string(*listen.port));
          proposal.warn("port_ignored",
                        "listens on " + std::to_string(*listen.port) +
                            " whatever PORT says; it is reached there",
                        facts->path, listen.line, "bind to the port in std::env::var(\"PORT\")");
        }
  add_source_facts(sources, root, proposal);
  if (service.framework.empty() && !listens) service.kind = "worker";
  service.confidence = service.framework.empty() && !listens ? 0.75 : 0.97;
  proposal.reason = "Cargo.toml with binary " + chosen.name;
  return proposal;
}

}  // namespace slipway::detection
