#include "detect/detect.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "detect/detectors.h"
#include "detect/explain.h"
#include "detect/listed.h"
#include "detect/overrides.h"
#include "detect/wiring.h"

namespace slipway {
namespace {

using namespace detection;

constexpr double alike = 0.15;    // no further apart than this
constexpr double accepted = 0.5;  // below: no service, only a candidate
constexpr double sure = 0.7;      // a root this sure is not looked past
constexpr std::size_t max_roots = 60;
constexpr std::uint64_t huge_file = 256ull << 20;

struct Verdict {
  std::optional<Proposal> winner;
  std::vector<Candidate> losers;
};

bool answers(const DetectOptions& options, const Service& service) {
  return options.framework.empty() || options.framework == service.framework ||
         options.framework == service.provider;
}

// All detectors on one root; the surest wins.
Verdict judge(const Root& root, const DetectOptions& options, const Listing& listing) {
  std::vector<Proposal> proposals;
  for (const Detector& detector : detectors())
    if (std::optional<Proposal> proposal = detector.detect(root)) {
      add_storage(root, *proposal);
      apply_declared_intent(root, *proposal);
      apply_listing(listing, root, *proposal);
      proposals.push_back(*std::move(proposal));
    }
  stable_order(proposals, [](const Proposal& proposal) { return -proposal.service.confidence; });
  Verdict verdict;
  // Two servers in two languages side by side: nobody knows which is meant.
  const auto rivals = [&](const Service& other) {
    const Service& taken = verdict.winner->service;
    const auto serves = [](const Service& service) {
      return service.kind == "web" && !service.is_static && service.start &&
             service.provider != "dockerfile" && service.provider != "shell";
    };
    return options.framework.empty() && options.start.empty() && serves(taken) && serves(other) &&
           taken.provider != other.provider && other.confidence >= sure &&
           taken.confidence - other.confidence <= alike;
  };
  for (Proposal& proposal : proposals) {
    const Service& service = proposal.service;
    const bool given = !options.start.empty() || !options.output.empty();
    const bool usable =
        given || service.start || service.is_static || service.provider == "dockerfile";
    const bool forced = !options.framework.empty() && answers(options, service);
    if (!verdict.winner && usable && answers(options, service) &&
        (service.confidence >= accepted || forced)) {
      verdict.winner = std::move(proposal);
      continue;
    }
    if (verdict.winner && rivals(service)) {
      const auto called = [](const Service& each) {
        return each.framework.empty() ? each.provider : each.framework;
      };
      const std::string taken = called(verdict.winner->service), other = called(service);
      verdict.winner->questions.push_back({.id = "framework",
                                           .text = "run " + taken + " or " + other + "?",
                                           .choices = {taken, other},
                                           .default_choice = taken,
                                           .flag = "--framework " + other});
      verdict.winner->service.confidence = std::min(verdict.winner->service.confidence, sure);
    }
    std::string reason = proposal.reason + "; ";
    if (!answers(options, service))
      reason += "not the framework asked for";
    else if (!usable)
      reason += "nothing says how to start it";
    else if (service.confidence < accepted)
      reason += "too little to go by";
    else
      reason += (verdict.winner->service.framework.empty() ? verdict.winner->service.provider
                                                           : verdict.winner->service.framework) +
                " is surer";
    verdict.losers.push_back({.provider = service.provider,
                              .framework = service.framework,
                              .root = service.root,
                              .confidence = service.confidence,
                              .reason = std::move(reason)});
  }
  return verdict;
}

// Which of several services people mean first: the site before the API before the rest.
int rank_of(const Service& service) {
  // What lies at the top is what the folder is about.
  if (service.root.empty() && (service.kind == "web" || service.kind == "static")) return -1;
  constexpr std::array names{
      std::string_view("web"),     std::string_view("frontend"), std::string_view("client"),
      std::string_view("site"),    std::string_view("www"),      std::string_view("ui"),
      std::string_view("app"),     std::string_view("website"),  std::string_view("landing"),
      std::string_view(""),        std::string_view("server"),   std::string_view("api"),
      std::string_view("backend"), std::string_view("admin"),    std::string_view("dashboard"),
      std::string_view("docs")};
  const int at =
      static_cast<int>(std::ranges::find(names, base_name(service.root)) - names.begin());
  // A page that people open comes before what it talks to.
  const int page = role_of(service) == Role::page ? 0 : 20;
  return at + page + (service.kind == "worker" || service.kind == "cron" ? 100 : 0);
}

// Folders that hold a service beside the one of the root: frontend/, apps/web.
bool is_service_folder(std::string_view root) {
  static const std::set<std::string_view> names{
      "frontend", "backend", "client", "server", "web",     "api", "app",
      "ui",       "admin",   "worker", "site",   "website", "www", "dashboard"};
  if (names.contains(root)) return true;
  const std::string_view parent = directory_of(root);
  return parent == "apps" || parent == "services";
}

std::string name_of(const Service& service) {
  if (!service.name.empty()) return service.name;
  return service.root.empty() ? std::string("web") : slug(base_name(service.root));
}

class Arbiter {
 public:
  Arbiter(const Project& project, const DetectOptions& flags)
      : project_(project),
        flags_(flags),
        overrides_(read_overrides(project, flags)),
        options_(overrides_.whole),
        listing_(read_listing(project)) {}

