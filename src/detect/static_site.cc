#include "detect/detectors.h"

namespace slipway::detection {

std::optional<Proposal> detect_static(const Root& root) {
  Proposal proposal;
  Service& service = proposal.service;
  service.root = root.directory();
  service.provider = "static";
  service.kind = "static";
  service.is_static = true;
  service.runtime.source = "default";
  for (const std::string_view folder : {".", "public", "dist", "build", "out", "site", "www",
                                        "_site", "htdocs", "html", "src", "docs"}) {
    const std::string page = join_path(folder, "index.html");
    if (!root.has(page)) continue;
    // A project of its own, which is looked at as such; what a build wrote may hold a manifest,
    // too.
    const bool written = folder == "dist" || folder == "build" || folder == "out";
    if (folder != "." && !written && root.has(join_path(folder, "package.json"))) continue;
    service.output_dir = folder;
    proposal.because(root.path(page), 0, "a page to serve as it is");
    // Made by a tool or for one: a page that loads TypeScript cannot be served as it is.
    const std::string_view text = root.text(page);
    const bool source = text.find(".tsx\"") != std::string_view::npos ||
                        text.find(".jsx\"") != std::string_view::npos ||
                        text.find(".ts\"") != std::string_view::npos;
    service.confidence = source                                ? 0.3
                         : folder == "."                       ? 0.9
                         : folder == "src" || folder == "docs" ? 0.6
                                                               : 0.85;
    if (root.has("package.json")) service.confidence -= 0.1;
    proposal.reason = page + " as it is";
    return proposal;
  }
  // Pages, but none is the first: serve them, and say how "/" gets an answer.
  std::string first;
  std::size_t pages = 0;
  for (const std::string& file : root.files())
    if (file.find('/') == std::string::npos &&
        (file.ends_with(".html") || file.ends_with(".htm"))) {
      if (first.empty()) first = file;
      ++pages;
    }
  if (first.empty()) return std::nullopt;
  service.output_dir = ".";
  service.health_path = "/" + first;
  service.confidence = 0.6;
  proposal.because(root.path(first), 0, "a page to serve as it is");
  proposal.warn("no_index", "no index.html: / will not be found", root.path(first), 0,
                pages == 1 ? "rename " + first + " to index.html" : "add an index.html");
  proposal.reason = first + " as it is";
  return proposal;
}

}  // namespace slipway::detection
