#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/text.h"
#include "detect/detectors.h"

namespace slipway::detection {
namespace {

struct GoFramework {
  std::string_view name, module;
};
constexpr std::array frameworks{GoFramework{"gin", "github.com/gin-gonic/gin"},
                                GoFramework{"echo", "github.com/labstack/echo"},
                                GoFramework{"fiber", "github.com/gofiber/fiber"},
                                GoFramework{"chi", "github.com/go-chi/chi"},
                                GoFramework{"beego", "github.com/beego/beego"},
                                GoFramework{"iris", "github.com/kataras/iris"},
                                GoFramework{"buffalo", "github.com/gobuffalo/buffalo"},
                                GoFramework{"revel", "github.com/revel/revel"},
                                GoFramework{"gorilla", "github.com/gorilla/mux"},
                                GoFramework{"huma", "github.com/danielgtaylor/huma"},
                                GoFramework{"pocketbase", "github.com/pocketbase/pocketbase"},
                                GoFramework{"connect", "connectrpc.com/connect"},
                                GoFramework{"net/http", "net/http"}};

struct Module {
  std::string path, version, toolchain;
  std::vector<std::string> requires_;
  int version_line = 0;
  bool local_replace = false;
};

Module read_module(std::string_view text) {
  Module module;
  bool block = false;
  int number = 0;
  for (const std::string_view raw : lines(text)) {
    ++number;
    std::string_view line = trim(raw.substr(0, raw.find("//")));
    if (line.starts_with("module "))
      module.path = trim(line.substr(7));
    else if (line.starts_with("go "))
      module.version = trim(line.substr(3)), module.version_line = number;
    else if (line.starts_with("toolchain "))
      module.toolchain = trim(line.substr(10));
    if (line.find("=>") != std::string_view::npos) {
      const std::string_view target = trim(line.substr(line.find("=>") + 2));
      module.local_replace |= target.starts_with('.') || target.starts_with('/');
    }
    if (line.starts_with("require ("))
      block = true;
    else if (line == ")")
      block = false;
    else if (line.starts_with("require "))
      line = trim(line.substr(8));
    else if (!block)
      continue;
    const std::size_t blank = line.find(' ');
    if (blank != std::string_view::npos && !line.starts_with("require"))
      module.requires_.emplace_back(line.substr(0, blank));
  }
  return module;
}

struct Main {
  std::string directory;  // relative to the root; "" is the root
  std::string file;
  int line = 0;
  bool serves = false;
};

// Every directory that makes a program, sorted.
std::vector<Main> mains_of(const Root& root) {
  std::map<std::string, Main> mains;
  std::set<std::string> serving;
  for (const SourceFacts* facts : root.sources(Language::go)) {
    const std::string relative = root.relative(facts->path);
    const std::string directory(directory_of(relative));
    const bool http =
        !facts->listens.empty() && std::ranges::any_of(facts->imports, [](const Import& import) {
          return std::ranges::any_of(frameworks, [&](const GoFramework& framework) {
            return import.module.starts_with(framework.module);
          });
        });
    if (http) serving.insert(directory);
    if (facts->package == "main" && facts->has_main)
      mains.emplace(directory,
                    Main{.directory = directory, .file = facts->path, .line = facts->main_line});
  }
  std::vector<Main> found;
  for (auto& [directory, main] : mains) {
    main.serves = serving.contains(directory);
    found.push_back(std::move(main));
  }
  return found;
}

int rank_of(const Main& main, std::string_view module) {
  constexpr std::array names{std::string_view("server"), std::string_view("web"),
                             std::string_view("api"),    std::string_view("app"),
                             std::string_view("http"),   std::string_view("main"),
                             std::string_view("service")};
  const std::string_view name = base_name(main.directory);
  if (main.directory.empty()) return main.serves ? -2 : 40;
  int rank = static_cast<int>(std::ranges::find(names, name) - names.begin());
  if (name == base_name(module)) rank = -1;
  return rank + (main.serves ? 0 : 20);
}

void plan_port(const std::vector<const SourceFacts*>& sources, std::string_view main_directory,
               const Root& root, Proposal& proposal) {
  std::vector<const SourceFacts*> ordered;
  for (const SourceFacts* facts : sources)
    if (directory_of(root.relative(facts->path)) == main_directory) ordered.push_back(facts);
  for (const SourceFacts* facts : sources)
    if (directory_of(root.relative(facts->path)) != main_directory && facts->package != "main")
      ordered.push_back(facts);
  bool reads_port = false;
  for (const SourceFacts* facts : ordered) reads_port |= facts->reads_port;
  for (const SourceFacts* facts : ordered)
    for (const Listen& listen : facts->listens) {
      if (!listen.port || listen.from_env || reads_port) {
        if (listen.from_env || reads_port) return;
        continue;
      }
      proposal.service.port = listen.port;
      proposal.because(facts->path, listen.line, "listens on " + std::to_string(*listen.port));
      proposal.warn(
          "port_ignored",
          "listens on " + std::to_string(*listen.port) + " whatever PORT says; it is reached there",
          facts->path, listen.line, "listen on \":\" + os.Getenv(\"PORT\")");
      return;
    }
}

// The go.work of the root or above it; "" when there is none.
std::string workspace_above(const Root& root) {
  for (std::string_view above = root.directory();; above = directory_of(above)) {
    std::string work = join_path(above, "go.work");
    if (root.project().files().has(work)) return work;
    if (above.empty()) return {};
  }
}

bool is_standard(std::string_view import) {
  return import.substr(0, import.find('/')).find('.') == std::string_view::npos;
}

}  // namespace

std::optional<Proposal> detect_go(const Root& root) {
  const bool manifest = root.has("go.mod");
  const std::vector<const SourceFacts*>& sources = root.sources(Language::go);
  if (!manifest && sources.empty()) return std::nullopt;
  std::vector<Main> mains = mains_of(root);
  if (mains.empty()) return std::nullopt;  // a library
  Proposal proposal;
  Service& service = proposal.service;
  service.root = root.directory();
  service.provider = "go";
  service.package_manager = "go";
  service.runtime = {.name = "go", .version = "", .source = "default"};
  const Module module = read_module(root.text("go.mod"));
  if (!module.version.empty()) {
    const bool toolchain = module.toolchain.starts_with("go") && module.toolchain.size() > 2;
    service.runtime.version = toolchain ? module.toolchain.substr(2) : module.version;
    service.runtime.source = toolchain ? "go.mod toolchain" : "go.mod";
    proposal.because(root.path("go.mod"), module.version_line, "Go " + service.runtime.version);
  } else if (const auto fact = tool_version(root, {"golang", "go"})) {
    service.runtime.version = fact->version;
    service.runtime.source = std::string(base_name(fact->file));
  }
  stable_order(mains, [&](const Main& main) { return rank_of(main, module.path); });
  const Main& main = mains.front();
  proposal.because(main.file, main.line, "func main");
  if (mains.size() > 1 && !(main.directory.empty() && main.serves)) {
    Question question{.id = "go_main",
                      .text = "which program?",
                      .default_choice = main.directory.empty() ? "." : "./" + main.directory,
                      .flag = "--build 'go build -o bin/app <package>'"};
    for (const Main& other : mains)
      question.choices.push_back(other.directory.empty() ? "." : "./" + other.directory);
    proposal.questions.push_back(std::move(question));
  }
  const std::string package = main.directory.empty() ? "." : shell_word("./" + main.directory);
  const bool vendored = root.project().files().has(root.path("vendor/modules.txt"));
  std::set<std::string> foreign;
  for (const SourceFacts* facts : sources)
    for (const Import& import : facts->imports)
      if (!is_standard(import.module) &&
          !import.module.starts_with(module.path.empty() ? "\n" : module.path))
        foreign.insert(import.module);
  const std::string workspace = workspace_above(root);
  if (!workspace.empty()) {
    // Modules of one workspace see each other's sources: the build itself fetches what is foreign.
    service.build = "go build -o bin/app " + package;
    proposal.because(workspace, 1, "a member of the workspace");
  } else if (!manifest) {
    proposal.warn("no_manifest", "no go.mod: the module is made at build time", main.file, 0,
                  "go mod init " + std::string("app") + " && go mod tidy");
    service.build = foreign.empty()
                        ? "go mod init app && go build -o bin/app " + package
                        : "go mod init app && go mod tidy && go build -o bin/app " + package;
  } else {
    service.build = "go build -o bin/app " + package;
    if (!vendored && !module.requires_.empty()) {
      service.install = "go mod download";
      if (!root.has("go.sum"))
        service.build = "go mod tidy && " + *service.build,
        proposal.warn("no_lockfile", "no go.sum: sums are made at build time", root.path("go.mod"),
                      0, "go mod tidy");
      if (!module.local_replace) {
        service.install_inputs = {root.path("go.mod")};
        if (root.has("go.sum")) service.install_inputs.push_back(root.path("go.sum"));
      }
    }
  }
  service.start = "./bin/app";
  std::set<std::string> imports(module.requires_.begin(), module.requires_.end());
  for (const SourceFacts* facts : sources)
    for (const Import& import : facts->imports) imports.insert(import.module);
  for (const GoFramework& framework : frameworks) {
    const auto user = std::ranges::find_if(sources, [&](const SourceFacts* facts) {
      return std::ranges::any_of(facts->imports, [&](const Import& import) {
        return import.module == framework.module ||
               import.module.starts_with(std::string(framework.module) + "/");
      });
    });
    if (user == sources.end()) continue;
    service.framework = framework.name;
    for (const Import& import : (*user)->imports)
      if (import.module.starts_with(framework.module))
        proposal.because((*user)->path, import.line, "imports " + import.module);
    break;
  }
  for (const std::string& import : imports) {
    add_dependency(import, service);
    if (import == "github.com/mattn/go-sqlite3" || import == "gorm.io/driver/sqlite")
      service.system_packages = {"gcc"};
  }
  plan_port(sources, main.directory, root, proposal);
  add_source_facts(sources, root, proposal);
  const bool serves = std::ranges::any_of(
      sources, [](const SourceFacts* facts) { return !facts->listens.empty(); });
  if (!serves && service.framework.empty()) service.kind = "worker";
  service.confidence = serves     ? (manifest ? 0.97 : 0.93)
                       : manifest ? (service.framework.empty() ? 0.75 : 0.9)
                                  : 0.6;
  proposal.reason = main.file + " is a Go program";
  return proposal;
}

}  // namespace slipway::detection
