// What every language's plan takes from sources: environment variables, databases, health path.
#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/text.h"
#include "detect/detectors.h"
#include "model/public_variables.h"

namespace slipway::detection {
namespace {

// Set by Slipway, the shell, the runtime or continuous integration; nobody has to give them.
bool is_given(std::string_view name) {
  constexpr std::array given{std::string_view("PORT"),
                             std::string_view("HOST"),
                             std::string_view("NODE_ENV"),
                             std::string_view("HOME"),
                             std::string_view("PATH"),
                             std::string_view("PWD"),
                             std::string_view("USER"),
                             std::string_view("CI"),
                             std::string_view("MODE"),
                             std::string_view("DEV"),
                             std::string_view("PROD"),
                             std::string_view("SSR"),
                             std::string_view("BASE_URL"),
                             std::string_view("NEXT_RUNTIME"),
                             std::string_view("DJANGO_SETTINGS_MODULE"),
                             std::string_view("TZ"),
                             std::string_view("LANG"),
                             std::string_view("TMPDIR"),
                             std::string_view("SHELL"),
                             std::string_view("HOSTNAME"),
                             std::string_view("PYTHONPATH"),
                             std::string_view("VIRTUAL_ENV"),
                             std::string_view("NEXT_PHASE"),
                             std::string_view("npm_package_version"),
                             std::string_view("VERCEL"),
                             std::string_view("VERCEL_URL"),
                             std::string_view("VERCEL_ENV"),
                             std::string_view("NETLIFY")};
  return name.starts_with("SLIPWAY_") || std::ranges::find(given, name) != given.end();
}

bool contains_any(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::ranges::any_of(
      parts, [text](std::string_view part) { return text.find(part) != std::string_view::npos; });
}

std::string kind_of(std::string_view name) {
  if (is_public_variable(name)) return "public";
  if (contains_any(name, {"SECRET", "TOKEN", "PASSWORD", "PASSWD", "API_KEY", "APIKEY",
                          "PRIVATE_KEY", "DATABASE_URL", "REDIS_URL", "MONGO", "_DSN", "CREDENTIAL",
                          "ACCESS_KEY", "AUTH_KEY"}) ||
      name.ends_with("_KEY") || name.ends_with("_DSN"))
    return "secret";
  return "run";
}

void add_env_files(const Root& root, std::map<std::string, EnvNeed>& needs) {
  for (const std::string_view name :
       {".env.example", ".env.sample", ".env.template", ".env.dist", "env.example"}) {
    const std::string path = root.path(name);
    int number = 0;
    for (const std::string_view raw : lines(root.project().files().text(path))) {
      ++number;
      std::string_view line = trim(raw);
      if (line.starts_with("export ")) line = trim(line.substr(7));
      const std::size_t equals = line.find('=');
      if (line.starts_with('#') || equals == std::string_view::npos || equals == 0) continue;
      const std::string variable(trim(line.substr(0, equals)));
      if (variable.find_first_of(" \t\"'") != std::string::npos || is_given(variable)) continue;
      std::string_view value = trim(line.substr(equals + 1));
      if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
          value.back() == value.front())
        value = value.substr(1, value.size() - 2);
      const auto [at, added] =
          needs.try_emplace(variable, EnvNeed{.name = variable,
                                              .required = false,
                                              .kind = kind_of(variable),
                                              .evidence = path + ":" + std::to_string(number)});
      const bool secret = at->second.kind == "secret";
      if (added && !value.empty() && !secret) at->second.default_value = std::string(value);
    }
  }
}

}  // namespace

