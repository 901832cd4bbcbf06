#include "detect/node/lockfiles.h"

#include <array>
#include <functional>

#include "base/text.h"

namespace slipway::detection::node {
namespace {

constexpr std::array all_lockfiles{Lockfile{"pnpm-lock.yaml", "pnpm"},
                                   Lockfile{"yarn.lock", "yarn"},
                                   Lockfile{"bun.lock", "bun"},
                                   Lockfile{"bun.lockb", "bun"},
                                   Lockfile{"npm-shrinkwrap.json", "npm"},
                                   Lockfile{"package-lock.json", "npm"}};

// What a lockfile says that the package asks for: name -> range; nothing for a name it lacks.
using Locked = std::function<std::optional<std::string>(const std::string& name)>;

// The text of the object that begins at `open`, quotes respected; empty when it does not end.
std::string_view balanced(std::string_view text, std::size_t open) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = open; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth == 0) {
      return text.substr(open, i + 1 - open);
    }
  }
  return {};
}

// The object behind `key` (a quoted name and a colon) at or after `from`.
std::string_view object_of(std::string_view text, const std::string& key, std::size_t from) {
  const std::size_t at = text.find("\"" + key + "\":", from);
  if (at == std::string_view::npos) return {};
  const std::size_t open = text.find('{', at + key.size() + 3);
  return open == std::string_view::npos ? std::string_view{} : balanced(text, open);
}

// Where the package lies as its lockfile names it: "" for the root itself.
std::string place_of(const Package& package) {
  return std::string(relative_to(package.root->directory(), package.manager.directory));
}

std::string unquoted(std::string_view text) {
  text = trim(text);
  if (text.size() >= 2 && (text.front() == '\'' || text.front() == '"'))
    text = text.substr(1, text.size() - 2);
  return std::string(text);
}

// npm's "packages" and bun's "workspaces" hold a copy of each package.json's dependencies.
std::optional<std::map<std::string, std::string>> copied(const Package& package,
                                                         std::string_view text,
                                                         std::string_view section) {
  const std::size_t at = text.find("\"" + std::string(section) + "\"");
  if (at == std::string_view::npos) return std::nullopt;
  const std::optional<json::value> entry =
      parse_json_lenient(object_of(text, place_of(package), at));
  if (!entry) return std::nullopt;
  std::map<std::string, std::string> out;
  for (const std::string_view kind : {"dependencies", "devDependencies", "optionalDependencies"})
    for (const auto& [name, range] : object_at(*entry, {kind}))
      if (const json::string* range_text = range.if_string())
        out.emplace(std::string(name), std::string(view(*range_text)));
  return out;
}

// pnpm's "importers", or its older forms without a workspace.
std::optional<std::map<std::string, std::string>> pnpm_importer(const Package& package,
                                                                std::string_view text) {
  const std::string place = place_of(package);
  const bool workspace = text.find("\nimporters:") != std::string_view::npos;
  std::map<std::string, std::string> out;
  bool inside = !workspace && place.empty(), in_importers = false, old_form = false, seen = inside;
  std::string name;
  for (const std::string_view line : lines(text)) {
    const std::string_view body = trim(line);
    if (body.empty()) continue;
    const std::size_t indent = line.find_first_not_of(' ');
    if (indent == 0) {
      if (in_importers) return seen ? std::optional(out) : std::nullopt;
      in_importers = body == "importers:";
      old_form = !workspace && body == "specifiers:";
      if (body == "packages:" || body == "snapshots:") break;
      continue;
    }
    if (workspace && in_importers && indent == 2) {
      inside = unquoted(body.substr(0, body.size() - 1)) == (place.empty() ? "." : place);
      seen = seen || inside;
      continue;
    }
    if (!inside) continue;
    const std::size_t of_name = workspace ? 6 : 2;
    if (old_form && indent == 2) {
      const std::size_t colon = body.find(": ");
      if (colon != std::string_view::npos)
        out.emplace(unquoted(body.substr(0, colon)), unquoted(body.substr(colon + 2)));
    } else if (indent == of_name && body.ends_with(':')) {
      name = unquoted(body.substr(0, body.size() - 1));
    } else if (indent == of_name + 2 && body.starts_with("specifier:")) {
      out.emplace(name, unquoted(body.substr(10)));
    }
  }
  return seen && !out.empty() ? std::optional(out) : std::nullopt;
}

