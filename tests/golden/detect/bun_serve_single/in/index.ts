Bun.serve({ port: process.env.PORT, fetch() { return new Response('hi') } })
