// Where a service keeps data beside a database server: the folder of its SQLite database.
#include <algorithm>

#include "base/text.h"
#include "detect/listed.h"

namespace slipway::detection {
namespace {

bool is_example(std::string_view path) {
  return path.find("test") != std::string_view::npos ||
         path.find("example") != std::string_view::npos;
}

// "sqlite:////data/app.db?x" -> "/data/app.db"; "file:./dev.db" -> "dev.db".
std::string file_of(std::string_view text) {
  text = text.substr(0, text.find('?'));
  const std::size_t scheme = text.find(":///");
  if (scheme != std::string_view::npos)
    text.remove_prefix(scheme + 4);
  else if (const std::size_t slashes = text.find("://"); slashes != std::string_view::npos)
    text.remove_prefix(slashes + 3);
  else if (text.starts_with("file:") || text.starts_with("sqlite:"))
    text.remove_prefix(text.find(':') + 1);
  while (text.starts_with("./")) text.remove_prefix(2);
  return std::string(text);
}

}  // namespace

void add_storage(const Root& root, Proposal& proposal) {
  Service& service = proposal.service;
  if (service.is_static || service.provider == "dockerfile") return;
  const auto keep = [&](std::string_view text, std::string_view base, const std::string& file,
                        int line) {
    std::string path = file_of(text);
    if (path.empty() || is_example(path)) return;
    if (!path.starts_with('/')) {
      const std::optional<std::string> inside = resolve_path(base, path);
      if (!inside) return;
      path = *inside;
    }
    const std::string folder(directory_of(path));
    const std::size_t before = service.volumes.size();
    add_volume(service, folder.empty() ? path : folder);
    if (service.volumes.size() == before) return;
    proposal.because(file, line, "volumes: SQLite database " + path);
    if (std::ranges::find(service.databases, "sqlite") == service.databases.end())
      service.databases.insert(std::ranges::upper_bound(service.databases, "sqlite"), "sqlite");
  };
  const bool sqlite = std::ranges::find(service.databases, "sqlite") != service.databases.end();
  for (const Language language :
       {Language::javascript, Language::python, Language::go, Language::rust, Language::ruby,
        Language::php, Language::java, Language::csharp}) {
    if (root.files().empty()) break;
    if (!sqlite && language != Language::python && language != Language::javascript) continue;
    for (const SourceFacts* facts : root.sources(language))
      for (const Literal& found : facts->data_files) {
        const bool says =
            found.text.starts_with("sqlite") || found.text.find(".sqlite") != std::string::npos;
        if (sqlite || says) keep(found.text, "", facts->path, found.line);
      }
  }
  if (const std::string_view schema = root.text("prisma/schema.prisma"); !schema.empty())
    for (const std::string_view line : lines(schema))
      if (const std::size_t at = line.find("\"file:");
          at != std::string_view::npos && trim(line).starts_with("url"))
        keep(line.substr(at + 1, line.find('"', at + 1) - at - 1), "prisma",
             root.path("prisma/schema.prisma"), line_of(schema, line));
  if (service.framework == "rails" && sqlite &&
      root.text("config/database.yml").find("storage/") != std::string_view::npos) {
    add_volume(service, "storage");
    proposal.because(root.path("config/database.yml"),
                     line_of(root.text("config/database.yml"), "storage/"),
                     "volumes: SQLite databases in storage/");
  }
  if (service.framework == "pocketbase") add_volume(service, "pb_data");
}

}  // namespace slipway::detection
