#include "build/caches.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/digest.h"
#include "base/text.h"
#include "sys/directory.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view inside_root = "/opt/slipway/cache/";

// Which cache comes with which tool, and the variable that tells the tool. `alone`: the tool does
// not lock it against a second user in another sandbox.
struct CacheRow {
  std::string_view tool, name;
  std::vector<std::string_view> variables;
  bool alone;
};
const std::vector<CacheRow>& cache_rows() {
  static const std::vector<CacheRow> rows = {
      {"node", "npm", {"npm_config_cache"}, false},
      {"pnpm", "pnpm", {"npm_config_store_dir", "pnpm_config_store_dir"}, false},
      {"yarn", "yarn", {"YARN_CACHE_FOLDER", "YARN_GLOBAL_FOLDER"}, true},
      {"bun", "bun", {"BUN_INSTALL_CACHE_DIR"}, false},
      {"python", "pip", {"PIP_CACHE_DIR"}, false},
      {"uv", "uv", {"UV_CACHE_DIR"}, false},
      {"uv", "poetry", {"POETRY_CACHE_DIR"}, true},
      {"go", "go-mod", {"GOMODCACHE"}, false},
      {"go", "go-build", {"GOCACHE"}, false},
      {"rust", "cargo", {"CARGO_HOME"}, false},
      {"rust", "cargo-target", {"CARGO_TARGET_DIR"}, true},
      {"java", "maven", {}, true},
      {"java", "gradle", {"GRADLE_USER_HOME"}, true},
      {"ruby", "bundle", {"BUNDLE_USER_CACHE"}, true},
      {"php", "composer", {"COMPOSER_CACHE_DIR"}, true},
      {"buildah", "images", {}, true},
  };
  return rows;
}

// A framework's cache directory must lie inside the service's own.
bool is_plain_relative(std::string_view path) {
  if (path.empty() || path.starts_with('/')) return false;
  return std::ranges::none_of(split(path, '/'), [](std::string_view part) {
    return part.empty() || part == "." || part == "..";
  });
}

std::uint64_t bytes_in(const fs::path& directory) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code ignored;
    if (at->is_regular_file(ignored) && !at->is_symlink(ignored)) bytes += at->file_size(ignored);
  }
  return bytes;
}

}  // namespace

ProjectCaches::ProjectCaches(fs::path root, fs::path scratch)
    : root_(std::move(root)), scratch_(std::move(scratch)) {}

ProjectCaches::Lease::~Lease() {
  if (owner_ == nullptr) return;
  const MutexLock lock(owner_->mutex_);
  for (const std::string& name : held_) owner_->held_.erase(name);
}

fs::path ProjectCaches::directory_of(std::string_view project) const {
  return root_ / fmt::format("{}-{}", slug(project), sha256(project).hex().substr(0, 12));
}

Result<fs::path> ProjectCaches::take(Lease& lease, std::string_view project, std::string_view name,
                                     Use use) {
  const fs::path directory = directory_of(project) / name;
  if (use == Use::alone) {
    const MutexLock lock(mutex_);
    if (held_.insert(directory.string()).second) {
      lease.held_.push_back(directory.string());
    } else {
      SLIPWAY_CHECK(make_directories(scratch_));
      SLIPWAY_TRY(TempDir own, TempDir::create(scratch_, "cache-"));
      lease.own_.push_back(std::move(own));
      const fs::path inner = lease.own_.back().path() / name;
      SLIPWAY_CHECK(make_directories(inner));
      return inner;
    }
  }
  SLIPWAY_CHECK(make_directories(directory));
  return directory;
}

Result<std::unique_ptr<ProjectCaches::Lease>> ProjectCaches::lease(
    std::string_view project, const Service& service, const std::vector<std::string>& tools) {
  auto lease = std::make_unique<Lease>();
  lease->owner_ = this;
  for (const CacheRow& row : cache_rows()) {
    if (std::ranges::find(tools, row.tool) == tools.end()) continue;
    SLIPWAY_TRY(const fs::path source,
                take(*lease, project, row.name, row.alone ? Use::alone : Use::together));
    const std::string inside = std::string(inside_root) + std::string(row.name);
    lease->binds.push_back(
        {.source = source, .target = inside, .access = BindMount::Access::read_write});
    for (std::string_view variable : row.variables) lease->env[std::string(variable)] = inside;
    if (row.name == "maven") lease->java_flags = "-Dmaven.repo.local=" + inside;
    if (row.name == "cargo-target") lease->cargo_target = source;
  }
  const std::string app = service.root.empty() ? "/app" : "/app/" + service.root;
  for (const std::string& name : service.cache_dirs) {
    if (!is_plain_relative(name)) continue;
    const std::string target = app + "/" + name;
    SLIPWAY_TRY(
        const fs::path source,
        take(*lease, project, "framework-" + sha256(target).hex().substr(0, 16), Use::alone));
    lease->framework_binds.push_back(
        {.source = source, .target = target, .access = BindMount::Access::read_write});
  }
  return lease;
}

Status ProjectCaches::trim(std::string_view project, std::uint64_t limit_bytes) {
  std::multimap<std::uint64_t, fs::path, std::greater<>> by_size;
  std::uint64_t total = 0;
  std::error_code error;
  for (const auto& entry : entries_of(directory_of(project), error)) {
    if (!entry.is_directory(error)) continue;  // notes about caches stay with them
    const std::uint64_t bytes = bytes_in(entry.path());
    total += bytes;
    by_size.emplace(bytes, entry.path());
  }
  for (const auto& [bytes, directory] : by_size) {
    if (total <= limit_bytes) break;
    {
      const MutexLock lock(mutex_);
      if (held_.contains(directory.string())) continue;
    }
    // Out of sight first: a build that starts now finds an empty cache, not half of one.
    SLIPWAY_CHECK(make_directories(scratch_));
    SLIPWAY_TRY(const TempDir trash, TempDir::create(scratch_, "trash-"));
    fs::rename(directory, trash.path() / "cache", error);
    if (error) continue;
    total -= bytes;
  }
  return {};
}

Status ProjectCaches::remove(std::string_view project) {
  return remove_tree(directory_of(project));
}

}  // namespace slipway
