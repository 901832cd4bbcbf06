// A folder of notebooks and nothing else: voila serves one as a page.
#include <algorithm>
#include <set>

#include "base/text.h"
#include "detect/python/frameworks.h"

namespace slipway::detection::python {
namespace {

// The code of all code cells, as one source.
std::string code_of(const json::value& notebook) {
  std::string code;
  const json::value* cells = find(notebook, {"cells"});
  if (cells == nullptr || !cells->is_array()) return code;
  for (const json::value& cell : cells->as_array()) {
    if (string_at(cell, {"cell_type"}) != "code") continue;
    for (const std::string& line : strings_at(cell, {"source"}))
      if (!line.starts_with('%') && !line.starts_with('!')) code += line;
    code += '\n';
  }
  return code;
}

}  // namespace

bool plan_notebook(const Context& context, std::vector<std::string>& extra) {
  const Root& root = context.root;
  Service& service = context.proposal.service;
  std::string chosen;
  for (const std::string& file : root.files()) {
    if (!file.ends_with(".ipynb") || file.find('/') != std::string::npos) continue;
    const std::string_view stem = without_extension(file);
    if (chosen.empty() || stem == "index" || stem == "app" || stem == "main" || stem == "dashboard")
      chosen = file;
  }
  if (chosen.empty()) return false;
  const json::value* notebook = root.json(chosen);
  if (notebook == nullptr) return false;
  service.framework = "voila";
  service.start = "voila " + shell_word(chosen) +
                  " --port=$PORT --Voila.ip=0.0.0.0 --no-browser --strip_sources=True";
  for (const std::string_view needed : {"voila", "ipykernel"})
    if (!context.declared.has(needed)) extra.emplace_back(needed);
  if (context.declared.requirements.empty()) {
    const SourceFacts facts = scan_source(root.path("notebook.py"), code_of(*notebook));
    for (const std::string& name : imported_distributions(root, {&facts}))
      if (std::ranges::find(extra, name) == extra.end()) extra.push_back(name);
  }
  context.proposal.because(root.path(chosen), 1, "a notebook, shown as a page by voila");
  return true;
}

}  // namespace slipway::detection::python
