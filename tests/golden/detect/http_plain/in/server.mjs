import http from 'node:http';
http.createServer((req, res) => {
  if (req.url === '/healthz') return res.end('ok');
  res.end('hello');
}).listen(process.env.PORT);
