require('http').createServer((_, r) => r.end('js')).listen(process.env.PORT);
