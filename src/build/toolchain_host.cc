#include "build/toolchain_host.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/text.h"
#include "build/host_command.h"
#include "sys/directory.h"
#include "sys/files.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr Duration patience = seconds{20};  // a cold JVM or a rustup shim takes its time

std::optional<fs::path> real(const fs::path& path) {
  std::error_code error;
  fs::path out = fs::canonical(path, error);
  if (error) return std::nullopt;
  return out;
}

// A toolchain whose files are all below `prefix`: seen at its place when that is in /usr, else
// bound at its neutral path. Sets binds, `path` (bin) and returns where the prefix is inside.
std::string place(Toolchain& tool, const fs::path& prefix) {
  std::string inside = prefix.string();
  if (!visible_inside(prefix)) {
    inside = toolchain_mount(tool.name, tool.version);
    tool.binds.push_back({.source = prefix, .target = inside});
  }
  tool.path.push_back(prefix == "/usr" ? "/usr/bin" : inside + "/bin");
  return inside;
}

std::vector<std::string> output_lines(const std::vector<std::string>& argv, const EnvVars& env) {
  std::vector<std::string> out;
  const auto text = host_output(argv, env, patience);
  if (text)
    for (std::string_view line : lines(*text)) out.emplace_back(trim(line));
  return out;
}

std::vector<Toolchain> find_node(const EnvVars& env) {
  std::vector<Toolchain> found;
  for (const fs::path& file : find_on_path(env, "node")) {
    const auto said = output_lines(
        {file.string(), "-e", "console.log(process.version);console.log(process.execPath)"}, env);
    if (said.size() != 2) continue;
    const auto version = Version::parse(said[0]);
    const auto program = real(said[1]);
    if (!version || !program) continue;
    Toolchain tool{.name = "node", .version = *version};
    place(tool, program->parent_path().parent_path());
    tool.program = tool.path.front() + "/node";
    found.push_back(std::move(tool));
  }
  return found;
}

// The Python whose base prefix is `prefix`.
std::optional<Toolchain> read_python(const fs::path& prefix, const Version& version) {
  Toolchain tool{.name = "python", .version = version};
  const std::string inside = place(tool, prefix);
  const std::string binary = fmt::format("bin/python{}.{}", version.major, version.minor);
  const std::string library =
      fmt::format("lib/libpython{}.{}.so.1.0", version.major, version.minor);
  std::error_code ignored;
  if (version.major < 3 || !fs::exists(prefix / binary, ignored)) return std::nullopt;
  tool.program = inside + "/" + binary;
  if (!tool.binds.empty() && fs::exists(prefix / library, ignored))
    tool.env["LD_LIBRARY_PATH"] = inside + "/lib";  // its own run path names the host's directory
  return tool;
}

std::optional<fs::path> add_python(const fs::path& file, const EnvVars& env,
                                   std::vector<Toolchain>& found) {
  const auto said = output_lines(
      {file.string(), "-I", "-S", "-c",
       "import sys;print('.'.join(map(str,sys.version_info[:3])));print(sys.base_prefix)"},
      env);
  if (said.size() != 2) return std::nullopt;
  const auto version = Version::parse(said[0]);
  const auto prefix = real(said[1]);
  if (!version || !prefix) return std::nullopt;
  auto tool = read_python(*prefix, *version);
  if (!tool) return std::nullopt;
  const bool known = std::ranges::any_of(
      found, [&](const Toolchain& other) { return other.program == tool->program; });
  if (!known) found.push_back(*std::move(tool));
  return prefix;
}

