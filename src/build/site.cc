#include "build/site.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "base/text.h"

namespace slipway {
namespace {

using Entry = MergedTree::Entry;

constexpr int max_links = 8;  // in a row

std::string prefix_of(std::string_view directory) {
  return directory.empty() ? std::string() : std::string(directory) + "/";
}

// "a/b/../c" as "a/c"; nothing when it leaves the top.
std::optional<std::string> normalize(std::string_view path) {
  std::vector<std::string> parts;
  for (std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (parts.empty()) return std::nullopt;
      parts.pop_back();
    } else {
      parts.emplace_back(part);
    }
  }
  return join(parts, "/");
}

using Files = std::unordered_map<std::string, const Entry*>;

// The file that a link leads to, by names alone; null when it is none of `files`.
const Entry* resolve(const Entry& link, const Files& files) {
  const Entry* at = &link;
  for (int i = 0; i < max_links; ++i) {
    std::error_code error;
    const std::string target = std::filesystem::read_symlink(at->file, error).string();
    if (error || target.empty()) return nullptr;
    const std::string parent = at->path.substr(0, at->path.rfind('/'));
    const auto path = normalize(target.starts_with('/') ? target : parent + "/" + target);
    const auto found = path ? files.find(*path) : files.end();
    if (found == files.end()) return nullptr;
    at = found->second;
    if (at->kind == Entry::Kind::file) return at;
    if (at->kind != Entry::Kind::symlink) return nullptr;
  }
  return nullptr;
}

}  // namespace

bool is_publishable(std::string_view path) {
  bool first = true;
  for (std::string_view part : split(path, '/')) {
    if (part.starts_with('.') && !(first && part == ".well-known")) return false;
    first = false;
  }
  return true;
}

Manifest site_of_source(const Manifest& source, std::string_view directory,
                        const LinkTarget& target_of) {
  constexpr std::size_t most_linked = 20'000;
  const std::string prefix = prefix_of(directory);
  Manifest site;
  std::size_t linked = 0;
  const auto publish = [&](const std::string& path, const ManifestEntry& file) {
    if (is_publishable(path) && is_publishable(std::string_view(file.path).substr(prefix.size())))
      site.entries.push_back(
          {.path = path, .mode = FileMode::regular, .size = file.size, .digest = file.digest});
  };
  for (const ManifestEntry& entry : source.entries) {
    if (entry.mode != FileMode::symlink || !entry.path.starts_with(prefix)) continue;
    // By names alone; a chain of links is followed a few times.
    std::optional<std::string> at = entry.path;
    const ManifestEntry* file = &entry;
    for (int i = 0; i < max_links && file != nullptr && file->mode == FileMode::symlink; ++i) {
      const std::string target = target_of(file->digest);
      if (target.empty() || target.starts_with('/')) at.reset();
      if (at) at = normalize(at->substr(0, at->rfind('/') + 1) + target);
      file = at ? source.find(*at) : nullptr;
    }
    const std::string path = entry.path.substr(prefix.size());
    if (!at || !at->starts_with(prefix)) continue;
    if (file != nullptr && file->mode != FileMode::symlink) {
      publish(path, *file);
      continue;
    }
    const std::string below = *at + "/";
    if (file != nullptr || path.starts_with(below.substr(prefix.size()))) continue;
    for (const ManifestEntry& each : source.entries)
      if (each.path.starts_with(below) && each.mode != FileMode::symlink && ++linked <= most_linked)
        publish(path + "/" + each.path.substr(below.size()), each);
  }
  for (const ManifestEntry& entry : source.entries) {
    if (!entry.path.starts_with(prefix) || entry.mode == FileMode::symlink) continue;
    const std::string path = entry.path.substr(prefix.size());
    if (!is_publishable(path)) continue;
    site.entries.push_back(
        {.path = path, .mode = FileMode::regular, .size = entry.size, .digest = entry.digest});
  }
  std::ranges::sort(site.entries, {}, &ManifestEntry::path);
  const auto same = std::ranges::unique(site.entries, {}, &ManifestEntry::path);
  site.entries.erase(same.begin(), same.end());
  return site;
}

Result<Manifest> ingest_site(const MergedTree& tree, std::string_view directory, BlobStore& blobs,
                             const SiteLimits& limits,
                             const std::function<void(std::string_view)>& note) {
  if (!tree.is_directory(directory))
    return fail(Errc::not_found, fmt::format("there is no folder {}", directory));
  const std::string prefix = prefix_of(directory);
  const auto enter = [&](const Entry& entry) {
    return is_publishable(std::string_view(entry.path).substr(prefix.size()));
  };
  SLIPWAY_TRY(const auto found, tree.walk(directory, limits.max_files, enter));
  Files by_path;
  for (const Entry& entry : found) by_path.emplace(entry.path, &entry);

  Manifest site;
  std::vector<std::filesystem::path> files;
  std::uint64_t bytes = 0;
  std::size_t odd = 0, dots = 0;
  for (const Entry& entry : found) {
    const std::string path = entry.path.substr(prefix.size());
    const Entry* content = entry.kind == Entry::Kind::file      ? &entry
                           : entry.kind == Entry::Kind::symlink ? resolve(entry, by_path)
                                                                : nullptr;
    if (!is_publishable(path)) {
      ++dots;
    } else if (content == nullptr || !check_manifest_path(path)) {
      ++odd;
    } else {
      bytes += content->size;
      if (bytes > limits.max_bytes)
        return fail(Errc::too_large, fmt::format("the built site is larger than {}",
                                                 format_bytes(limits.max_bytes)));
      site.entries.push_back(
          {.path = path, .mode = FileMode::regular, .size = content->size, .digest = {}});
      files.push_back(content->file);
    }
  }
  if (dots > 0) note(fmt::format("left out {} file(s) whose names begin with a dot", dots));
  if (odd > 0) note(fmt::format("left out {} link(s) or special file(s)", odd));
  SLIPWAY_TRY(const auto digests, blobs.put_files(files));
  for (std::size_t i = 0; i < digests.size(); ++i) site.entries[i].digest = digests[i];
  std::ranges::sort(site.entries, {}, &ManifestEntry::path);
  return site;
}

std::string find_output(const MergedTree& tree, std::string_view root) {
  constexpr std::string_view usual[] = {"dist",  "build", "out",  ".output/public", "public",
                                        "_site", "www",   "site", "dist/client"};
  const auto has_page = [&](const std::string& directory) {
    const auto entries = tree.list(directory);
    return entries && std::ranges::any_of(*entries, [](const Entry& entry) {
             return entry.kind == Entry::Kind::file && entry.path.ends_with("/index.html");
           });
  };
  std::vector<std::string> found;
  for (std::string_view name : usual)
    if (std::string directory = prefix_of(root) + std::string(name); has_page(directory))
      found.push_back(std::move(directory));
  if (found.empty())
    if (const auto entries = tree.list(root))
      for (const Entry& entry : *entries) {
        const std::string_view name = std::string_view(entry.path).substr(prefix_of(root).size());
        if (entry.kind == Entry::Kind::directory && !name.starts_with('.') &&
            name != "node_modules" && has_page(entry.path))
          found.push_back(entry.path);
      }
  return found.size() == 1 ? found.front() : std::string();
}

}  // namespace slipway
