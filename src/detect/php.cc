#include <algorithm>
#include <set>

#include "base/text.h"
#include "detect/detectors.h"
#include "detect/listed.h"

namespace slipway::detection {
namespace {

std::string document_root(const Root& root) {
  for (const std::string_view folder : {"public", "web", "www", "htdocs", "public_html"})
    if (root.has(join_path(folder, "index.php"))) return std::string(folder);
  return {};
}

bool needs_source(const json::value& composer) {
  for (const std::string_view hook : {"post-install-cmd", "post-autoload-dump", "pre-install-cmd"})
    if (find(composer, {"scripts", hook}) != nullptr) return true;
  return find(composer, {"repositories"}) != nullptr;
}

// The queue's worker where there are jobs, and the scheduler where something is scheduled.
void plan_laravel_processes(const Root& root, bool horizon, Proposal& proposal) {
  const auto first_below = [&](std::string_view folder) {
    for (const std::string& file : root.files())
      if (file.starts_with(folder) && file.ends_with(".php")) return file;
    return std::string();
  };
  if (const std::string job = first_below("app/Jobs/"); horizon || !job.empty()) {
    Service worker = process_of(proposal.service, "queue", "worker",
                                horizon ? "php artisan horizon" : "php artisan queue:work");
    worker.evidence = {{.file = root.path(job.empty() ? "composer.json" : job),
                        .line = 0,
                        .fact = horizon ? "Horizon works the queue" : "jobs for the queue"}};
    proposal.others.push_back(std::move(worker));
  }
  for (const std::string_view file : {"routes/console.php", "app/Console/Kernel.php"}) {
    const std::string_view text = root.text(file);
    const bool schedules = text.find("Schedule::") != std::string_view::npos ||
                           text.find("$schedule->") != std::string_view::npos ||
                           text.find(")->daily(") != std::string_view::npos ||
                           text.find(")->hourly(") != std::string_view::npos;
    if (!schedules) continue;
    Service cron = process_of(proposal.service, "schedule", "cron", "php artisan schedule:run");
    cron.schedule = "* * * * *";
    cron.evidence = {{.file = root.path(file), .line = 0, .fact = "schedules tasks"}};
    proposal.others.push_back(std::move(cron));
    break;
  }
}

}  // namespace

std::optional<Proposal> detect_php(const Root& root) {
  const bool manifest = root.has("composer.json");
  const std::string folder = document_root(root);
  const bool index = root.has("index.php");
  if (!manifest && !index && folder.empty()) return std::nullopt;
  Proposal proposal;
  Service& service = proposal.service;
  service.root = root.directory();
  service.provider = "php";
  service.runtime = {.name = "php", .version = "", .source = "default"};
  const json::value* composer = manifest ? root.json("composer.json") : nullptr;
  std::set<std::string> packages;
  if (composer != nullptr) {
    service.package_manager = "composer";
    for (const auto& [name, range] : object_at(*composer, {"require"}))
      packages.emplace(std::string_view{name});
    if (const std::string_view version = string_at(*composer, {"require", "php"});
        !version.empty()) {
      service.runtime.version = version;
      service.runtime.source = "composer.json require.php";
      proposal.because(root.path("composer.json"), line_of(root.text("composer.json"), "\"php\""),
                       "PHP " + service.runtime.version);
    }
    for (const std::string& package : packages)
      if (package.starts_with("ext-"))
        service.system_packages.push_back("php-" + package.substr(4));
    const bool any = std::ranges::any_of(packages, [](const std::string& package) {
      return package.find('/') != std::string::npos;
    });
    if (any || find(*composer, {"autoload"}) != nullptr) {
      service.install = "composer install --no-dev --no-interaction --optimize-autoloader";
      if (!needs_source(*composer))
        for (const std::string_view file : {"composer.json", "composer.lock"})
          if (root.has(file)) service.install_inputs.push_back(root.path(file));
      if (!root.has("composer.lock"))
        proposal.warn("no_lockfile",
                      "no composer.lock: versions may differ from one build to the next",
                      root.path("composer.json"), 0, "run composer update --lock");
    }
  }
  const auto uses = [&](const std::string& package) {
    if (packages.contains(package))
      proposal.because(root.path("composer.json"), line_of(root.text("composer.json"), package),
                       "requires " + package);
    return packages.contains(package);
  };
  service.confidence = 0.96;
  if (uses("laravel/framework")) {
    service.framework = "laravel";
    service.start = "php artisan serve --host=0.0.0.0 --port=$PORT";
    service.release = "php artisan migrate --force";
    service.env.push_back({.name = "APP_KEY",
                           .required = true,
                           .kind = "secret",
                           .evidence = root.path("config/app.php") + ":1"});
    if (root.has("package.json"))
      if (const json::value* node = root.json("package.json");
          node != nullptr && !string_at(*node, {"scripts", "build"}).empty()) {
        service.system_packages.emplace_back("nodejs");
        service.build = root.has("package-lock.json") ? "npm ci && npm run build"
                                                      : "npm install && npm run build";
      }
    if (root.text("bootstrap/app.php").find("health: '/up'") != std::string_view::npos)
      service.health_path = "/up";
    plan_laravel_processes(root, uses("laravel/horizon"), proposal);
  } else if (uses("symfony/framework-bundle")) {
    service.framework = "symfony";
    service.start = "APP_ENV=prod php -S 0.0.0.0:$PORT -t public";
    if (uses("doctrine/doctrine-migrations-bundle") &&
        root.project().files().has_directory(root.path("migrations")))
      service.release =
          "APP_ENV=prod php bin/console doctrine:migrations:migrate --no-interaction "
          "--allow-no-migration";
  } else if (uses("slim/slim")) {
    service.framework = "slim";
    service.start = "php -S 0.0.0.0:$PORT -t " + (folder.empty() ? std::string(".") : folder) +
                    (folder.empty() ? "" : " " + folder + "/index.php");
  } else if (uses("codeigniter4/framework")) {
    service.framework = "codeigniter";
    service.start = "php -S 0.0.0.0:$PORT -t public";
  } else if (root.has("wp-config.php") || root.has("wp-config-sample.php") ||
             root.has("wp-load.php")) {
    service.framework = "wordpress";
    service.databases = {"mysql"};
    service.start = "php -S 0.0.0.0:$PORT";
  } else if (!folder.empty()) {
    service.start = "php -S 0.0.0.0:$PORT -t " + folder;
    service.confidence = manifest ? 0.94 : 0.9;
    proposal.because(root.path(folder + "/index.php"), 0, "the first page");
  } else if (index) {
    service.start = "php -S 0.0.0.0:$PORT";
    service.confidence = 0.92;
    proposal.because(root.path("index.php"), 0, "the first page");
  } else {
    return std::nullopt;
  }
  proposal.reason = manifest ? "composer.json" : "index.php";
  add_source_facts(root.sources(Language::php), root, proposal);
  return proposal;
}

}  // namespace slipway::detection
