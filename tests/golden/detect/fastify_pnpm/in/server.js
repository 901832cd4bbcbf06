import Fastify from 'fastify'
const app = Fastify({ logger: true })
app.get('/', async () => ({ hello: 'world' }))
await app.listen({ port: process.env.PORT || 3000, host: '0.0.0.0' })