  Plan run() {
    if (!options_.root.empty() && options_.root != ".") {
      const std::optional<std::string> directory = resolve_path("", options_.root);
      if (directory && project_.files().has_directory(*directory))
        take(judged(*directory));
      else
        plan_.warnings.push_back({.code = "no_such_root",
                                  .message = "there is no folder " + options_.root,
                                  .fix = "--root with a folder of the project"});
    } else {
      whole();
    }
    finish();
    return std::move(plan_);
  }

 private:
  [[nodiscard]] Verdict judged(const std::string& directory) const {
    return judge(Root(project_, directory), options_, listing_);
  }

  // Folders that a file about the whole project lists, when it lists more than one or another than
  // the top; empty otherwise.
  [[nodiscard]] std::set<std::string> listed_roots() const {
    std::set<std::string> roots;
    for (const Listed& listed : listing_.services)
      if (listed.root.empty() || project_.files().has_directory(listed.root))
        roots.insert(listed.root);
    if (roots.size() == 1 && roots.contains("")) roots.clear();
    return roots;
  }

  // The project's services are those that the file lists; true when any of them can be run.
  bool take_listed() {
    const std::set<std::string> roots = listed_roots();
    if (roots.empty()) return false;
    std::vector<Verdict> verdicts;
    for (const std::string& root : roots)
      if (Verdict verdict = judged(root); verdict.winner) verdicts.push_back(std::move(verdict));
    if (verdicts.empty()) return false;
    for (Verdict& verdict : verdicts) take(std::move(verdict));
    for (const std::string& root : project_.roots()) {
      const bool covered = std::ranges::any_of(
          roots, [&](const std::string& listed) { return is_within(root, listed); });
      if (!covered && !root.empty() && plan_.candidates.size() < 24)
        set_aside(root, listing_.services.front().file + " does not list it");
    }
    return true;
  }

