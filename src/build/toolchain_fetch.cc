#include "build/toolchain_fetch.h"

#include <fmt/format.h>
#include <re2/re2.h>
#include <sys/stat.h>

#include <boost/json.hpp>

#include "base/text.h"
#include "sys/directory.h"
#include "sys/files.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;

#if defined(__aarch64__)
constexpr std::string_view npm_cpu = "arm64", bun_cpu = "aarch64", deno_cpu = "arm64";
#else
constexpr std::string_view npm_cpu = "x64", bun_cpu = "x64", deno_cpu = "x64";
#endif

std::string npm_package(std::string_view name, const VersionRange& range) {
  if (name == "node") return fmt::format("node-linux-{}", npm_cpu);
  if (name == "bun") return fmt::format("@oven/bun-linux-{}", bun_cpu);
  if (name == "deno") return fmt::format("@deno/linux-{}-glibc", deno_cpu);
  if (name == "pnpm") return "pnpm";
  if (name == "yarn")  // 1.x is "yarn", the newer ones are published under another name
    return range.allows_everything() || range.allows(*Version::parse("1.22.22"))
               ? "yarn"
               : "@yarnpkg/cli-dist";
  return {};
}

// Commands for what a package.json names in "bin": scripts run by the node in PATH.
Status make_commands(const fs::path& directory, const boost::json::object& package) {
  const auto* bin = package.if_contains("bin");
  if (bin == nullptr) return {};
  const fs::path commands = directory / "slipway-bin";
  SLIPWAY_CHECK(make_directories(commands));
  const auto add = [&](std::string_view name, std::string_view target) -> Status {
    if (name.find('/') != std::string_view::npos || name.starts_with('.')) return {};
    while (target.starts_with("./")) target.remove_prefix(2);
    const bool script =
        target.ends_with(".js") || target.ends_with(".cjs") || target.ends_with(".mjs");
    return write_file_atomic(commands / name,
                             fmt::format("#!/bin/sh\nexec {}\"${{0%/*}}\"/../{} \"$@\"\n",
                                         script ? "node " : "", shell_quote(target)),
                             0755);
  };
  if (const auto* many = bin->if_object()) {
    for (const auto& [name, target] : *many)
      if (target.is_string()) SLIPWAY_CHECK(add(name, target.get_string()));
  } else if (const auto* one = bin->if_string()) {
    const auto* name = package.if_contains("name");
    if (name != nullptr && name->is_string()) SLIPWAY_CHECK(add(name->get_string(), *one));
  }
  return {};
}

std::optional<Version> finish_npm(std::string_view name, const fs::path& directory) {
  const auto text = read_file(directory / "package.json", 1u << 20);
  if (!text) return std::nullopt;
  boost::system::error_code error;
  const auto json = boost::json::parse(*text, error);
  if (error || !json.is_object()) return std::nullopt;
  const auto* version = json.get_object().if_contains("version");
  if (version == nullptr || !version->is_string()) return std::nullopt;
  if ((name == "pnpm" || name == "yarn") && !make_commands(directory, json.get_object()))
    return std::nullopt;
  std::error_code ignored;
  if (name == "bun" && fs::exists(directory / "bin/bun", ignored))
    fs::create_symlink("bun", directory / "bin/bunx", ignored);
  return Version::parse(std::string_view(version->get_string()));
}

std::optional<Version> version_in_child(const fs::path& directory, const RE2& pattern) {
  std::error_code error;
  for (const auto& entry : entries_of(directory, error)) {
    std::string text;
    if (RE2::FullMatch(entry.path().filename().string(), pattern, &text))
      return Version::parse(text);
  }
  return std::nullopt;
}

}  // namespace

std::optional<FetchRecipe> fetch_recipe(std::string_view name, const VersionRange& range) {
  if (const std::string package = npm_package(name, range); !package.empty())
    return FetchRecipe{"node", fmt::format("set -e; mkdir -p /app/fetch/tool; cd /app/fetch; "
                                           "npm pack --silent {} >name; "
                                           "tar -xzf \"$(tail -n 1 name)\" --no-same-owner -C tool "
                                           "--strip-components=1",
                                           shell_quote(package + "@" + range.npm_text()))};
  if (name == "uv")
    return FetchRecipe{"python",
                       "set -e; mkdir -p /app/fetch; cd /app/fetch; "
                       "python3 -m pip install --quiet --disable-pip-version-check "
                       "--root-user-action=ignore --no-compile --no-deps --only-binary :all: "
                       "--target /app/fetch/tool uv"};
  if (name == "python")
    return FetchRecipe{
        "uv", fmt::format("set -e; export UV_PYTHON_INSTALL_DIR=/app/fetch/all; "
                          "uv python install --no-bin {0} || uv python install {0}; "
                          "cd /app/fetch/all; for d in cpython-3.*.*-*; do "
                          "[ -h \"$d\" ] || v=\"$d\"; done; mv \"$v\" ../tool",
                          shell_quote(range.python_text().empty() ? "3" : range.python_text()))};
  return std::nullopt;
}

std::optional<Version> finish_fetched(std::string_view name, const fs::path& directory) {
  if (name == "uv") return version_in_child(directory, RE2(R"(uv-(.+)\.dist-info)"));
  if (name == "python") {
    const auto minor = version_in_child(directory / "bin", RE2(R"(python(3\.\d+))"));
    if (!minor) return std::nullopt;
    // The patch number is in the C headers.
    const auto header = read_file(
        directory / fmt::format("include/python{}.{}/patchlevel.h", minor->major, minor->minor));
    std::string text;
    if (!header || !RE2::PartialMatch(*header, R"re(PY_VERSION\s+"([^"]+)")re", &text))
      return minor;
    return Version::parse(text);
  }
  return finish_npm(name, directory);
}

std::optional<Toolchain> read_fetched(const fs::path& directory) {
  const std::string file_name = directory.filename().string();
  const auto dash = file_name.find('-');
  if (dash == std::string::npos || dash == 0) return std::nullopt;
  const auto version = Version::parse(file_name.substr(dash + 1));
  if (!version) return std::nullopt;
  Toolchain tool{.name = file_name.substr(0, dash), .version = *version};
  const std::string inside = toolchain_mount(tool.name, tool.version);
  tool.binds.push_back({.source = directory, .target = inside});
  std::error_code ignored;
  for (const char* sub : {"slipway-bin", "bin"})
    if (fs::is_directory(directory / sub, ignored)) tool.path.push_back(inside + "/" + sub);
  if (tool.name == "deno") tool.path.push_back(inside);
  if (tool.path.empty()) return std::nullopt;
  tool.program = tool.path.front() + "/" + tool.name;
  if (tool.name == "python") {
    tool.program = fmt::format("{}/bin/python{}.{}", inside, version->major, version->minor);
    tool.env["LD_LIBRARY_PATH"] = inside + "/lib";
  }
  return tool;
}

}  // namespace slipway
