#include "build/toolchain.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

#include "base/text.h"

namespace slipway {
namespace {

using Use = ToolchainNeed::Use;

// Runtimes by the name that a plan gives them. `pattern` finds the tool in a service's commands:
// then it is needed beside the main runtime.
struct ToolRow {
  std::string_view name;
  RangeStyle style;
  std::string_view pattern;
};
constexpr ToolRow tools[] = {
    {"bun", RangeStyle::npm, R"(\bbunx?\b)"},
    {"deno", RangeStyle::npm, R"(\bdeno\b)"},
    {"pnpm", RangeStyle::npm, R"(\bpnpm\b)"},
    {"yarn", RangeStyle::npm, R"(\byarn\b)"},
    {"node", RangeStyle::npm, R"(\b(node|npm|npx|pnpm|yarn|tsx|vite|next)\b)"},
    {"uv", RangeStyle::python, R"(\b(uvx?|poetry|pdm|pipenv|hatch)\b)"},
    {"python", RangeStyle::python, R"(\b(python3?|pip3?)\b)"},
    {"go", RangeStyle::minimum, R"((^|[;&|(]\s*)go\s)"},
    {"rust", RangeStyle::minimum, R"(\b(cargo|rustc)\b)"},
    {"maven", RangeStyle::minimum, R"((^|[;&|(]\s*)mvn\b)"},
    {"gradle", RangeStyle::minimum, R"((^|[;&|(]\s*)gradle\b)"},
    {"java", RangeStyle::minimum, R"(\bjava\b|\bmvnw?\b|\bgradlew?\b)"},
    {"ruby", RangeStyle::npm, R"(\b(ruby|bundle|rails|rackup)\b)"},
    {"php", RangeStyle::composer, R"(\b(php|composer)\b)"},
    {"composer", RangeStyle::npm, R"(\bcomposer\b)"},
    {"hugo", RangeStyle::minimum, R"((^|[;&|(]\s*)hugo\b)"},
    {"zola", RangeStyle::minimum, R"((^|[;&|(]\s*)zola\b)"},
    {"elixir", RangeStyle::minimum, R"((^|[;&|(]\s*)(mix|elixir|iex)\b)"},
    {"dotnet", RangeStyle::minimum, R"((^|[;&|(]\s*)dotnet\b)"},
    {"swift", RangeStyle::minimum, R"((^|[;&|(]\s*)swift\b)"},
    {"dart", RangeStyle::minimum, R"((^|[;&|(]\s*)dart\b)"},
    {"crystal", RangeStyle::minimum, R"((^|[;&|(]\s*)(crystal|shards)\b)"},
    {"gleam", RangeStyle::minimum, R"((^|[;&|(]\s*)gleam\b)"},
    {"zig", RangeStyle::minimum, R"((^|[;&|(]\s*)zig\b)"},
    {"cmake", RangeStyle::minimum, R"((^|[;&|(]\s*)cmake\b)"},
};

const ToolRow* find_tool(std::string_view name) {
  const auto row = std::ranges::find(tools, name, &ToolRow::name);
  return row == std::end(tools) ? nullptr : &*row;
}

bool names(const std::optional<std::string>& command, const ToolRow& tool) {
  return command && RE2::PartialMatch(*command, RE2(std::string(tool.pattern)));
}

std::string_view lts_range(std::string_view name) {
  struct Lts {
    std::string_view name, range;
  };
  constexpr Lts table[] = {
      {"lts/hydrogen", "18"}, {"lts/iron", "20"}, {"lts/jod", "22"}, {"lts/krypton", "24"}};
  for (const Lts& row : table)
    if (row.name == name) return row.range;
  return name.starts_with("lts") ? ">=20" : std::string_view{};
}

// A runtime that a plan names by another word.
std::string_view runtime_tool(std::string_view runtime) {
  if (runtime == "kotlin" || runtime == "scala" || runtime == "jdk") return "java";
  if (runtime == "golang") return "go";
  if (runtime == "nodejs") return "node";
  return runtime;
}

// Compiled programs run by themselves; the others need their runtime.
bool runs_alone(std::string_view tool) { return tool == "go" || tool == "rust"; }

}  // namespace

std::vector<ToolchainNeed> toolchain_needs(const Service& service) {
  std::vector<ToolchainNeed> needs;
  const auto add = [&](std::string_view name, Use use) {
    const auto known = std::ranges::find(needs, name, &ToolchainNeed::name);
    if (known != needs.end()) {
      if (use == Use::build_and_run || known->use == Use::build_if_present) known->use = use;
      return;
    }
    ToolchainNeed need{.name = std::string(name), .use = use};
    if (name == runtime_tool(service.runtime.name)) {
      need.version = service.runtime.version;
      need.source = service.runtime.source;
    } else if (name == service.package_manager) {
      need.version = service.package_manager_version;
      need.source = "packageManager";
    }
    // Yarn by its name alone is the first one: what newer ones install says which it wants.
    if (name == "yarn" && need.version.empty() &&
        service.install.value_or("").find("immutable") == std::string::npos) {
      need.version = "1";
      need.source = "default";
    }
    needs.push_back(std::move(need));
  };
  const std::string_view runtime = runtime_tool(service.runtime.name);
  if (find_tool(runtime) != nullptr && (!service.is_static || service.build || service.install))
    add(runtime, service.is_static || runs_alone(runtime) ? Use::build_only : Use::build_and_run);
  if (runtime == "python") add("uv", Use::build_if_present);
  for (const ToolRow& tool : tools) {
    if (names(service.install, tool) || names(service.build, tool)) add(tool.name, Use::build_only);
    if (!service.is_static && (names(service.start, tool) || names(service.release, tool)))
      add(tool.name, Use::build_and_run);
  }
  return needs;
}

VersionRange toolchain_range(std::string_view name, std::string_view text) {
  const ToolRow* tool = find_tool(name);
  const RangeStyle style = tool != nullptr ? tool->style : RangeStyle::npm;
  std::string wanted = to_lower(trim(text));
  if (const auto lts = lts_range(wanted); !lts.empty()) wanted = lts;
  // "pnpm@9.1.0+sha512.abc": the hash is the package manager's own affair.
  if (const auto range = VersionRange::parse(wanted, style)) return *range;
  return *VersionRange::parse("", style);
}

std::string toolchain_mount(std::string_view name, const Version& version) {
  return fmt::format("/opt/slipway/{}-{}", name, version.str());
}

bool visible_inside(const std::filesystem::path& path) {
  return path.native().starts_with("/usr/") || path == "/usr";
}

}  // namespace slipway