  void whole() {
    if (take_listed()) return;
    if (const std::string folder = only_folder(); !folder.empty()) {
      Verdict verdict = judged(folder);
      if (verdict.winner) return take(std::move(verdict));
    }
    Verdict top = judged("");
    const bool certain = top.winner && top.winner->service.confidence >= sure &&
                         top.winner->service.provider != "dockerfile";
    std::vector<Verdict> inner;
    std::size_t looked_at = 0;
    for (const std::string& root : project_.roots()) {
      if (root.empty() || ++looked_at > max_roots) continue;
      if (certain && !is_service_folder(root)) {
        if (looked_at <= 12) set_aside(root, "the project's root is a service itself");
        continue;
      }
      if (certain && belongs_to(root, top.winner->service)) continue;
      inner.push_back(judged(root));
    }
    const auto deployable = [](const Verdict& verdict) {
      return verdict.winner && verdict.winner->service.confidence >= sure;
    };
    const bool any_inner = std::ranges::any_of(inner, deployable);
    if (top.winner && (certain || !any_inner))
      take(std::move(top));
    else if (top.winner)
      lose(*top.winner, "a folder below is surer"), keep_losers(top);
    else
      keep_losers(top);
    for (Verdict& verdict : inner)
      if (deployable(verdict)) take(std::move(verdict));
    if (plan_.services.empty())
      for (Verdict& verdict : inner)
        if (verdict.winner && plan_.services.empty()) take(std::move(verdict));
    if (plan_.services.empty()) loose_folder();
  }

  // The one folder that holds every source when no manifest is anywhere and nothing to run lies at
  // the top; "" otherwise. A package that is imported by its own name stays where it is.
  [[nodiscard]] std::string only_folder() const {
    if (!project_.roots().empty()) return {};
    std::string_view only;
    for (const Tree::File* file : project_.files().own()) {
      const std::string_view path = file->path;
      const std::string_view name = base_name(path);
      const bool top = path.find('/') == std::string_view::npos;
      const bool counts = language_of(path) != Language::none ||
                          (top && (name == "index.html" || name == "Dockerfile" ||
                                   name == "Procfile" || name.ends_with(".sh")));
      if (!counts) continue;
      const std::size_t slash = path.find('/');
      const std::string_view folder = path.substr(0, slash == std::string_view::npos ? 0 : slash);
      if (folder.empty() || (!only.empty() && folder != only)) return {};
      only = folder;
    }
    if (only.empty() || project_.files().has(join_path(only, "__init__.py"))) return {};
    for (const std::string_view name :
         {"public", "src", "dist", "build", "out", "site", "www", "docs"})
      if (only == name) return {};
    for (const SourceFacts* facts : Root(project_, "").sources(Language::python))
      for (const Import& import : facts->imports)
        if (import.module.starts_with(std::string(only) + ".")) return {};
    return std::string(only);
  }

  // Nothing at the top and no manifests: one folder further down, of sources or pages alone.
  void loose_folder() {
    std::set<std::string> folders;
    for (const Tree::File* file : project_.files().own()) {
      if (folders.size() >= max_roots) break;
      const std::string_view directory = directory_of(file->path);
      if (directory.empty() || depth_of(directory) > 1) continue;
      const std::string_view name = base_name(file->path);
      if (name == "index.html" || name == "Dockerfile" || name == "Procfile" ||
          language_of(file->path) != Language::none)
        folders.emplace(directory);
    }
    std::optional<Verdict> best;
    for (const std::string& folder : folders) {
      Verdict verdict = judged(folder);
      if (!verdict.winner) continue;
      if (!best || verdict.winner->service.confidence > best->winner->service.confidence)
        best = std::move(verdict);
    }
    if (best) take(*std::move(best));
  }

  // Whether the root's own commands already build a folder: `cd client && npm run build`.
  [[nodiscard]] bool belongs_to(const std::string& folder, const Service& service) const {
    const std::string_view manifest =
        project_.files().text(join_path(service.root, "package.json"));
    for (const std::string& mark : {"cd " + folder, "--prefix " + folder, "-C " + folder,
                                    "--cwd " + folder, "--filter " + folder, "--dir " + folder})
      if (manifest.find(mark) != std::string_view::npos) return true;
    // What the root itself starts lies there: node server/index.js.
    if (service.start && (" " + *service.start).find(" " + folder + "/") != std::string::npos)
      return true;
    // The page that the root's own bundler is rooted in: root: "client".
    for (const std::string_view config :
         {"vite.config.ts", "vite.config.js", "vite.config.mjs", "vite.config.mts"}) {
      const std::string_view text = project_.files().text(join_path(service.root, config));
      if (text.find("root") == std::string_view::npos) continue;
      for (const std::string& quoted :
           {"\"" + folder + "\"", "'" + folder + "'", "\"./" + folder + "\"", "'./" + folder + "'"})
        if (text.find(quoted) != std::string_view::npos) return true;
    }
    return false;
  }

