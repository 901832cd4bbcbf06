#pragma once

#include <span>
#include <string_view>

#include "detect/node/package.h"

namespace slipway::detection::node {

enum class Shape {
  meta,    // its own build and its own server
  site,    // a generator of pages
  spa,     // a bundler: one page, client side
  server,  // a library with which the project's own code listens
  worker,  // a bot or a consumer: listens to nothing
};

struct Context {
  const Package& package;
  const Start& start;
  Proposal& proposal;
};

// A framework is a row. What a row cannot say, its `plan` does; most need none.
struct Framework {
  std::string_view name;
  std::string_view dependencies;  // any of these, separated by '|'
  Shape shape;
  std::string_view build;   // the tool's own build command, when no script builds
  std::string_view output;  // of site and spa: the folder it writes
  std::string_view start;   // of meta: "" or the server's command; "$" begins a tool of the project
  void (*plan)(const Context& context) = nullptr;
  std::string_view cache;  // incremental cache worth keeping
};
[[nodiscard]] std::span<const Framework> frameworks();

void plan_next(const Context& context);
void plan_nuxt(const Context& context);
void plan_astro(const Context& context);
void plan_sveltekit(const Context& context);
void plan_react_router(const Context& context);
void plan_remix(const Context& context);
void plan_angular(const Context& context);
void plan_vite(const Context& context);
void plan_output_flag(const Context& context);
void plan_vitepress(const Context& context);
void plan_gatsby(const Context& context);
void plan_nest(const Context& context);
void plan_adonis(const Context& context);
void plan_webpack(const Context& context);
void plan_eleventy(const Context& context);
void plan_expo(const Context& context);
void plan_ionic(const Context& context);
void plan_solid_start(const Context& context);
void plan_tanstack_start(const Context& context);

// What runs once before a release, and what runs beside the server.
void plan_release(const Context& context);
void plan_workers(const Context& context);

// Makes the service a static site of `output`.
void make_static(Service& service, std::string output, StaticFallback fallback);

}  // namespace slipway::detection::node
