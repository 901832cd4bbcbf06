#include "build/toolchains.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <limits>
#include <set>

#include "base/at_end.h"
#include "base/ids.h"
#include "base/text.h"
#include "build/toolchain_fetch.h"
#include "sys/directory.h"
#include "sys/file_time.h"
#include "sys/files.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;

constexpr Duration fetch_time = std::chrono::minutes{5};
constexpr std::uint64_t fetch_output = 4u << 20;
constexpr std::uint64_t fetch_disk = 2ull << 30;
constexpr std::uint64_t fetch_memory = 1ull << 30;

const Toolchain* first_allowed(const std::vector<Toolchain>& tools, const VersionRange& range) {
  const auto found = std::ranges::find_if(
      tools, [&](const Toolchain& tool) { return range.allows(tool.version); });
  return found == tools.end() ? nullptr : &*found;
}

std::string versions_of(const std::vector<Toolchain>& tools) {
  std::vector<std::string> texts;
  for (const Toolchain& tool : tools) texts.push_back(tool.version.str());
  return join(texts, ", ");
}

// What a person would type to have the tool on the host.
std::string remedy(std::string_view name, const VersionRange& range) {
  struct Row {
    std::string_view name, hint;
  };
  constexpr Row rows[] = {
      {"node", "install Node.js (https://nodejs.org) on the machine that runs `slipway serve`"},
      {"python",
       "install that Python (for example `uv python install {}` or `apt install python3`) "
       "on the machine that runs `slipway serve`, or relax the wanted version"},
      {"uv", "install uv (`pip install uv`) on the machine that runs `slipway serve`"},
      {"go", "install Go (https://go.dev/dl) on the machine that runs `slipway serve`"},
      {"rust",
       "install Rust (`rustup toolchain install stable`) on the machine that runs "
       "`slipway serve`"},
      {"java",
       "install a JDK (for example `apt install openjdk-{}-jdk-headless`) on the machine "
       "that runs `slipway serve`"},
      {"maven",
       "install Maven (`apt install maven`) or add the wrapper to the project "
       "(`mvn wrapper:wrapper`)"},
      {"gradle", "install Gradle or add its wrapper to the project (`gradle wrapper`)"},
  };
  for (const Row& row : rows)
    if (row.name == name) {
      std::string text(row.hint);
      const auto least = Version::parse(
          trim(std::string_view(range.npm_text()))
              .substr(std::min<std::size_t>(range.npm_text().find_first_of("0123456789"),
                                            range.npm_text().size())));
      if (const auto at = text.find("{}"); at != std::string::npos)
        text.replace(at, 2,
                     !least           ? (name == "java" ? "21" : "3")
                     : name == "java" ? std::to_string(least->major)
                                      : fmt::format("{}.{}", least->major, least->minor));
      return text;
    }
  return fmt::format("install {} on the machine that runs `slipway serve`", name);
}

std::unexpected<Error> missing(const ToolchainNeed& need, const VersionRange& range,
                               const std::vector<Toolchain>& host) {
  std::string message = need.version.empty() ? fmt::format("this app needs {}", need.name)
                                             : fmt::format("this app needs {} {}", need.name,
                                                           sanitize_line(need.version));
  if (!need.source.empty() && need.source != "default")
    message += fmt::format(" ({})", sanitize_line(need.source));
  message += host.empty() ? ", which this host does not have"
                          : fmt::format("; this host has {}", versions_of(host));
  Error error{
      .code = Errc::failed_precondition, .message = message, .hint = remedy(need.name, range)};
  error.phase = "install";
  error.cause = "missing_toolchain";
  return fail(std::move(error));
}

}  // namespace

Toolchains::Toolchains(fs::path root, Finder find, const HostSettings& settings, StepRunner& runner)
    : root_(std::move(root)), find_(std::move(find)), settings_(settings), runner_(runner) {}

std::vector<Toolchain> Toolchains::on_host(std::string_view name) {
  const MutexLock lock(mutex_);
  const auto known = host_.find(name);
  if (known != host_.end()) return known->second;
  return host_.emplace(std::string(name), find_(name)).first->second;
}