  void set_aside(const std::string& root, std::string reason) {
    plan_.candidates.push_back({.provider = {},
                                .framework = {},
                                .root = root,
                                .confidence = 0,
                                .reason = std::move(reason)});
  }
  void lose(const Proposal& proposal, const std::string& why) {
    const Service& service = proposal.service;
    plan_.candidates.push_back({.provider = service.provider,
                                .framework = service.framework,
                                .root = service.root,
                                .confidence = service.confidence,
                                .reason = proposal.reason + "; " + why});
  }
  void keep_losers(Verdict& verdict) {
    for (Candidate& loser : verdict.losers) plan_.candidates.push_back(std::move(loser));
  }
  void take(Verdict verdict) {
    keep_losers(verdict);
    if (!verdict.winner) return;
    Proposal& proposal = *verdict.winner;
    for (Warning& warning : proposal.warnings) plan_.warnings.push_back(std::move(warning));
    for (Question& question : proposal.questions) plan_.questions.push_back(std::move(question));
    const std::string dockerfile = join_path(proposal.service.root, "Dockerfile");
    if (proposal.service.provider != "dockerfile" && project_.files().has(dockerfile))
      plan_.questions.push_back(
          {.id = "dockerfile",
           .text = "run " + proposal.service.provider + " itself, or build " + dockerfile + "?",
           .choices = {proposal.service.provider, "dockerfile"},
           .default_choice = proposal.service.provider,
           .flag = "--framework dockerfile"});
    proposal.service.name = name_of(proposal.service);
    for (Service& other : proposal.others) {
      if (other.name.empty()) other.name = name_of(other);
      if (other.confidence <= 0) other.confidence = proposal.service.confidence;
      plan_.services.push_back(std::move(other));
    }
    plan_.services.push_back(std::move(proposal.service));
  }

  void finish() {
    stable_order(plan_.services, rank_of);
    unique_names();
    wire_services(project_, plan_.services);
    find_fixed_addresses(project_, plan_.services, plan_.warnings);
    ask_which();
    if (!options_.service.empty()) choose_service();
    if (plan_.services.empty() && (!options_.start.empty() || !options_.output.empty()))
      plan_.services.push_back(as_told());
    for (Service& service : plan_.services) name_fields(service);
    for (Service& service : plan_.services)
      apply_overrides(overrides_, flags_, service, &service == plan_.services.data());
    for (Service& service : plan_.services) name_fields(service);
    for (const Warning& finding : overrides_.findings) plan_.warnings.push_back(finding);
    const std::size_t told = plan_.warnings.size();
    if (plan_.services.empty()) name_unplanned();
    const bool named = plan_.warnings.size() > told;
    for (const Warning& warning : project_.warnings()) plan_.warnings.push_back(warning);
    tree_warnings();
    if (plan_.services.empty() && plan_.warnings.empty())
      plan_.warnings.push_back({.code = "nothing_recognized",
                                .message = "nothing here says how to run it",
                                .file = {},
                                .line = 0,
                                .fix = "add an index.html, a package.json with a start script, an "
                                       "app.py, or a Procfile; or give --start"});
    else if (plan_.services.empty() && !named)
      plan_.warnings.push_back({.code = "nothing_to_run",
                                .message = "no folder here has an application to run",
                                .file = {},
                                .line = 0,
                                .fix = "add a start script or a Procfile; or give --start"});
  }

