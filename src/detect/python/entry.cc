#include <algorithm>
#include <array>

#include "detect/python/project.h"

namespace slipway::detection::python {
namespace {

constexpr std::array usual{
    std::string_view("main"), std::string_view("app"),      std::string_view("wsgi"),
    std::string_view("asgi"), std::string_view("server"),   std::string_view("application"),
    std::string_view("api"),  std::string_view("index"),    std::string_view("run"),
    std::string_view("web"),  std::string_view("__init__"), std::string_view("bot"),
    std::string_view("start")};

int rank_of(std::string_view relative) {
  const std::string_view stem = without_extension(base_name(relative));
  const auto at = std::ranges::find(usual, stem);
  return static_cast<int>(depth_of(relative)) * 20 + static_cast<int>(at - usual.begin());
}

int object_rank(std::string_view name) {
  constexpr std::array names{std::string_view("app"), std::string_view("application"),
                             std::string_view("api"), std::string_view("server"),
                             std::string_view("asgi_app")};
  return static_cast<int>(std::ranges::find(names, name) - names.begin());
}

bool is_package_or_module(const Root& root, const std::string& stem) {
  return root.has(stem + ".py") || root.has(stem + "/__init__.py") ||
         root.project().files().has_directory(root.path(stem));
}

// Sets module and directory: from where the file's own imports work.
void place(const Root& root, const SourceFacts& facts, Entry& entry) {
  std::string path(without_extension(entry.file));
  if (base_name(path) == "__init__") path = directory_of(path);
  const std::string folder(directory_of(path));
  bool siblings = false, absolute = false;
  for (const Import& import : facts.imports) {
    if (import.module.starts_with('.')) absolute = true;
    const std::string top = import.module.substr(0, import.module.find('.'));
    if (top.empty() || folder.empty()) continue;
    if (top == folder.substr(0, folder.find('/')) && is_package_or_module(root, top))
      absolute = true;
    if (is_package_or_module(root, join_path(folder, top)) && !is_package_or_module(root, top))
      siblings = true;
  }
  if (folder.empty()) {
    entry.module = path;
    return;
  }
  if (siblings && !absolute) {
    entry.directory = folder;
  } else if (is_within(folder, "src") && !root.has("src/__init__.py")) {
    const bool from_src = std::ranges::any_of(facts.imports, [](const Import& import) {
      return import.module == "src" || import.module.starts_with("src.");
    });
    if (!from_src) entry.directory = "src";
  }
  entry.module = relative_to(path, entry.directory);
  std::ranges::replace(entry.module, '/', '.');
}

}  // namespace

std::optional<Entry> find_app(const Root& root, std::initializer_list<std::string_view> makers) {
  const auto is_maker = [&](std::string_view name) {
    return std::ranges::find(makers, name) != makers.end();
  };
  struct Found {
    const SourceFacts* facts;
    const AppObject* app;
    int rank;
  };
  std::vector<Found> objects, guarded;
  std::vector<Found> factories;
  const std::vector<const SourceFacts*>& sources = root.sources(Language::python);
  for (const SourceFacts* facts : sources)
    for (const AppObject& app : facts->apps) {
      if (!is_maker(app.maker)) continue;
      const int rank = rank_of(root.relative(facts->path)) * 8 + object_rank(app.name);
      const bool top = app.function.empty() && !app.name.empty();
      if (top)
        objects.push_back({facts, &app, rank});
      else if (app.function == "__main__" || app.function == "?")
        guarded.push_back({facts, &app, rank});
      else if (!app.function.empty())
        factories.push_back({facts, &app, rank});
    }
  // `app = create_app()` at the top of a module, where create_app makes one of ours.
  for (const SourceFacts* facts : sources)
    for (const AppObject& app : facts->apps)
      if (app.function.empty() && !app.name.empty() &&
          std::ranges::any_of(
              factories, [&](const Found& factory) { return factory.app->function == app.maker; }))
        objects.push_back(
            {facts, &app, rank_of(root.relative(facts->path)) * 8 + object_rank(app.name)});
  const auto made = [&](const Found& found, std::string object) {
    Entry entry{.file = root.relative(found.facts->path),
                .object = std::move(object),
                .line = found.app->line};
    entry.runs_itself = found.facts->has_main || !found.facts->listens.empty();
    place(root, *found.facts, entry);
    return entry;
  };
  if (!objects.empty()) {
    const Found& best = *std::ranges::min_element(objects, {}, &Found::rank);
    return made(best, best.app->name);
  }
  if (!factories.empty()) {
    const Found& best = *std::ranges::min_element(factories, {}, &Found::rank);
    Entry entry = made(best, best.app->needs_arguments ? "" : best.app->function + "()");
    entry.factory = true;
    if (best.app->needs_arguments && !entry.runs_itself) entry.object = best.app->function + "()";
    return entry;
  }
  if (!guarded.empty()) return made(*std::ranges::min_element(guarded, {}, &Found::rank), "");
  return std::nullopt;
}

namespace {

// Run by AWS and by nobody else: the handler of a Lambda, the description of a stack.
bool runs_in_a_cloud(const Root& root, const SourceFacts& facts) {
  if (!facts.listens.empty()) return false;
  return std::ranges::any_of(facts.imports,
                             [](const Import& import) {
                               return import.module == "aws_cdk" ||
                                      import.module.starts_with("aws_cdk.");
                             }) ||
         root.text(root.relative(facts.path)).find("def lambda_handler(") != std::string_view::npos;
}

}  // namespace

std::optional<Entry> find_script(const Root& root) {
  const SourceFacts* best = nullptr;
  int best_rank = 0;
  const std::vector<const SourceFacts*>& sources = root.sources(Language::python);
  for (const SourceFacts* facts : sources) {
    const std::string relative = root.relative(facts->path);
    const std::string_view stem = without_extension(base_name(relative));
    if (stem == "__init__" || stem == "setup" || stem == "conftest" || stem == "settings" ||
        stem == "config")
      continue;
    const bool known = std::ranges::find(usual, stem) != usual.end() || stem == "__main__";
    const bool runs = facts->has_main || !facts->listens.empty();
    if (!known && !runs && sources.size() > 1) continue;
    if (depth_of(relative) > 2 || runs_in_a_cloud(root, *facts)) continue;
    const int rank =
        rank_of(relative) * 4 + (facts->listens.empty() ? 2 : 0) + (facts->has_main ? 0 : 1);
    if (best == nullptr || rank < best_rank) {
      best = facts;
      best_rank = rank;
    }
  }
  if (best == nullptr) return std::nullopt;
  Entry entry{.file = root.relative(best->path), .runs_itself = true, .line = best->main_line};
  place(root, *best, entry);
  return entry;
}

}  // namespace slipway::detection::python