std::vector<Toolchain> find_python(const EnvVars& env) {
  std::vector<Toolchain> found;
  std::vector<fs::path> prefixes;
  for (const char* name : {"python3", "python"}) {
    for (const fs::path& file : find_on_path(env, name))
      if (auto prefix = add_python(file, env, found)) prefixes.push_back(*std::move(prefix));
    if (!found.empty()) break;
  }
  // What a version manager has beside the one it has chosen: its directories tell their versions.
  const std::size_t chosen = found.size();
  for (const fs::path& prefix : prefixes) {
    std::error_code error;
    if (prefix.parent_path().filename() != "versions") continue;
    for (const auto& entry : entries_of(prefix.parent_path(), error)) {
      const auto version = Version::parse(entry.path().filename().string());
      if (!version || entry.is_symlink(error) || entry.path() == prefix) continue;
      if (auto tool = read_python(entry.path(), *version)) found.push_back(*std::move(tool));
    }
  }
  std::sort(found.begin() + static_cast<std::ptrdiff_t>(chosen), found.end(),
            [](const Toolchain& a, const Toolchain& b) { return a.version > b.version; });
  return found;
}

std::vector<Toolchain> find_go(const EnvVars& env) {
  std::vector<Toolchain> found;
  for (const fs::path& file : find_on_path(env, "go")) {
    const auto said = output_lines({file.string(), "env", "GOVERSION", "GOROOT"}, env);
    if (said.size() != 2) continue;
    const auto version = Version::parse(said[0]);
    const auto root = real(said[1]);
    if (!version || !root) continue;
    Toolchain tool{.name = "go", .version = *version};
    place(tool, *root);
    if (root->native().starts_with("/usr/lib/"))  // Debian keeps parts of it in /usr/share
      tool.path.push_back("/usr/bin");
    tool.program = tool.path.front() + "/go";
    found.push_back(std::move(tool));
  }
  return found;
}

std::vector<Toolchain> find_rust(const EnvVars& env) {
  std::vector<Toolchain> found;
  for (const fs::path& file : find_on_path(env, "rustc")) {
    const auto root = output_lines({file.string(), "--print", "sysroot"}, env);
    const auto said = output_lines({file.string(), "--version"}, env);
    if (root.size() != 1 || said.size() != 1 || !said[0].starts_with("rustc ")) continue;
    const auto version = Version::parse(std::string_view(said[0]).substr(6));
    const auto sysroot = real(root[0]);
    std::error_code ignored;
    if (!version || !sysroot || !fs::exists(*sysroot / "bin/cargo", ignored)) continue;
    Toolchain tool{.name = "rust", .version = *version};
    place(tool, *sysroot);
    tool.program = tool.path.front() + "/cargo";
    found.push_back(std::move(tool));
  }
  return found;
}

