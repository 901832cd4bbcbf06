require('http').createServer((_, r) => r.end('demo')).listen(3000);