std::vector<Toolchain> Toolchains::fetched(std::string_view name) const {
  std::vector<Toolchain> found;
  std::error_code error;
  for (const auto& entry : entries_of(root_, error)) {
    const std::string file = entry.path().filename().string();
    if (!file.starts_with(std::string(name) + "-")) continue;
    if (auto tool = read_fetched(entry.path()); tool && tool->name == name)
      found.push_back(*std::move(tool));
  }
  std::ranges::sort(found, std::greater{}, &Toolchain::version);
  return found;
}

Result<Toolchain> Toolchains::remember(Toolchain tool) {
  const MutexLock lock(mutex_);
  return resolved_.insert_or_assign(tool.id(), std::move(tool)).first->second;
}

std::optional<Toolchain> Toolchains::use_fetched(const Toolchain* tool) {
  if (tool == nullptr) return std::nullopt;
  const MutexLock lock(mutex_);
  const fs::path place = root_ / fmt::format("{}-{}", tool->name, tool->version.str());
  // Its time of change is that of its last use.
  if (::utimensat(AT_FDCWD, place.c_str(), nullptr, 0) != 0) return std::nullopt;
  return resolved_.insert_or_assign(tool->id(), *tool).first->second;
}

Result<std::uint64_t> Toolchains::collect(const std::function<bool(std::string_view id)>& in_use,
                                          Duration unused_for) {
  std::uint64_t freed = 0;
  std::error_code error;
  std::vector<fs::path> doomed;
  for (const auto& entry : entries_of(root_, error)) {
    const std::string file = entry.path().filename().string();
    if (file.starts_with(".gone-")) doomed.push_back(entry.path());  // of a collection cut short
    const std::optional<Toolchain> tool = read_fetched(entry.path());
    if (!tool || in_use(tool->id())) continue;
    const MutexLock lock(mutex_);  // against use_fetched()
    const auto used = fs::last_write_time(entry.path(), error);
    if (error || file_time_now() - used < unused_for) continue;
    const fs::path gone = root_ / (".gone-" + file);
    fs::rename(entry.path(), gone, error);
    if (error) continue;
    resolved_.erase(tool->id());
    doomed.push_back(gone);
  }
  for (const fs::path& gone : doomed) {
    freed += disk_usage(gone, std::numeric_limits<std::uint64_t>::max());
    SLIPWAY_CHECK(remove_tree(gone));
  }
  return freed;
}

Result<Toolchain> Toolchains::resolve(const ToolchainNeed& need, const Context& context) {
  const VersionRange range = toolchain_range(need.name, need.version);
  const std::vector<Toolchain> host = on_host(need.name);
  if (const Toolchain* tool = first_allowed(host, range)) return remember(*tool);
  const std::vector<Toolchain> earlier = fetched(need.name);
  if (auto tool = use_fetched(first_allowed(earlier, range))) return *std::move(tool);
  const VersionRange any_patch = range.without_patch();
  if (need.name == "python")  // any patch release of the wanted minor one will do
    if (const Toolchain* tool = first_allowed(host, any_patch)) {
      context.note(
          fmt::format("using Python {} for {}", tool->version.str(), sanitize_line(need.version)));
      return remember(*tool);
    }
  // Go fetches the toolchain that go.mod asks for by itself, as a module.
  if (need.name == "go" && !host.empty() && host.front().version >= Version{1, 21, 0, {}})
    return remember(host.front());

  auto got = fetch(need, range, context);
  if (got) return remember(*std::move(got));
  if (got.error().code == Errc::canceled) return got;
  if (const Toolchain* tool = first_allowed(host, any_patch)) {
    context.note(fmt::format("could not fetch {} {}; using the host's {}", need.name,
                             sanitize_line(need.version), tool->version.str()));
    return remember(*tool);
  }
  return missing(need, range, host);
}