void add_source_facts(const std::vector<const SourceFacts*>& sources, const Root& root,
                      Proposal& proposal) {
  std::map<std::string, EnvNeed> needs;
  for (const SourceFacts* source : sources)
    for (const EnvRead& read : source->env) {
      if (is_given(read.name)) continue;
      const auto [at, added] = needs.try_emplace(
          read.name, EnvNeed{.name = read.name,
                             .required = read.required,
                             .kind = kind_of(read.name),
                             .default_value = read.default_value,
                             .evidence = source->path + ":" + std::to_string(read.line)});
      // A default anywhere means that the program copes without it.
      if (!added && read.default_value && !at->second.default_value) {
        at->second.default_value = read.default_value;
        at->second.required = false;
      } else if (!added && read.required && !at->second.default_value) {
        at->second.required = true;
      }
    }
  add_env_files(root, needs);
  for (auto& [name, need] : needs) proposal.service.env.push_back(std::move(need));
  if (const std::string_view health = health_route(sources); health != "/")
    proposal.service.health_path = health;
}

void take_fixed_port(const std::vector<const SourceFacts*>& sources, std::string_view fix,
                     Proposal& proposal) {
  Service& service = proposal.service;
  for (const SourceFacts* facts : sources)
    if (facts->reads_port) return;
  for (const SourceFacts* facts : sources)
    for (const Listen& listen : facts->listens)
      if (listen.port && !listen.from_env && !service.port) {
        service.port = listen.port;
        proposal.because(facts->path, listen.line, "listens on " + std::to_string(*listen.port));
        proposal.warn("port_ignored",
                      "listens on " + std::to_string(*listen.port) +
                          " whatever PORT says; it is reached there",
                      facts->path, listen.line, std::string(fix));
      }
}

std::string_view health_route(const std::vector<const SourceFacts*>& sources) {
  constexpr std::array paths{std::string_view("/healthz"),
                             std::string_view("/health"),
                             std::string_view("/api/health"),
                             std::string_view("/api/healthz"),
                             std::string_view("/_health"),
                             std::string_view("/healthcheck"),
                             std::string_view("/health-check"),
                             std::string_view("/health_check"),
                             std::string_view("/api/v1/health"),
                             std::string_view("/livez"),
                             std::string_view("/readyz"),
                             std::string_view("/ping"),
                             std::string_view("/up")};
  for (const std::string_view wanted : paths)
    for (const SourceFacts* source : sources)
      for (const Route& route : source->routes) {
        std::string_view path = route.path;
        if (path.size() > 1 && path.ends_with('/') && path.substr(0, path.size() - 1) == wanted)
          return path;
        if (path == wanted) return wanted;
      }
  return "/";
}

namespace {

// Debian packages that a library does not carry itself.
std::string_view system_packages_of(std::string_view package) {
  static const std::map<std::string_view, std::string_view> needs{
      {"psycopg2", "libpq-dev"},
      {"mysqlclient", "default-libmysqlclient-dev pkg-config"},
      {"opencv-python", "libgl1 libglib2.0-0"},
      {"opencv-contrib-python", "libgl1 libglib2.0-0"},
      {"pdf2image", "poppler-utils"},
      {"pytesseract", "tesseract-ocr"},
      {"weasyprint", "libpango-1.0-0 libpangoft2-1.0-0"},
      {"pydub", "ffmpeg"},
      {"ffmpeg-python", "ffmpeg"},
      {"openai-whisper", "ffmpeg"},
      {"pycairo", "libcairo2-dev pkg-config"},
      {"python-magic", "libmagic1"},
      {"pyodbc", "unixodbc-dev"},
      {"python-ldap", "libldap2-dev libsasl2-dev"},
      {"graphviz", "graphviz"},
      {"pygraphviz", "graphviz libgraphviz-dev"},
      {"pyzbar", "libzbar0"},
      {"selenium", "chromium chromium-driver"},
      {"xmlsec", "libxmlsec1-dev pkg-config"},
      {"puppeteer", "chromium"},
      {"fluent-ffmpeg", "ffmpeg"},
      {"gm", "graphicsmagick"},
      {"pg", ""},
      {"rmagick", "libmagickwand-dev"},
      {"ruby-vips", "libvips"},
      {"image_processing", "libvips"},
      {"mysql2", ""}};
  const auto at = needs.find(package);
  return at == needs.end() ? std::string_view{} : at->second;
}

}  // namespace

