const http = require('http');
http.createServer((q, r) => r.end('x')).listen(process.env.PORT || 8080);