  // All services are deployed together. What people open first is unclear when there are several
  // pages, or several interfaces and no page, and none of them lies at the top or says its role.
  void ask_which() {
    if (!options_.service.empty()) return;
    std::vector<std::string> pages, interfaces;
    for (const Service& service : plan_.services)
      if (role_of(service) == Role::page)
        pages.push_back(service.name);
      else if (role_of(service) == Role::interface)
        interfaces.push_back(service.name);
    const std::vector<std::string>& choices = pages.empty() ? interfaces : pages;
    if (choices.size() < 2) return;
    if (plan_.services.front().root.empty() && listing_.services.empty()) return;
    plan_.questions.push_back({.id = "service",
                               .text = "which of " + join(choices, ", ") + " is the main one?",
                               .choices = choices,
                               .default_choice = choices.front(),
                               .flag = "--service"});
  }

  // Nothing was recognized, but the start was given.
  [[nodiscard]] Service as_told() const {
    Service service{.name = "web", .provider = "shell", .confidence = 1};
    service.root = resolve_path("", options_.root).value_or("");
    service.runtime.source = "default";
    return service;
  }

  // Languages that are known, where no program was found: a library, or an unusual build.
  void name_unplanned() {
    constexpr std::array known{
        std::pair{std::string_view("build.sbt"), std::string_view("Scala")},
        std::pair{std::string_view("project.clj"), std::string_view("Clojure")},
        std::pair{std::string_view("deps.edn"), std::string_view("Clojure")},
        std::pair{std::string_view("Package.swift"), std::string_view("Swift")},
        std::pair{std::string_view("shard.yml"), std::string_view("Crystal")},
        std::pair{std::string_view("gleam.toml"), std::string_view("Gleam")},
        std::pair{std::string_view("pubspec.yaml"), std::string_view("Dart")},
        std::pair{std::string_view("build.zig"), std::string_view("Zig")},
        std::pair{std::string_view("stack.yaml"), std::string_view("Haskell")}};
    for (const std::string& root : project_.roots())
      for (const auto& [file, language] : known)
        if (const std::string path = join_path(root, file); project_.files().has(path))
          plan_.warnings.push_back(
              {.code = "no_program",
               .message =
                   path + ": a " + std::string(language) + " project without a program to start",
               .file = path,
               .line = 0,
               .fix = "give --build and --start, or add a Procfile or a Dockerfile"});
  }

  void unique_names() {
    std::set<std::string> names;
    for (Service& service : plan_.services) {
      const std::string wanted = names.contains(service.name) && !service.root.empty()
                                     ? slug(service.root + "-" + service.name)
                                     : service.name;
      std::string name = wanted;
      for (int i = 2; !names.insert(name).second; ++i) name = wanted + "-" + std::to_string(i);
      service.name = name;
    }
  }

  void choose_service() {
    std::erase_if(plan_.services,
                  [&](const Service& service) { return service.name != options_.service; });
    if (plan_.services.empty())
      plan_.warnings.push_back({.code = "no_such_service",
                                .message = "there is no service " + options_.service,
                                .fix = "slipway detect lists the services"});
  }

  void tree_warnings() {
    if (project_.files().truncated())
      plan_.warnings.push_back({.code = "large_tree",
                                .message = "more than " + std::to_string(Files::max_entries) +
                                           " files; the rest was not looked at",
                                .fix = "name what should not be sent in .slipwayignore"});
    int named = 0;
    for (const Tree::File* file : project_.files().own())
      if (file->size > huge_file && ++named <= 5)
        plan_.warnings.push_back(
            {.code = "large_file",
             .message = file->path + " has " + format_bytes(file->size),
             .file = file->path,
             .line = 0,
             .fix = "add " + file->path + " to .slipwayignore if the app does not need it"});
  }

  const Project& project_;
  const DetectOptions& flags_;
  const Overrides overrides_;
  const DetectOptions& options_;
  const Listing listing_;
  Plan plan_;
};

}  // namespace

Plan detect(const Tree& tree, const DetectOptions& options) {
  const detection::Project project(tree);
  return Arbiter(project, options).run();
}

}  // namespace slipway
