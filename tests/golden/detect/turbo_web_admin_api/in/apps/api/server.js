const app=require('fastify')();
app.listen({port: process.env.PORT || 4000, host:'0.0.0.0'});