std::optional<Toolchain> read_jdk(const fs::path& home) {
  const auto release = read_file(home / "release", 64u << 10);
  std::string text;
  if (!release || !RE2::PartialMatch(*release, R"re(JAVA_VERSION="([^"]+)")re", &text))
    return std::nullopt;
  const auto version = Version::parse(text);
  std::error_code ignored;
  if (!version || !fs::exists(home / "bin/java", ignored)) return std::nullopt;
  Toolchain tool{.name = "java", .version = *version};
  const std::string inside = place(tool, home);
  tool.program = inside + "/bin/java";
  tool.env["JAVA_HOME"] = inside;
  return tool;
}

std::vector<Toolchain> find_java(const EnvVars& env) {
  std::vector<Toolchain> found;
  std::vector<fs::path> homes;
  const auto add = [&](const fs::path& directory) {
    const auto home = real(directory);
    if (!home || std::ranges::find(homes, *home) != homes.end()) return;
    homes.push_back(*home);
    if (auto tool = read_jdk(*home)) found.push_back(*std::move(tool));
  };
  if (const auto home = env.find("JAVA_HOME"); home != env.end() && !home->second.empty())
    add(home->second);
  for (const char* name : {"javac", "java"})
    for (const fs::path& file : find_on_path(env, name))
      if (const auto program = real(file)) add(program->parent_path().parent_path());
  const std::size_t chosen = found.empty() ? 0 : 1;
  std::error_code error;
  for (const auto& entry : entries_of("/usr/lib/jvm", error))
    if (entry.is_directory(error)) add(entry.path());
  std::sort(found.begin() + static_cast<std::ptrdiff_t>(chosen), found.end(),
            [](const Toolchain& a, const Toolchain& b) { return a.version < b.version; });
  return found;
}

// Tools that carry their version in the name of a library: Maven and Gradle need no JVM to tell.
std::vector<Toolchain> find_by_jar(std::string_view name, std::string_view command,
                                   const char* file_pattern, const EnvVars& env) {
  const RE2 pattern(file_pattern);
  std::vector<Toolchain> found;
  for (const fs::path& file : find_on_path(env, command)) {
    const auto program = real(file);
    if (!program) continue;
    const fs::path prefix = program->parent_path().parent_path();
    std::error_code error;
    for (const auto& entry : entries_of(prefix / "lib", error)) {
      std::string text;
      if (!RE2::FullMatch(entry.path().filename().string(), pattern, &text)) continue;
      const auto version = Version::parse(text);
      if (!version) continue;
      Toolchain tool{.name = std::string(name), .version = *version};
      const std::string inside = place(tool, prefix);
      tool.program = inside + "/bin/" + std::string(command);
      found.push_back(std::move(tool));
      break;
    }
  }
  return found;
}

// Debian's PHP finds its extensions (mbstring, curl, ...) by small files below /etc.
void bind_extensions(Toolchain& tool) {
  std::error_code error;
  for (const auto& version : entries_of("/etc/php", error))
    for (const char* part : {"mods-available", "cli/conf.d"})
      if (const fs::path directory = version.path() / part; fs::is_directory(directory, error))
        tool.binds.push_back({.source = directory, .target = directory.string()});
}

// Programs that are one file, or see to their own prefix: version from "--version".
std::vector<Toolchain> find_plain(std::string_view name, const EnvVars& env) {
  const RE2 own_version(fmt::format(R"((?i)\b{}(?:\s+version)?:?\s+v?(\d+\.\d+(?:\.\d+)?))", name));
  std::vector<Toolchain> found;
  for (const fs::path& file : find_on_path(env, name)) {
    const auto program = real(file);
    if (!program) continue;
    Toolchain tool{.name = std::string(name)};
    if (name == "php") bind_extensions(tool);
    // Some say it in the second line, some call it "version", some are shy: a tool is one all the
    // same.
    for (const char* question : {"--version", "version"}) {
      const std::string said = join(output_lines({file.string(), question}, env), "\n");
      std::string text;
      // Its own: Elixir names Erlang's first.
      if (RE2::PartialMatch(said, own_version, &text) ||
          RE2::PartialMatch(said, R"((\d+\.\d+(?:\.\d+)?))", &text)) {
        tool.version = Version::parse(text).value_or(Version{});
        break;
      }
    }
    const fs::path directory = program->parent_path();
    if (directory.filename() == "bin" && program->filename() == name) {
      place(tool, directory.parent_path());
      tool.program = tool.path.front() + "/" + std::string(name);
    } else if (visible_inside(file)) {  // a link from /usr/bin into a package's own directory
      tool.path.push_back(file.parent_path().string());
      tool.program = file.string();
    } else {
      continue;
    }
    found.push_back(std::move(tool));
  }
  return found;
}

}  // namespace

std::vector<Toolchain> find_host_toolchains(std::string_view name, const EnvVars& host_env) {
  if (name == "node") return find_node(host_env);
  if (name == "python") return find_python(host_env);
  if (name == "go") return find_go(host_env);
  if (name == "rust") return find_rust(host_env);
  if (name == "java") return find_java(host_env);
  if (name == "maven") return find_by_jar(name, "mvn", R"(maven-core-(.+)\.jar)", host_env);
  if (name == "gradle")
    return find_by_jar(name, "gradle", R"(gradle-core-(?:api-)?(.+)\.jar)", host_env);
  return find_plain(name, host_env);
}

}  // namespace slipway