Result<Toolchain> Toolchains::fetch(const ToolchainNeed& need, const VersionRange& range,
                                    const Context& context) {
  const auto recipe = fetch_recipe(need.name, range);
  if (!recipe) return fail(Errc::not_found, need.name + " is in no registry");
  std::vector<Toolchain> tools;
  if (need.name != recipe->needs) {
    if (recipe->needs == "node" || recipe->needs == "python") {
      const auto host = on_host(recipe->needs);
      if (host.empty()) return fail(Errc::failed_precondition, "nothing on the host to fetch with");
      tools.push_back(host.front());
    } else {
      SLIPWAY_TRY(Toolchain helper, resolve({.name = recipe->needs}, context));
      tools.push_back(std::move(helper));
    }
  } else {  // a newer Node by the host's Node
    const auto host = on_host(need.name);
    if (host.empty()) return fail(Errc::failed_precondition, "nothing on the host to fetch with");
    tools.push_back(host.front());
  }

  {
    auto fetching = fetching_.lock();
    if (!fetching.wait(fetch_over_, context.stop, [](bool busy) { return !busy; }))
      return fail(Errc::canceled, "the build was canceled");
    *fetching = true;
  }
  const AtEnd next_one([this] {
    *fetching_.lock() = false;
    fetch_over_.notify_all();
  });
  const std::vector<Toolchain> earlier = fetched(need.name);
  if (auto tool = use_fetched(first_allowed(earlier, range)))
    return *std::move(tool);  // another build was faster

  context.note(fmt::format("fetching {} {}", need.name, range.npm_text()));
  SLIPWAY_CHECK(make_directories(root_));
  SLIPWAY_TRY(const TempDir work, TempDir::create(root_, ".fetch-"));
  const fs::path upper = work.path() / "upper";
  SLIPWAY_CHECK(make_directories(upper / "app"));
  SandboxSpec spec;
  spec.id = context.sandbox_id + "-fetch";
  spec.cgroup = "builds";
  spec.root.upper = upper;
  spec.root.binds = settings_.binds;
  spec.argv = {"/bin/sh", "-c", recipe->script};
  spec.env = settings_.env;
  std::vector<std::string> path;
  for (const Toolchain& tool : tools) {
    spec.root.binds.insert(spec.root.binds.end(), tool.binds.begin(), tool.binds.end());
    path.insert(path.end(), tool.path.begin(), tool.path.end());
    for (const auto& [name, value] : tool.env) spec.env[name] = value;
  }
  path.emplace_back("/usr/local/bin:/usr/bin:/bin");
  spec.env["PATH"] = join(path, ":");
  spec.env["HOME"] = "/app";
  spec.env["TMPDIR"] = "/app";
  spec.env["npm_config_cache"] = "/app/.npm";
  spec.env["npm_config_update_notifier"] = "false";
  spec.workdir = "/app";
  spec.uid_slot = context.uid_slot;
  spec.limits.memory_bytes = fetch_memory;
  spec.limits.disk_bytes = fetch_disk;
  spec.egress = Egress::registries;
  spec.hostname = "fetch";
  SLIPWAY_TRY(const StepRunner::Outcome outcome,
              runner_.run(spec, fetch_time, fetch_output, context.output, context.stop));
  if (outcome.exit.code != 0 || outcome.timed_out)
    return fail(Errc::unavailable, fmt::format("could not fetch {}", need.name));
  const fs::path made = upper / "app" / "fetch" / "tool";
  const auto version = finish_fetched(need.name, made);
  if (!version) return fail(Errc::corrupt, fmt::format("what was fetched is no {}", need.name));
  const fs::path place = root_ / fmt::format("{}-{}", need.name, version->str());
  std::error_code error;
  fs::rename(made, place, error);
  if (error && !fs::exists(place)) return fail(Errc::io, "keep the fetched " + need.name);
  auto tool = read_fetched(place);
  if (!tool) return fail(Errc::corrupt, fmt::format("what was fetched is no {}", need.name));
  return *std::move(tool);
}

Result<Toolchain> Toolchains::get(std::string_view id) {
  {
    const MutexLock lock(mutex_);
    if (const auto known = resolved_.find(id); known != resolved_.end()) return known->second;
  }
  const std::string_view name = id.substr(0, id.find('@'));
  for (const Toolchain& tool : on_host(name))
    if (tool.id() == id) return remember(tool);
  for (const Toolchain& tool : fetched(name))
    if (tool.id() == id)
      if (auto used = use_fetched(&tool)) return *std::move(used);
  return fail(Errc::failed_precondition, fmt::format("{} is no longer on this host", id),
              "deploy again to build it with what the host has now, or install that version again");
}

}  // namespace slipway
