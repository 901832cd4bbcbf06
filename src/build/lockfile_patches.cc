#include "build/lockfile_patches.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "repair/lockfile_hosts.h"

namespace slipway {
namespace {

constexpr std::uint64_t lockfile_limit = 32ull << 20;
constexpr std::string_view lockfiles[] = {"package-lock.json", "npm-shrinkwrap.json", "bun.lock",
                                          "pnpm-lock.yaml", "yarn.lock"};

std::string registry_of(const EnvVars& settings) {
  std::string registry = "https://registry.npmjs.org/";
  for (const char* name : {"npm_config_registry", "NPM_CONFIG_REGISTRY"})
    if (const auto at = settings.find(name); at != settings.end()) registry = at->second;
  if (!registry.ends_with('/')) registry += '/';
  return registry;
}

constexpr std::size_t settings_limit = 64 << 10;  // bytes of .npmrc and the like

// What .npmrc and the like say, beside the lockfile and at the top.
std::string settings_beside(const Manifest& source, const BlobStore& blobs,
                            std::string_view directory) {
  std::string out;
  for (const ManifestEntry& entry : source.entries)
    for (const std::string_view name : {".npmrc", ".yarnrc", "bunfig.toml"})
      if (entry.path == name || entry.path == fmt::format("{}{}", directory, name))
        out += blobs.read(entry.digest, settings_limit).value_or("") + "\n";
  return out;
}

}  // namespace

Result<LockfilePatches> patch_lockfiles(const Manifest& source, BlobStore& blobs,
                                        const EnvVars& registry_settings) {
  LockfilePatches out;
  const std::string registry = registry_of(registry_settings);
  for (const ManifestEntry& entry : source.entries) {
    const std::string_view path = entry.path;
    const std::string_view name = path.substr(path.rfind('/') + 1);
    if (std::ranges::find(lockfiles, name) == std::end(lockfiles) || entry.size > lockfile_limit ||
        entry.mode == FileMode::symlink)
      continue;
    SLIPWAY_TRY(const std::string text, blobs.read(entry.digest));
    const auto changed = repair::rehost_lockfile(
        name, text, settings_beside(source, blobs, path.substr(0, path.size() - name.size())),
        registry);
    if (!changed) continue;
    ManifestEntry patched = entry;
    patched.size = changed->text.size();
    SLIPWAY_TRY(patched.digest, blobs.put(changed->text));
    out.manifest.entries.push_back(std::move(patched));
    out.findings.push_back(
        {.code = "repaired_registry_host",
         .message = fmt::format("{} names {} downloads on {}; the configured registry was asked "
                                "for the same versions and hashes",
                                sanitize_line(path), changed->entries,
                                sanitize_line(join(changed->hosts, ", "))),
         .file = sanitize_line(path),
         .line = 0,
         .fix = "make the lockfile anew with the public registry"});
  }
  return out;
}

}  // namespace slipway
