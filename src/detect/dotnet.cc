#include <algorithm>

#include "base/text.h"
#include "detect/detectors.h"

namespace slipway::detection {

std::optional<Proposal> detect_dotnet(const Root& root) {
  // The web project among several; else the first that makes a program.
  std::string chosen;
  bool web = false, blazor = false;
  std::optional<XmlNode> document;
  for (const std::string& file : root.files()) {
    if ((!file.ends_with(".csproj") && !file.ends_with(".fsproj")) || depth_of(file) > 2) continue;
    std::optional<XmlNode> parsed = parse_xml(root.text(file));
    const XmlNode* project = parsed ? parsed->find("Project") : nullptr;
    if (project == nullptr) continue;
    const std::string_view sdk = project->text_at({"@Sdk"});
    const bool is_web = sdk == "Microsoft.NET.Sdk.Web";
    const bool is_blazor = sdk == "Microsoft.NET.Sdk.BlazorWebAssembly";
    const bool program = project->text_at({"PropertyGroup", "OutputType"}) == "Exe" ||
                         sdk == "Microsoft.NET.Sdk.Worker";
    if (!is_web && !is_blazor && !program) continue;
    if (!chosen.empty() && (web || !is_web)) continue;
    chosen = file;
    web = is_web;
    blazor = is_blazor;
    document = std::move(parsed);
  }
  if (chosen.empty()) return std::nullopt;
  const XmlNode& project = *document->find("Project");
  Proposal proposal;
  Service& service = proposal.service;
  service.root = root.directory();
  service.provider = "dotnet";
  service.package_manager = "nuget";
  service.runtime = {.name = "dotnet", .version = "", .source = "default"};
  std::string_view target = project.text_at({"PropertyGroup", "TargetFramework"});
  if (target.starts_with("net") && target.size() > 3 && target[3] >= '0' && target[3] <= '9') {
    service.runtime.version = target.substr(3);
    service.runtime.source = std::string(base_name(chosen)) + " TargetFramework";
    proposal.because(root.path(chosen), line_of(root.text(chosen), "TargetFramework"),
                     "targets " + std::string(target));
  }
  if (const json::value* global = root.has("global.json") ? root.json("global.json") : nullptr;
      global != nullptr && !string_at(*global, {"sdk", "version"}).empty()) {
    service.runtime.version = string_at(*global, {"sdk", "version"});
    service.runtime.source = "global.json";
  }
  std::string assembly(project.text_at({"PropertyGroup", "AssemblyName"}));
  if (assembly.empty()) assembly = without_extension(base_name(chosen));
  service.install = "dotnet restore " + shell_quote(chosen);
  service.build = "dotnet publish " + shell_quote(chosen) + " -c Release -o out";
  if (blazor) {
    service.framework = "blazor";
    service.is_static = true;
    service.kind = "static";
    service.output_dir = "out/wwwroot";
    service.fallback = StaticFallback::single_page_app;
  } else {
    service.framework = web ? "aspnet" : "";
    service.start = (web ? "ASPNETCORE_URLS=http://0.0.0.0:$PORT " : "") +
                    std::string("dotnet out/") + assembly + ".dll";
    if (!web) service.kind = "worker";
  }
  for (const XmlNode& group : project.children)
    for (const XmlNode& reference : group.children)
      if (reference.name == "PackageReference")
        add_dependency(reference.text_at({"@Include"}), service);
  service.confidence = web || blazor ? 0.96 : 0.75;
  proposal.reason = chosen;
  add_source_facts(root.sources(Language::csharp), root, proposal);
  return proposal;
}

}  // namespace slipway::detection
