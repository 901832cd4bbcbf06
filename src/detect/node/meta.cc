// Frameworks with a server of their own, where configuration decides what comes out.
#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "detect/node/frameworks.h"

namespace slipway::detection::node {
namespace {

std::string next_config(const Root& root) { return config_file(root, "next.config"); }

bool build_script_says(const Context& context, std::string_view what) {
  return context.package.script("build").find(what) != std::string_view::npos;
}

int line_in(const Root& root, std::string_view file, std::string_view what) {
  return line_of(root.text(file), what);
}

}  // namespace

void plan_next(const Context& context) {
  const Root& root = *context.package.root;
  Service& service = context.proposal.service;
  const std::string config = next_config(root);
  const std::string output = config_value(root, config, "output");
  std::string directory = config_value(root, config, "distDir");
  if (output == "export" || build_script_says(context, "next export")) {
    if (!config.empty())
      context.proposal.because(root.path(config), line_in(root, config, "export"),
                               "output: export makes static pages");
    make_static(service, directory.empty() || output != "export" ? "out" : directory,
                StaticFallback::not_found_page);
    return;
  }
  if (directory.empty()) directory = ".next";
  service.cache_dirs = {directory + "/cache"};
  if (output == "standalone") {
    context.proposal.because(root.path(config), line_in(root, config, "standalone"),
                             "output: standalone makes a server of its own");
    std::string copy =
        " && cp -r " + directory + "/static " + directory + "/standalone/" + directory + "/";
    const bool has_public = std::ranges::any_of(
        root.files(), [](const std::string& file) { return file.starts_with("public/"); });
    if (has_public) copy = " && cp -r public " + directory + "/standalone/" + copy;
    *service.build += copy;
    service.start = "HOSTNAME=0.0.0.0 node " + directory + "/standalone/server.js";
  } else if (!context.start.entry.empty() && context.start.tool == "node" &&
             !context.start.command.empty() && root.has(context.start.entry) &&
             !context.start.script.empty()) {
    service.start = context.start.command;  // a custom server
    if (service.start->find("NODE_ENV=") == std::string::npos)
      service.start = "NODE_ENV=production " + *service.start;
  }
  for (const std::string& file : root.files()) {
    if (file.find("api/health") == std::string::npos) continue;
    for (const std::string_view route : {"health", "healthz"})
      for (const std::string_view base : {"app/", "src/app/", "pages/", "src/pages/"}) {
        const std::string stem = std::string(base) + "api/" + std::string(route);
        if (file.starts_with(stem + "/route.") || file.starts_with(stem + ".") ||
            file.starts_with(stem + "/index."))
          if (service.health_path == "/") service.health_path = "/api/" + std::string(route);
      }
  }
}

void plan_nuxt(const Context& context) {
  const Root& root = *context.package.root;
  Service& service = context.proposal.service;
  const std::string config = config_file(root, "nuxt.config");
  const std::string_view range = context.package.range("nuxt");
  const bool old = context.package.has("nuxt-edge") || range.starts_with("2") ||
                   range.starts_with("^2") || range.starts_with("~2");
  const std::string preset = config_value(root, config, "preset");
  const bool generate = build_script_says(context, "generate") || preset == "static" ||
                        preset == "github_pages" ||
                        config_value(root, config, "target") == "static";
  if (generate) {
    if (!build_script_says(context, "generate") && preset.empty())
      service.build = context.package.execute("nuxt generate");
    make_static(service, old ? "dist" : ".output/public", StaticFallback::not_found_page);
    return;
  }
  if (old)
    service.start = "HOST=0.0.0.0 " + context.package.execute("nuxt start");
  else
    service.start = "node .output/server/index.mjs";
}

void plan_solid_start(const Context& context) {
  const Root& root = *context.package.root;
  const std::string config = config_file(root, "app.config");
  if (config_value(root, config, "preset") == "static" ||
      config_value(root, config, "ssr") == "false")
    make_static(context.proposal.service, ".output/public", StaticFallback::single_page_app);
  else
    context.proposal.service.start = "node .output/server/index.mjs";
}

// From 1.132 on its build makes a fetch handler in dist/server and files in dist/client, and no
// server but with Nitro. srvx, which its documentation names, runs one; it comes with h3.
void plan_tanstack_start(const Context& context) {
  const Package& package = context.package;
  const Root& root = *package.root;
  const std::string config = config_file(root, "vite.config");
  int minor = 0;
  for (const std::string_view name : {"@tanstack/react-start", "@tanstack/solid-start"}) {
    std::string_view range = package.range(name);
    const std::size_t at = range.find("1.");
    if (at == std::string_view::npos || at > 2) continue;
    range.remove_prefix(at + 2);
    std::from_chars(range.data(), range.data() + range.size(), minor);
  }
  if (minor < 132 || package.has("nitro") || package.has("nitropack") ||
      config_mentions(root, config, "nitro") || config.empty())
    return;
  Service& service = context.proposal.service;
  if (!package.has("srvx") && package.manager.name != "npm" && package.manager.name != "bun")
    service.install =
        service.install.value_or("true") + " && " + package.manager.name + " add srvx";
  service.start = package.execute("srvx --prod -s ../client dist/server/server.js");
  context.proposal.because(root.path(config), 0,
                           "its build makes a fetch handler in dist/server, which srvx serves");
}

void plan_astro(const Context& context) {
  const Root& root = *context.package.root;
  Service& service = context.proposal.service;
  const std::string config = config_file(root, "astro.config");
  std::string directory = config_value(root, config, "outDir");
  directory = directory.empty() ? "dist" : join_path(directory, "");
  const std::string output = config_value(root, config, "output");
  const bool node = config_mentions(root, config, "@astrojs/node");
  if (node) {
    context.proposal.because(root.path(config), line_in(root, config, "@astrojs/node"),
                             "the node adapter makes a server");
    if (config_value(root, config, "mode") == "middleware") {
      if (!context.start.command.empty() && !context.start.entry.empty()) {
        service.start = context.start.command;
      } else {
        context.proposal.warn(
            "astro_middleware",
            "the node adapter is in middleware mode, which has no server of its own",
            root.path(config), line_in(root, config, "middleware"),
            "use node({ mode: \"standalone\" })");
        service.start = "HOST=0.0.0.0 node ./" + directory + "/server/entry.mjs";
      }
      return;
    }
    service.start = "HOST=0.0.0.0 node ./" + directory + "/server/entry.mjs";
    return;
  }
  if (output == "server" || output == "hybrid")
    context.proposal.warn(
        "astro_adapter",
        "output is \"" + output +
            "\" but there is no node adapter: pages rendered on request will be missing",
        root.path(config), line_in(root, config, "output"), "npx astro add node");
  make_static(service, directory, StaticFallback::not_found_page);
}

void plan_sveltekit(const Context& context) {
  const Root& root = *context.package.root;
  Service& service = context.proposal.service;
  std::string config = config_file(root, "svelte.config");
  if (config.empty() || !config_mentions(root, config, "adapter"))
    config = config.empty() ? config_file(root, "vite.config") : config;
  const auto adapter = [&](std::string_view name) {
    return config_mentions(root, config, "@sveltejs/adapter-" + std::string(name));
  };
  const int line = line_in(root, config, "@sveltejs/adapter-");
  std::string out = config_value(root, config, "out");
  if (adapter("static")) {
    context.proposal.because(root.path(config), line, "adapter-static makes static pages");
    std::string pages = config_value(root, config, "pages");
    const bool fallback = config_mentions(root, config, "fallback");
    make_static(service, pages.empty() ? "build" : pages,
                fallback ? StaticFallback::single_page_app : StaticFallback::not_found_page);
  } else if (adapter("node")) {
    context.proposal.because(root.path(config), line, "adapter-node makes a server");
    service.start = "node " + (out.empty() ? std::string("build") : out);
  } else {
    const std::string made_for = adapter("vercel")       ? "Vercel"
                                 : adapter("netlify")    ? "Netlify"
                                 : adapter("cloudflare") ? "Cloudflare"
                                                         : "";
    context.proposal.warn(
        "sveltekit_adapter",
        made_for.empty()
            ? std::string(
                  "adapter-auto does not know this platform; the app is served by vite preview")
            : "the adapter is made for " + made_for + "; the app is served by vite preview",
        root.path(config), line,
        "npm install -D @sveltejs/adapter-node and use it in svelte.config.js");
    service.start = context.package.execute("vite preview --host 0.0.0.0 --port $PORT");
  }
}

void plan_react_router(const Context& context) {
  const Root& root = *context.package.root;
  const std::string config = config_file(root, "react-router.config");
  std::string directory = config_value(root, config, "buildDirectory");
  if (directory.empty()) directory = "build";
  if (config_value(root, config, "ssr") == "false") {
    context.proposal.because(root.path(config), line_in(root, config, "ssr"),
                             "ssr: false makes a single page app");
    make_static(context.proposal.service, directory + "/client", StaticFallback::single_page_app);
    return;
  }
  if (!context.start.command.empty() && !context.start.development)
    context.proposal.service.start = context.start.command;
}

void plan_remix(const Context& context) {
  const Root& root = *context.package.root;
  const std::string config = config_file(root, "vite.config");
  if (config_value(root, config, "ssr") == "false") {
    make_static(context.proposal.service, "build/client", StaticFallback::single_page_app);
    return;
  }
  if (!context.start.command.empty() && !context.start.development)
    context.proposal.service.start = context.start.command;
  else if (config.empty())
    context.proposal.service.start = context.package.execute("remix-serve build/index.js");
}

}  // namespace slipway::detection::node
