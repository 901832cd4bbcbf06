module.exports = async (fastify, opts) => {}