LockCheck compare(const Package& package, const Locked& locked) {
  LockCheck check{.agreement = Agreement::agrees};
  for (const auto* wanted : {&package.runtime, &package.development})
    for (const auto& [name, range] : *wanted) {
      const std::optional<std::string> there = locked(name);
      if (there && *there == range) continue;
      check.agreement = Agreement::stale;
      if (check.differing++ == 0) check.culprit = name;
    }
  return check;
}

LockCheck compare(const Package& package,
                  const std::optional<std::map<std::string, std::string>>& copy) {
  if (!copy) return {};
  return compare(package, [&](const std::string& name) -> std::optional<std::string> {
    const auto at = copy->find(name);
    return at == copy->end() ? std::nullopt : std::optional(at->second);
  });
}

bool has_overrides(const Package& package) {
  return package.manifest != nullptr &&
         (!object_at(*package.manifest, {"overrides"}).empty() ||
          !object_at(*package.manifest, {"resolutions"}).empty() ||
          !object_at(*package.manifest, {"pnpm", "overrides"}).empty());
}

// yarn's heads of entries: `name@range, name@range:`, with "npm:" before the range in newer ones.
LockCheck compare_yarn(const Package& package, std::string_view text) {
  const auto is_head = [&](const std::string& key) {
    for (std::size_t at = text.find(key); at != std::string_view::npos;
         at = text.find(key, at + 1)) {
      const char before = at == 0 ? '\n' : text[at - 1];
      const char behind = at + key.size() < text.size() ? text[at + key.size()] : '\n';
      if ((before == '\n' || before == '"' || before == ' ') &&
          (behind == ':' || behind == '"' || behind == ','))
        return true;
    }
    return false;
  };
  // A lockfile without a single entry is a beginning, not a stale one.
  if (text.find("\n  version") == std::string_view::npos ||
      text.find('@') == std::string_view::npos)
    return {};
  const bool cut = text.size() >= Files::max_read;
  LockCheck check = compare(package, [&](const std::string& name) -> std::optional<std::string> {
    const std::string range(package.range(name));
    const bool plain = range.find(':') == std::string::npos && range.find('/') == std::string::npos;
    if (!plain || is_head(name + "@" + range) || is_head(name + "@npm:" + range)) return range;
    return std::nullopt;
  });
  if (cut && check.agreement == Agreement::stale) return {};
  return check;
}

}  // namespace

std::span<const Lockfile> lockfiles() { return all_lockfiles; }

LockCheck check_lockfile(const Package& package, const Lockfile& lockfile, std::string_view text) {
  if (package.manifest == nullptr || text.empty()) return {};
  LockCheck check;
  if (lockfile.manager == "npm") check = compare(package, copied(package, text, "packages"));
  if (lockfile.name == "bun.lock") check = compare(package, copied(package, text, "workspaces"));
  if (lockfile.manager == "pnpm") check = compare(package, pnpm_importer(package, text));
  if (lockfile.manager == "yarn") check = compare_yarn(package, text);
  // What overrides change is written as it was changed.
  const bool rewritten = lockfile.manager == "pnpm" || lockfile.manager == "yarn";
  if (check.agreement == Agreement::stale && rewritten &&
      (has_overrides(package) || text.find("\noverrides:") != std::string_view::npos))
    return {};
  return check;
}

std::string_view update_command(std::string_view manager) {
  if (manager == "npm") return "npm install --package-lock-only";
  if (manager == "pnpm") return "pnpm install --lockfile-only";
  if (manager == "bun") return "bun install";
  return "yarn install";
}

}  // namespace slipway::detection::node
