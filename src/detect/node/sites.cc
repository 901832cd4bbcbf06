// Bundlers and site generators, where configuration moves the output.
#include "base/text.h"
#include "detect/node/frameworks.h"

namespace slipway::detection::node {
namespace {

// "--out-dir x", "-o x", "--output=x" in a build script.
std::string flag_value(std::string_view script, std::initializer_list<std::string_view> flags) {
  std::vector<std::string_view> words;
  for (const std::string_view word : split(script, ' '))
    if (!word.empty()) words.push_back(word);
  for (std::size_t i = 0; i < words.size(); ++i)
    for (const std::string_view flag : flags) {
      if (words[i] == flag && i + 1 < words.size()) return std::string(words[i + 1]);
      if (words[i].starts_with(flag) && words[i].size() > flag.size() &&
          words[i][flag.size()] == '=')
        return std::string(words[i].substr(flag.size() + 1));
    }
  return {};
}

void set_output(const Context& context, std::string_view output) {
  if (output.empty()) return;
  if (const std::optional<std::string> clean = resolve_path("", output); clean && !clean->empty())
    context.proposal.service.output_dir = *clean;
}

}  // namespace

// Where a build script says that it writes: `vue-cli-service build --dest _static`.
void plan_output_flag(const Context& context) {
  struct Row {
    std::string_view framework;
    std::initializer_list<std::string_view> flags;
  };
  static const Row rows[] = {{"vue-cli", {"--dest"}},
                             {"parcel", {"--dist-dir", "-d"}},
                             {"ember", {"--output-path", "-o"}},
                             {"docusaurus", {"--out-dir"}},
                             {"eleventy", {"--output"}},
                             {"rsbuild", {"--dist-path"}},
                             {"preact", {"--dest"}},
                             {"expo", {"--output-dir"}},
                             {"storybook", {"--output-dir", "-o"}}};
  Service& service = context.proposal.service;
  if (!service.is_static) return;
  const std::string_view script = context.package.script("build");
  std::string output;
  for (const Row& row : rows)
    if (row.framework == service.framework) output = flag_value(script, row.flags);
  if (service.framework == "vue-cli" && output.empty())
    output = config_value(*context.package.root, "vue.config.js", "outputDir");
  if (service.framework == "create-react-app")
    if (const std::size_t at = script.find("BUILD_PATH="); at != std::string_view::npos) {
      const std::string_view rest = script.substr(at + 11);
      output = rest.substr(0, rest.find_first_of(" &;"));
    }
  const auto clean = resolve_path("", output);
  if (output.empty() || output.starts_with('/') || !clean || clean->empty()) return;
  service.output_dir = *clean;
  context.proposal.because(context.package.root->path("package.json"),
                           context.package.line("build"), "builds into " + output);
}

void plan_vite(const Context& context) {
  const Root& root = *context.package.root;
  Service& service = context.proposal.service;
  const std::string config = config_file(root, "vite.config");
  const std::string script_output = flag_value(context.package.script("build"), {"--outDir"});
  const std::string output =
      script_output.empty() ? config_value(root, config, "outDir") : script_output;
  std::string base = config_value(root, config, "root");
  if (base == "process" || base == "resolve" || base == "path" || base == "join" ||
      base == "__dirname")
    base.clear();
  if (!output.empty()) {
    context.proposal.because(root.path(config.empty() ? "package.json" : config),
                             line_of(root.text(config), "outDir"), "builds into " + output);
    if (const auto clean = resolve_path(base, output);
        clean && !clean->empty() && !output.starts_with('/'))
      service.output_dir = *clean;
  } else if (!base.empty()) {
    service.output_dir = join_path(base, "dist");
  }
}

void plan_vitepress(const Context& context) {
  const Root& root = *context.package.root;
  std::string source;
  for (const std::string_view script : {"build", "docs:build"}) {
    const std::string_view text = context.package.script(script);
    const std::size_t at = text.find("vitepress build");
    if (at == std::string_view::npos) continue;
    std::string_view rest = trim(text.substr(at + 15));
    rest = rest.substr(0, rest.find_first_of(" &;"));
    if (!rest.starts_with('-')) source = rest;
    break;
  }
  if (source.empty())
    for (const std::string& file : root.files())
      if (const std::size_t at = file.find(".vitepress/config"); at != std::string::npos) {
        source = at == 0 ? "" : file.substr(0, at - 1);
        break;
      }
  const bool has_script = context.proposal.service.build &&
                          context.proposal.service.build->find("vitepress") == std::string::npos;
  if (!has_script && !source.empty())
    context.proposal.service.build = context.package.execute("vitepress build " + source);
  context.proposal.service.output_dir = join_path(source, ".vitepress/dist");
}

void plan_gatsby(const Context&) {}

void plan_eleventy(const Context& context) {
  const Root& root = *context.package.root;
  std::string output = flag_value(context.package.script("build"), {"--output"});
  std::string config;
  for (const std::string_view name :
       {"eleventy.config.js", "eleventy.config.mjs", "eleventy.config.cjs", ".eleventy.js"})
    if (config.empty() && root.has(name)) config = name;
  if (output.empty()) output = config_value(root, config, "output");
  set_output(context, output);
}

void plan_webpack(const Context& context) {
  Service& service = context.proposal.service;
  const Root& root = *context.package.root;
  // Only a page makes a site of it.
  const bool page = root.has("index.html") || root.has("src/index.html") ||
                    root.has("public/index.html") || root.has("dist/index.html") ||
                    context.package.has("html-webpack-plugin");
  if (!page) service.confidence = 0.4;
  const std::string output = flag_value(context.package.script("build"), {"--output-path", "-o"});
  set_output(context, output);
}

void plan_expo(const Context& context) {
  if (!context.package.has("react-dom") && !context.package.has("react-native-web")) {
    context.proposal.service.confidence = 0.5;
    context.proposal.warn("expo_web",
                          "the app has no web support: react-dom and react-native-web are missing",
                          context.package.root->path("package.json"), 0,
                          "npx expo install react-dom react-native-web");
  }
  context.proposal.service.build = context.package.execute("expo export --platform web");
}

void plan_ionic(const Context& context) {
  const bool vite = context.package.has("vite");
  if (context.package.has("react-scripts"))
    context.proposal.service.output_dir = "build";
  else if (vite || context.package.has("@vue/cli-service"))
    context.proposal.service.output_dir = "dist";
  if (!context.package.script("build").empty()) return;
  context.proposal.service.build =
      context.package.execute(vite ? "vite build" : "ionic build --prod");
}

void plan_angular(const Context& context) {
  const Root& root = *context.package.root;
  Service& service = context.proposal.service;
  const json::value* workspace = root.json("angular.json");
  if (workspace == nullptr) return;
  std::string name(string_at(*workspace, {"defaultProject"}));
  std::vector<std::string> applications;
  for (const auto& [key, project] : object_at(*workspace, {"projects"}))
    if (string_at(project, {"projectType"}) != "library")
      applications.emplace_back(std::string_view(key));
  if (name.empty() && !applications.empty()) name = applications.front();
  if (name.empty()) return;
  if (applications.size() > 1 && string_at(*workspace, {"defaultProject"}).empty())
    context.proposal.questions.push_back({.id = "angular_project",
                                          .text = "which application of angular.json?",
                                          .choices = applications,
                                          .default_choice = name,
                                          .flag = "--build 'npx ng build <name>'"});
  const json::value* options =
      find(*workspace, {"projects", name, "architect", "build", "options"});
  if (options == nullptr)
    options = find(*workspace, {"projects", name, "targets", "build", "options"});
  std::string builder(string_at(*workspace, {"projects", name, "architect", "build", "builder"}));
  if (builder.empty())
    builder = string_at(*workspace, {"projects", name, "targets", "build", "builder"});
  const bool modern = builder.ends_with(":application");
  std::string output, browser = modern ? "browser" : "";
  bool server = false;
  if (options != nullptr) {
    output = string_at(*options, {"outputPath"});
    if (output.empty()) output = string_at(*options, {"outputPath", "base"});
    if (const json::value* folder = find(*options, {"outputPath", "browser"});
        folder != nullptr && folder->is_string())
      browser = string_at(*options, {"outputPath", "browser"});
    const json::value* ssr = find(*options, {"ssr"});
    const bool off = ssr == nullptr || (ssr->is_bool() && !ssr->as_bool());
    server = !off && string_at(*options, {"outputMode"}) != "static";
  }
  if (output.empty()) output = "dist/" + name;
  context.proposal.because(root.path("angular.json"),
                           line_of(root.text("angular.json"), "\"outputPath\""),
                           "application " + name + " builds into " + output);
  if (server) {
    service.is_static = false;
    service.kind = "web";
    service.output_dir.reset();
    service.start = "node " + join_path(output, "server/server.mjs");
    return;
  }
  make_static(service, join_path(output, browser), StaticFallback::single_page_app);
}

void plan_nest(const Context& context) {
  const Root& root = *context.package.root;
  Service& service = context.proposal.service;
  if (!context.start.entry.empty() && context.start.entry.find("dist") != std::string::npos) {
    service.start = context.start.command;
    return;
  }
  const bool mono = root.has("nest-cli.json") &&
                    root.text("nest-cli.json").find("\"monorepo\"") != std::string_view::npos;
  if (mono && !context.start.command.empty())
    service.start = context.start.command;
  else
    service.start = "node dist/main";
}

void plan_adonis(const Context& context) {
  context.proposal.service.start = "HOST=0.0.0.0 node build/bin/server.js";
}

}  // namespace slipway::detection::node
