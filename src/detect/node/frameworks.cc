#include "detect/node/frameworks.h"

namespace slipway::detection::node {
namespace {

using enum Shape;

// The more specific first: a SvelteKit project also has vite, a Nest project also has express.
constexpr Framework table[] = {
    {"next", "next", meta, "next build", "", "next start -p $PORT", plan_next, ".next/cache"},
    {"nuxt", "nuxt|nuxt3|nuxt-edge", meta, "nuxt build", "", "", plan_nuxt,
     "node_modules/.cache/nuxt"},
    {"analog", "@analogjs/platform", meta, "vite build", "", "node dist/analog/server/index.mjs"},
    {"solid-start", "@solidjs/start|solid-start", meta, "vinxi build", "", "", plan_solid_start},
    {"tanstack-start", "@tanstack/react-start|@tanstack/solid-start|@tanstack/start", meta,
     "vite build", "", "node .output/server/index.mjs", plan_tanstack_start},
    {"sveltekit", "@sveltejs/kit", meta, "vite build", "", "", plan_sveltekit},
    {"hydrogen", "@shopify/hydrogen", meta, "shopify hydrogen build", "",
     "shopify hydrogen preview"},
    {"react-router", "@react-router/dev", meta, "react-router build", "",
     "react-router-serve ./build/server/index.js", plan_react_router},
    {"remix", "@remix-run/dev|@remix-run/serve", meta, "remix vite:build", "",
     "remix-serve ./build/server/index.js", plan_remix},
    {"astro", "astro", meta, "astro build", "dist", "", plan_astro, "node_modules/.astro"},
    {"marko", "@marko/run", meta, "marko-run build", "", "node dist/index.mjs"},
    {"redwood", "@redwoodjs/core", meta, "rw build", "", "rw serve"},
    {"blitz", "blitz", meta, "blitz build", "", "blitz start -p $PORT"},
    {"waku", "waku", meta, "waku build", "", "waku start --port $PORT"},
    {"qwik", "@builder.io/qwik-city|@qwik.dev/router", spa, "qwik build", "dist", ""},
    {"vike", "vike|vite-plugin-ssr", spa, "vite build", "dist/client", ""},
    {"nitro", "nitropack|nitro", meta, "nitropack build", "", "node .output/server/index.mjs"},
    {"meteor", "meteor-node-stubs", meta, "meteor build --directory .meteor-out --server-only", "",
     "node .meteor-out/bundle/main.js"},

    {"docusaurus", "@docusaurus/core", site, "docusaurus build", "build", "", nullptr,
     "node_modules/.cache"},
    {"vitepress", "vitepress", site, "vitepress build", ".vitepress/dist", "", plan_vitepress},
    {"vuepress", "vuepress|vuepress-vite|@vuepress/cli", site, "vuepress build docs",
     "docs/.vuepress/dist", ""},
    {"gatsby", "gatsby", site, "gatsby build", "public", "", plan_gatsby, ".cache"},
    {"eleventy", "@11ty/eleventy", site, "eleventy", "_site", "", plan_eleventy},
    {"hexo", "hexo", site, "hexo generate", "public", ""},
    {"gridsome", "gridsome", site, "gridsome build", "dist", ""},

    {"angular", "@angular/core", spa, "ng build", "dist", "", plan_angular, ".angular/cache"},
    {"create-react-app", "react-scripts|react-app-rewired|@craco/craco", spa, "react-scripts build",
     "build", "", nullptr, "node_modules/.cache"},
    {"vue-cli", "@vue/cli-service", spa, "vue-cli-service build", "dist", "", nullptr,
     "node_modules/.cache"},
    {"ember", "ember-cli", spa, "ember build --environment=production", "dist", ""},
    {"quasar", "@quasar/app-vite|@quasar/app-webpack|quasar-cli", spa, "quasar build", "dist/spa",
     ""},
    {"ionic", "@ionic/angular|@ionic/react|@ionic/vue", spa, "", "www", "", plan_ionic},
    {"stencil", "@stencil/core", spa, "stencil build", "www", ""},
    {"expo", "expo", spa, "expo export --platform web", "dist", "", plan_expo},
    {"preact", "preact-cli", spa, "preact build", "build", ""},
    {"umi", "umi|@umijs/max", spa, "umi build", "dist", ""},
    {"vite", "vite|rolldown-vite", spa, "vite build", "dist", "", plan_vite, "node_modules/.vite"},
    {"rsbuild", "@rsbuild/core", spa, "rsbuild build", "dist", ""},
    {"parcel", "parcel|parcel-bundler", spa, "parcel build index.html", "dist", "", nullptr,
     ".parcel-cache"},

    {"nest", "@nestjs/core", server, "nest build", "", "", plan_nest},
    {"adonis", "@adonisjs/core", server, "node ace build", "", "", plan_adonis},
    {"feathers", "@feathersjs/feathers|@feathersjs/koa|@feathersjs/express", server, "", "", ""},
    {"strapi", "@strapi/strapi", server, "strapi build", "", ""},
    {"payload", "payload", server, "", "", ""},
    {"keystone", "@keystone-6/core", server, "keystone build", "", ""},
    {"elysia", "elysia", server, "", "", ""},
    {"fastify", "fastify", server, "", "", ""},
    {"hono", "hono", server, "", "", ""},
    {"koa", "koa", server, "", "", ""},
    {"hapi", "@hapi/hapi", server, "", "", ""},
    {"restify", "restify", server, "", "", ""},
    {"polka", "polka", server, "", "", ""},
    {"h3", "h3", server, "", "", ""},
    {"apollo-server", "@apollo/server|apollo-server", server, "", "", ""},
    {"json-server", "json-server", server, "", "", ""},
    {"express", "express", server, "", "", ""},
    {"socket.io", "socket.io", server, "", "", ""},
    {"ws", "ws", server, "", "", ""},
    {"mcp", "@modelcontextprotocol/sdk|fastmcp", server, "", "", ""},

    {"discord.js", "discord.js", worker, "", "", ""},
    {"telegraf", "telegraf|grammy|node-telegram-bot-api", worker, "", "", ""},
    {"slack-bolt", "@slack/bolt", worker, "", "", ""},

    // Weak: a bundler or a component workshop in itself says little about what is served.
    {"webpack", "webpack|webpack-cli|@rspack/cli|@rspack/core", spa, "webpack --mode production",
     "dist", "", plan_webpack},
    {"storybook", "storybook", site, "storybook build", "storybook-static", ""},
};

}  // namespace

std::span<const Framework> frameworks() { return table; }

void make_static(Service& service, std::string output, StaticFallback fallback) {
  service.is_static = true;
  service.kind = "static";
  service.output_dir = std::move(output);
  service.fallback = fallback;
  service.start.reset();
}

}  // namespace slipway::detection::node