std::string_view database_of(std::string_view package) {
  static const std::map<std::string_view, std::string_view> drivers{
      {"pg", "postgres"},
      {"postgres", "postgres"},
      {"pg-promise", "postgres"},
      {"@neondatabase/serverless", "postgres"},
      {"@vercel/postgres", "postgres"},
      {"slonik", "postgres"},
      {"psycopg2", "postgres"},
      {"psycopg2-binary", "postgres"},
      {"psycopg", "postgres"},
      {"asyncpg", "postgres"},
      {"mysql", "mysql"},
      {"mysql2", "mysql"},
      {"pymysql", "mysql"},
      {"mysqlclient", "mysql"},
      {"aiomysql", "mysql"},
      {"mysql-connector-python", "mysql"},
      {"mariadb", "mysql"},
      {"mongodb", "mongodb"},
      {"mongoose", "mongodb"},
      {"pymongo", "mongodb"},
      {"motor", "mongodb"},
      {"mongoengine", "mongodb"},
      {"beanie", "mongodb"},
      {"redis", "redis"},
      {"ioredis", "redis"},
      {"@upstash/redis", "redis"},
      {"bullmq", "redis"},
      {"aioredis", "redis"},
      {"better-sqlite3", "sqlite"},
      {"sqlite3", "sqlite"},
      {"sqlite", "sqlite"},
      {"aiosqlite", "sqlite"},
      {"@libsql/client", "sqlite"},
      {"sql.js", "sqlite"},
      {"github.com/lib/pq", "postgres"},
      {"github.com/jackc/pgx/v5", "postgres"},
      {"github.com/jackc/pgx/v4", "postgres"},
      {"gorm.io/driver/postgres", "postgres"},
      {"github.com/go-sql-driver/mysql", "mysql"},
      {"gorm.io/driver/mysql", "mysql"},
      {"gorm.io/driver/sqlite", "sqlite"},
      {"github.com/mattn/go-sqlite3", "sqlite"},
      {"modernc.org/sqlite", "sqlite"},
      {"go.mongodb.org/mongo-driver", "mongodb"},
      {"github.com/redis/go-redis/v9", "redis"},
      {"github.com/go-redis/redis/v8", "redis"},
      {"tokio-postgres", "postgres"},
      {"rusqlite", "sqlite"},
      {"postgresql", "postgres"},
      {"mysql-connector-j", "mysql"},
      {"mysql-connector-java", "mysql"},
      {"h2", "h2"},
      {"spring-boot-starter-data-redis", "redis"},
      {"spring-boot-starter-data-mongodb", "mongodb"},
      {"postgrex", "postgres"},
      {"myxql", "mysql"},
      {"mongoid", "mongodb"},
      {"trilogy", "mysql"},
      {"mongo", "mongodb"},
      {"Npgsql", "postgres"},
      {"Npgsql.EntityFrameworkCore.PostgreSQL", "postgres"},
      {"Microsoft.EntityFrameworkCore.Sqlite", "sqlite"},
      {"Microsoft.EntityFrameworkCore.SqlServer", "sqlserver"}};
  const auto at = drivers.find(package);
  return at == drivers.end() ? std::string_view{} : at->second;
}

void add_dependency(std::string_view package, Service& service) {
  const std::string_view database = database_of(package);
  if (!database.empty() &&
      std::ranges::find(service.databases, database) == service.databases.end())
    service.databases.insert(std::ranges::upper_bound(service.databases, database),
                             std::string(database));
  for (const std::string_view needed : split(system_packages_of(package), ' '))
    if (!needed.empty() &&
        std::ranges::find(service.system_packages, needed) == service.system_packages.end())
      service.system_packages.insert(std::ranges::upper_bound(service.system_packages, needed),
                                     std::string(needed));
}

}  // namespace slipway::detection
